#include "tools/ergo/output_check.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "tools/ergo/input_tensors.h"
#include "tools/ergo/table.h"

namespace ergo::tool {
namespace {

// Free dimensions of random inputs, tried in turn: 2 tells a batch from what is broadcast;
// dimensions that depend on each other may take 1; images and signals need more, and then not many
// of them.
struct FreeDims {
  int64_t leading, others;
};
constexpr FreeDims kFreeDims[] = {{2, 2}, {1, 1}, {2, 32}, {1, 256}};

// A range of one number for each symbol that has none.
std::vector<DimRange> WithFreeDims(const Model& model, const FreeDims& free) {
  std::vector<DimRange> ranges = model.DimRanges();
  const auto add = [&](const Dim& dim, int64_t number) {
    if (dim.Known() || dim.symbol.empty()) return;
    if (std::ranges::find(ranges, dim.symbol, &DimRange::symbol) != ranges.end()) return;
    ranges.push_back({dim.symbol, {number}});
  };
  for (const Model::Port& port : model.Inputs()) {
    if (port.shape.RankKnown() && port.shape.Rank() > 0) add(port.shape[0], free.leading);
  }
  for (const Model::Port& port : model.Inputs()) {
    if (!port.shape.RankKnown()) continue;
    for (const Dim& dim : port.shape.Dims()) add(dim, free.others);
  }
  return ranges;
}

Result<ExpectedRun> TryRandomRun(Model& reference, const ShapeFlags& shapes, uint64_t seed,
                                 const FreeDims& free) {
  InputFlags flags;
  flags.random = seed;
  flags.shapes = shapes;
  const std::vector<DimRange> ranges = WithFreeDims(reference, free);
  ERGO_ASSIGN_OR_RETURN(GatheredInputs gathered, GatherInputs(reference.Inputs(), flags, ranges));
  ExpectedRun run{fmt::format("random {}", seed), std::move(gathered.tensors), {}};
  Runner runner(reference);
  ERGO_ASSIGN_OR_RETURN(run.outputs, runner.Run(run.InputViews()));
  return run;
}

}  // namespace

void DefineCheckFlags(CLI::App& app, std::string source_option, CheckFlags& flags) {
  app.add_option(source_option, flags.source,
                 "Check every output: DIR holds test_data_set_*/{input,output}_*.pb; 'random' "
                 "compares with the reference kernels on random inputs")
      ->type_name("DIR|random");
  app.add_option("--rtol", flags.tolerance.rtol,
                 "Relative tolerance (default 1e-3; float16 2e-3, bfloat16 2e-2)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--atol", flags.tolerance.atol,
                 "Absolute tolerance; of outputs with values above 1, times the largest")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--cosine", flags.cosine,
                 "For models of lower precision, where rounding flips a few quanta: an output "
                 "matches when its cosine with the expected one is at least this")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--seed", flags.seed, "Of random inputs")->capture_default_str();
  app.add_flag("--bisect", flags.bisect,
               "Where an output differs, find the first node whose result does");
}

std::vector<TensorView> ExpectedRun::InputViews() const {
  std::vector<TensorView> views;
  for (const Tensor& input : inputs) views.push_back(input.View());
  return views;
}

Result<std::vector<ExpectedRun>> RecordedRuns(const std::string& folder, const Model& model) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<TestDataSet> sets, ReadTestData(folder));
  std::vector<ExpectedRun> runs;
  for (const TestDataSet& set : sets) {
    ExpectedRun run{set.name, {}, {}};
    Result<std::vector<const Tensor*>> inputs = MatchToPorts(set.inputs, model.Inputs());
    if (!inputs.ok()) return std::move(inputs).status().WithContext(set.name);
    for (const Tensor* input : *inputs) run.inputs.push_back(*input);
    if (set.outputs.size() > model.Outputs().size()) {
      return InvalidArgument("{}: there are {} outputs to compare with, the model has {}", set.name,
                             set.outputs.size(), model.Outputs().size());
    }
    Result<std::vector<const Tensor*>> outputs = MatchToPorts(set.outputs, model.Outputs());
    if (!outputs.ok()) return std::move(outputs).status().WithContext(set.name);
    for (const Tensor* output : *outputs) run.outputs.push_back(*output);
    runs.push_back(std::move(run));
  }
  return runs;
}

