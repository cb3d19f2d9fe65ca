// ergo bench.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/energy/meter.h"
#include "formats/file.h"
#include "tools/ergo/command.h"
#include "tools/ergo/input_tensors.h"
#include "tools/ergo/limits.h"
#include "tools/ergo/model_source.h"
#include "tools/ergo/number_text.h"
#include "tools/ergo/report.h"
#include "tools/ergo/table.h"

namespace ergo::tool {
namespace {

constexpr double kDefaultSeconds = 3;

int64_t PeakRssBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

struct Figures {
  double load_us = 0, plan_us = 0;
  std::vector<double> run_us;  // ascending
  double mean_us = 0;
  int64_t flops = 0;
  Joules joules;  // of all runs
  std::string meter;
  std::vector<std::string> meter_notes;

  double At(double q) const {
    const auto last = static_cast<double>(run_us.size() - 1);
    return run_us[static_cast<size_t>(std::ceil(q * last))];
  }
};

class Bench final : public Command {
 public:
  void Define(CLI::App& app) override {
    app.add_option("model", model_, "An ONNX or .ergo model")->type_name("MODEL")->required();
    app.add_option("--batch", batch_, "Leading dimension of every input")
        ->check(CLI::PositiveNumber);
    DefineInputFlags(app, inputs_);
    app.add_option("--runs", runs_, "How many runs (default: as many as fit --seconds)")
        ->check(CLI::Range(int64_t{1}, kMaxBenchRuns));
    app.add_option("--seconds", seconds_, "How long to measure, without --runs")
        ->check(CLI::Range(0.001, kMaxSeconds))
        ->capture_default_str();
    app.add_option("--warmup", warmup_, "Runs that are not counted, first")
        ->check(CLI::Range(int64_t{0}, kMaxBenchRuns))
        ->capture_default_str();
    app.add_option("--per-step", per_step_, "Show the N steps that take the longest")
        ->type_name("N");
    app.add_option("--trace", trace_, "Write one run's steps as Chrome-trace JSON")
        ->type_name("FILE");
    DefineModelFlags(app, flags_);
    DefineJson(app);
  }

  Result<ExitCode> Run() override {
    ERGO_ASSIGN_OR_RETURN(const LoadedModel loaded, LoadModel(model_, flags_));
    if (!inputs_.random && inputs_.inputs.empty()) inputs_.random = 1;
    ERGO_RETURN_IF_ERROR(ApplyBatch(*loaded.model));
    ERGO_ASSIGN_OR_RETURN(const GatheredInputs gathered,
                          GatherInputs(loaded.model->Inputs(), inputs_, loaded.model->DimRanges()));
    Figures figures;
    figures.load_us = loaded.read_us + loaded.optimize_us + loaded.create_us;
    Runner runner(*loaded.model);
    const std::vector<TensorView> views = gathered.Views();
    std::vector<Shape> shapes;
    for (const TensorView& view : views) shapes.push_back(view.shape);
    const int64_t plan_begin_ns = MonotonicNs();
    ERGO_ASSIGN_OR_RETURN(Session * session, runner.SessionFor(shapes));
    figures.plan_us = static_cast<double>(MonotonicNs() - plan_begin_ns) / 1e3;
    for (const Step& step : session->GetPlan().steps) figures.flops += step.cost.flops;
    ERGO_RETURN_IF_ERROR(Measure(*session, views, figures));
    Trace trace(static_cast<size_t>(per_step_ > 0 || !trace_.empty() ? kMaxTraceEvents : 0));
    if (per_step_ > 0 || !trace_.empty()) {
      ERGO_RETURN_IF_ERROR(TraceRuns(*session, views, trace));
    }
    Show(figures, gathered, trace, session->GetPlan());
    return kExitOk;
  }

