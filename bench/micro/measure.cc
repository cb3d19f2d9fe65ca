#include "bench/micro/measure.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <optional>

#include "kernels/base/onednn.h"

namespace ergo::micro {
namespace {

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(middle), values.end());
  return values[middle];
}

// A kernel with what a run needs.
struct Prepared {
  std::unique_ptr<Kernel> kernel;
  AlignedBuffer workspace;

  void Run(const Case& problem, ParallelFor& parallel) {
    kernel->Run({problem.inputs, problem.outputs, workspace.Bytes(), parallel});
  }
};

std::optional<Prepared> Prepare(const Case& problem, size_t variant, ParallelFor& parallel,
                                VariantResult& result) {
  MadeKernel made = problem.Make(variant, {parallel.Workers(), nullptr, true});
  if (!made.ok()) {
    result.declined = made.status().message();
    return std::nullopt;
  }
  Prepared prepared{std::move(made).value(), {}};
  result.workspace_bytes = prepared.kernel->WorkspaceBytes();
  prepared.workspace = AlignedBuffer::AllocateOrDie(result.workspace_bytes);
  return prepared;
}

using Bytes = std::vector<std::vector<std::byte>>;

Bytes CopyOutputs(const Case& problem) {
  Bytes copies;
  for (const MutableTensorView& output : problem.outputs) {
    const auto* data = static_cast<const std::byte*>(output.data);
    copies.emplace_back(data, data + output.Bytes());
  }
  return copies;
}

// So that what a variant fails to write cannot be the previous one's result.
void SpoilOutputs(const Case& problem) {
  for (const MutableTensorView& output : problem.outputs) {
    std::memset(output.data, 0xff, static_cast<size_t>(output.Bytes()));
  }
}

// "" when all outputs agree with the reference's.
std::string Compare(const Case& problem, const Bytes& expected) {
  for (size_t o = 0; o < expected.size(); ++o) {
    const MutableTensorView& output = problem.outputs[o];
    if (std::memcmp(expected[o].data(), output.data, expected[o].size()) == 0) continue;
    if (output.dtype != DType::kF32) return fmt::format("output {} differs", o);
    const auto* got = output.As<float>();
    const auto* want = reinterpret_cast<const float*>(expected[o].data());
    for (int64_t i = 0; i < output.Elements(); ++i) {
      if (got[i] == want[i] || (std::isnan(got[i]) && std::isnan(want[i]))) continue;
      const double bound = problem.tolerance(i, static_cast<double>(want[i]));
      // Negated, so that a NaN counts as a difference.
      if (!(std::fabs(static_cast<double>(got[i]) - static_cast<double>(want[i])) <= bound)) {
        return fmt::format("output {} element {}: {} where the reference has {} (bound {:.3g})", o,
                           i, got[i], want[i], bound);
      }
    }
  }
  return "";
}

// Keeps the samples and prints nothing.
class Collector final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration || run.iterations == 0) continue;
      samples_[run.run_name.function_name].push_back(run.real_accumulated_time /
                                                     static_cast<double>(run.iterations));
    }
  }
  std::vector<double> Take(const std::string& name) { return std::move(samples_[name]); }

 private:
  std::map<std::string, std::vector<double>> samples_;
};

void InitializeOnce() {
  static const bool done = [] {
    // Interleaving spreads a disturbance over all variants.
    char name[] = "ergo_micro", interleave[] = "--benchmark_enable_random_interleaving=true";
    char* arguments[] = {name, interleave, nullptr};
    int count = 2;
    benchmark::Initialize(&count, arguments);
    return true;
  }();
  static_cast<void>(done);
}

void Time(const Case& problem, ParallelFor& parallel, const MeasureOptions& options,
          std::map<std::string, Prepared>& kernels, std::vector<VariantResult>& results) {
  InitializeOnce();
  benchmark::ClearRegisteredBenchmarks();
  for (auto& [name, prepared] : kernels) {
    benchmark::RegisterBenchmark(name.c_str(),
                                 [&, &kernel = prepared](benchmark::State& state) {
                                   for (auto iteration : state) {
                                     static_cast<void>(iteration);
                                     kernel.Run(problem, parallel);
                                   }
                                 })
        ->UseRealTime()
        ->MinTime(options.min_seconds)
        ->Repetitions(options.repetitions);
  }
  Collector collector;
  benchmark::RunSpecifiedBenchmarks(&collector, "all");
  for (VariantResult& result : results) {
    result.seconds = collector.Take(std::string(result.info.variant));
  }
}

}  // namespace

double VariantResult::MedianSeconds() const {
  return Median(seconds);
}

double VariantResult::MinSeconds() const {
  return seconds.empty() ? 0 : *std::min_element(seconds.begin(), seconds.end());
}

double VariantResult::MadSeconds() const {
  const double median = MedianSeconds();
  std::vector<double> deviations;
  for (const double value : seconds) deviations.push_back(std::fabs(value - median));
  return Median(std::move(deviations));
}

std::vector<VariantResult> Measure(Case& problem, ParallelFor& parallel,
                                   const MeasureOptions& options) {
  std::vector<VariantResult> results(problem.VariantCount());
  std::map<std::string, Prepared> kernels;
  Bytes expected;
  // The reference is last in every list, and first to run.
  for (size_t i = results.size(); i-- > 0;) {
    VariantResult& result = results[i];
    result.info = problem.Variant(i);
    const bool reference = result.info.variant == "reference";
    if (!reference && !options.variant.empty() && options.variant != result.info.variant) {
      result.declined = "not asked for";
      continue;
    }
    std::optional<Prepared> prepared = Prepare(problem, i, parallel, result);
    if (!prepared) continue;
    SpoilOutputs(problem);
    prepared->Run(problem, parallel);
    if (reference) expected = CopyOutputs(problem);
    result.mismatch = Compare(problem, expected);
    result.checked = result.mismatch.empty();
    if (!reference || options.time_reference || options.variant == "reference") {
      kernels.emplace(result.info.variant, std::move(*prepared));
    }
  }
  if (!HasMismatch(results)) Time(problem, parallel, options, kernels, results);
  return results;
}

bool HasMismatch(const std::vector<VariantResult>& results) {
  return std::any_of(results.begin(), results.end(),
                     [](const VariantResult& result) { return !result.mismatch.empty(); });
}

}  // namespace ergo::micro