Result<ExpectedRun> RandomRun(Model& reference, const ShapeFlags& shapes, uint64_t seed) {
  Status first;
  for (const FreeDims& free : kFreeDims) {
    Result<ExpectedRun> run = TryRandomRun(reference, shapes, seed, free);
    if (run.ok()) return run;
    if (first.ok()) first = run.status();
  }
  return std::move(first).WithContext(
      "random inputs (--dim SYMBOL=N sets free dimensions that depend on each other)");
}

Comparison CompareScaled(TensorView actual, TensorView expected, const Tolerance& tolerance) {
  Tolerance scaled = tolerance;
  double largest = 1;
  for (const double value : ToDoubles(expected)) {
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  }
  scaled.atol *= largest;
  return Compare(actual, expected, scaled);
}

bool Matches(const Comparison& comparison, const CheckFlags& flags) {
  if (!flags.cosine) return comparison.Matches();
  return comparison.problem.empty() && comparison.cosine >= *flags.cosine;
}

Result<OutputCheck> CheckOutputs(Model& model, std::span<const ExpectedRun> runs,
                                 const CheckFlags& flags, Progress& progress) {
  OutputCheck check;
  Runner runner(model);
  for (size_t k = 0; k < runs.size(); ++k) {
    const ExpectedRun& run = runs[k];
    progress.Show("comparing outputs", static_cast<int64_t>(k), static_cast<int64_t>(runs.size()));
    Result<std::vector<Tensor>> actual = runner.Run(run.InputViews());
    if (!actual.ok()) return std::move(actual).status().WithContext(run.set);
    const size_t compared = std::min(actual->size(), run.outputs.size());
    for (size_t i = 0; i < compared; ++i) {
      CheckedOutput line{run.set, model.Outputs()[i].name, {}, false};
      const TensorView is = (*actual)[i].View(), expected = run.outputs[i].View();
      line.comparison = flags.Random() ? CompareScaled(is, expected, flags.tolerance)
                                       : Compare(is, expected, flags.tolerance);
      line.matches = Matches(line.comparison, flags);
      check.failed += line.matches ? 0 : 1;
      check.lines.push_back(std::move(line));
    }
  }
  return check;
}

Json OutputCheck::ToJson() const {
  Json document = {{"matches", Passed()}, {"outputs", lines.size()}, {"failed", failed}};
  for (const CheckedOutput& line : lines) {
    const Comparison& c = line.comparison;
    document["comparisons"].push_back({{"set", line.set},
                                       {"output", line.output},
                                       {"matches", line.matches},
                                       {"problem", c.problem},
                                       {"elements", c.elements},
                                       {"mismatches", c.mismatches},
                                       {"max_abs", c.max_abs},
                                       {"max_abs_at", c.max_abs_at},
                                       {"max_rel", c.max_rel},
                                       {"max_rel_at", c.max_rel_at},
                                       {"abs_p99", c.abs_p99},
                                       {"cosine", c.cosine}});
  }
  return document;
}

std::string OutputCheck::ToString() const {
  Table table;
  for (const char* header : {"", "set", "output"}) table.Column(header);
  for (const char* header : {"elements", "max abs", "max rel", "cosine"}) {
    table.Column(header, Table::Align::kRight);
  }
  table.Column("");
  for (const CheckedOutput& line : lines) {
    const Comparison& c = line.comparison;
    std::string note = c.problem;
    if (note.empty() && c.mismatches > 0) {
      note = fmt::format("{} beyond tolerance, first {}; largest error at {}", c.mismatches,
                         c.first_mismatch, c.max_abs_at);
    }
    table.Row({line.matches ? "ok" : "FAIL", line.set, line.output, std::to_string(c.elements),
               fmt::format("{:.3g}", c.max_abs), fmt::format("{:.3g}", c.max_rel),
               fmt::format("{:.6f}", c.cosine), note});
  }
  return fmt::format("{}{} of {} outputs match\n", table.ToString(),
                     static_cast<int>(lines.size()) - failed, lines.size());
}

}  // namespace ergo::tool