 private:
  Status ApplyBatch(const Model& model) {
    if (!batch_) return {};
    ShapeRequest request;
    request.flags = inputs_.shapes;
    request.batch = batch_;
    request.ranges = model.DimRanges();
    ERGO_ASSIGN_OR_RETURN(const BoundShapes bound, BindShapes(model.Inputs(), request));
    inputs_.shapes = {};
    for (size_t i = 0; i < bound.shapes.size(); ++i) {
      std::string dims;
      for (const int64_t dim : bound.shapes[i].Dims()) {
        dims += (dims.empty() ? "" : ",") + std::to_string(dim);
      }
      if (!dims.empty()) {
        inputs_.shapes.shapes.push_back(model.Inputs()[i].name + "=" + dims);
      }
    }
    return {};
  }

  // One run, into memory that is allocated once where the plan allows it.
  class Target {
   public:
    explicit Target(Session& session) : session_(session) {
      const Plan& plan = session.GetPlan();
      if (plan.late) return;
      for (const Plan::Port& port : plan.outputs) {
        const int64_t bytes = DTypeBytes(port.dtype, port.shape.Elements());
        buffers_.push_back(AlignedBuffer::AllocateOrDie(static_cast<size_t>(bytes)));
        views_.push_back({buffers_.back().Data(), port.dtype, Device::kCpu, port.shape});
      }
    }
    Status Run(std::span<const TensorView> inputs, Trace* trace) {
      if (session_.GetPlan().late) return session_.RunToTensors(inputs, trace).status();
      session_.Run(inputs, views_, trace);
      return session_.DeviceStatus();
    }

   private:
    Session& session_;
    std::vector<AlignedBuffer> buffers_;
    std::vector<MutableTensorView> views_;
  };

  Status Measure(Session& session, std::span<const TensorView> inputs, Figures& figures) const {
    Target target(session);
    for (int64_t i = 0; i < warmup_; ++i) ERGO_RETURN_IF_ERROR(target.Run(inputs, nullptr));
    OpenedMeter opened = OpenMeter({});
    figures.meter = opened.meter->Describe();
    figures.meter_notes = opened.notes;
    const auto limit = static_cast<size_t>(runs_.value_or(kMaxBenchRuns));
    const double seconds = runs_ ? kMaxSeconds : seconds_;
    const MeterReading before = opened.meter->Read();
    const int64_t begin_ns = MonotonicNs();
    int64_t now_ns = begin_ns;
    while (figures.run_us.size() < limit &&
           (figures.run_us.empty() || static_cast<double>(now_ns - begin_ns) < seconds * 1e9)) {
      const int64_t start_ns = now_ns;
      ERGO_RETURN_IF_ERROR(target.Run(inputs, nullptr));
      now_ns = MonotonicNs();
      figures.run_us.push_back(static_cast<double>(now_ns - start_ns) / 1e3);
    }
    figures.joules = opened.meter->Between(before, opened.meter->Read());
    figures.mean_us =
        static_cast<double>(now_ns - begin_ns) / 1e3 / static_cast<double>(figures.run_us.size());
    std::ranges::sort(figures.run_us);
    return {};
  }

  Status TraceRuns(Session& session, std::span<const TensorView> inputs, Trace& trace) const {
    Target target(session);
    constexpr int kTracedRuns = 10;
    for (int i = 0; i < (per_step_ > 0 ? kTracedRuns : 1); ++i) {
      ERGO_RETURN_IF_ERROR(target.Run(inputs, &trace));
    }
    if (trace_.empty()) return {};
    ERGO_ASSIGN_OR_RETURN(FileWriter writer, FileWriter::Create(trace_));
    ERGO_RETURN_IF_ERROR(writer.Write(trace.ToChromeJson()));
    return writer.Commit();
  }

  struct StepTime {
    const Step* step;
    double median_us;
  };

  // Median over the traced runs, longest first.
  static std::vector<StepTime> StepTimes(const Trace& trace) {
    std::map<const Step*, std::vector<double>> samples;
    for (const Trace::Event& event : trace.Events()) {
      samples[event.step].push_back(static_cast<double>(event.end_ns - event.begin_ns) / 1e3);
    }
    std::vector<StepTime> times;
    for (auto& [step, us] : samples) {
      std::ranges::nth_element(us, us.begin() + static_cast<std::ptrdiff_t>(us.size() / 2));
      times.push_back({step, us[us.size() / 2]});
    }
    std::ranges::sort(times, {}, [](const StepTime& time) { return -time.median_us; });
    return times;
  }

  void Show(const Figures& figures, const GatheredInputs& gathered, const Trace& trace,
            const Plan& plan) const {
    const double median_us = figures.At(0.5);
    const double gflops = static_cast<double>(figures.flops) / median_us / 1e3;
    const auto runs = static_cast<double>(figures.run_us.size());
    Joules each = figures.joules;
    each.value /= runs;
    if (Json()) {
      tool::Json document = {{"model", model_},
                             {"threads", flags_.threads},
                             {"runs", figures.run_us.size()},
                             {"min_us", figures.run_us.front()},
                             {"p50_us", median_us},
                             {"p90_us", figures.At(0.9)},
                             {"p99_us", figures.At(0.99)},
                             {"max_us", figures.run_us.back()},
                             {"mean_us", figures.mean_us},
                             {"load_us", figures.load_us},
                             {"plan_us", figures.plan_us},
                             {"peak_rss_bytes", PeakRssBytes()},
                             {"arena_bytes", plan.arena_bytes},
                             {"flops", figures.flops},
                             {"gflop_per_s", gflops},
                             {"energy_per_inference", JoulesJson(each)},
                             {"meter", figures.meter}};
      if (per_step_ > 0) {
        for (const StepTime& time : StepTimes(trace)) {
          document["steps"].push_back(
              {{"label", time.step->label},
               {"kernel", fmt::format("{}/{}", time.step->info.family, time.step->info.variant)},
               {"median_us", time.median_us},
               {"flops", time.step->cost.flops}});
        }
      }
      PrintJson(document);
      return;
    }
    for (const std::string& assumed : gathered.assumed) Print("assumed {}\n", Printable(assumed));
    Print("{} runs: min {}, p50 {}, p90 {}, p99 {}, max {}, mean {}\n", figures.run_us.size(),
          DurationText(figures.run_us.front()), DurationText(median_us),
          DurationText(figures.At(0.9)), DurationText(figures.At(0.99)),
          DurationText(figures.run_us.back()), DurationText(figures.mean_us));
    Print("{:.1f} GFLOP/s at the median of {}FLOP\n", gflops,
          CountText(static_cast<double>(figures.flops)));
    Print("load {}, plan {}, peak RSS {}, arena {}\n", DurationText(figures.load_us),
          DurationText(figures.plan_us), BytesText(PeakRssBytes()),
          BytesText(static_cast<int64_t>(plan.arena_bytes)));
    Print("energy per inference: {}\n  meter: {}\n", each.ToString(), figures.meter);
    for (const std::string& note : figures.meter_notes) Print("  {}\n", Printable(note));
    if (per_step_ > 0) ShowSteps(StepTimes(trace));
  }

  void ShowSteps(const std::vector<StepTime>& times) const {
    double total_us = 0;
    for (const StepTime& time : times) total_us += time.median_us;
    Table table;
    table.Column("step");
    table.Column("kernel");
    for (const char* header : {"median", "share", "GFLOP/s", "GB/s"}) {
      table.Column(header, Table::Align::kRight);
    }
    for (size_t i = 0; i < std::min(times.size(), static_cast<size_t>(per_step_)); ++i) {
      const Step& step = *times[i].step;
      const double us = std::max(times[i].median_us, 1e-3);
      const auto bytes = static_cast<double>(step.cost.bytes_read + step.cost.bytes_written);
      table.Row({step.label, fmt::format("{}/{}", step.info.family, step.info.variant),
                 DurationText(us), fmt::format("{:.1f} %", 100 * us / total_us),
                 fmt::format("{:.1f}", static_cast<double>(step.cost.flops) / us / 1e3),
                 fmt::format("{:.1f}", bytes / us / 1e3)});
    }
    PrintText(table.ToString());
  }

  std::string model_, trace_;
  std::optional<int64_t> batch_, runs_;
  double seconds_ = kDefaultSeconds;
  int64_t warmup_ = 10;
  int per_step_ = 0;
  InputFlags inputs_;
  ModelFlags flags_;
};

}  // namespace

std::unique_ptr<Command> MakeBench() {
  return std::make_unique<Bench>();
}

}  // namespace ergo::tool
