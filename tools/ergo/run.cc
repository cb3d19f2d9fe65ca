// ergo run.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "formats/file.h"
#include "tools/ergo/command.h"
#include "tools/ergo/compare.h"
#include "tools/ergo/input_tensors.h"
#include "tools/ergo/limits.h"
#include "tools/ergo/model_source.h"
#include "tools/ergo/number_text.h"
#include "tools/ergo/report.h"
#include "tools/ergo/table.h"

namespace ergo::tool {
namespace {

constexpr size_t kShownValues = 6;
constexpr size_t kTop = 5;

struct Summary {
  double min = 0, max = 0, mean = 0;
  std::vector<double> first;
  std::vector<size_t> top;  // positions of the largest, for vectors
};

Summary Summarize(const Tensor& tensor) {
  Summary summary;
  const std::vector<double> values = ToDoubles(tensor.View());
  if (values.empty()) return summary;
  summary.min = *std::ranges::min_element(values);
  summary.max = *std::ranges::max_element(values);
  for (const double value : values) summary.mean += value / static_cast<double>(values.size());
  summary.first.assign(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(
                                                            std::min(values.size(), kShownValues)));
  const Shape& shape = tensor.GetShape();
  const bool is_vector = shape.Rank() >= 1 && shape[shape.Rank() - 1] == tensor.Elements();
  if (!is_vector || values.size() < 2) return summary;
  summary.top.resize(values.size());
  std::iota(summary.top.begin(), summary.top.end(), size_t{0});
  const size_t kept = std::min(kTop, values.size());
  std::ranges::partial_sort(summary.top, summary.top.begin() + static_cast<std::ptrdiff_t>(kept),
                            [&](size_t a, size_t b) { return values[a] > values[b]; });
  summary.top.resize(kept);
  return summary;
}

class RunModel final : public Command {
 public:
  void Define(CLI::App& app) override {
    app.add_option("model", model_, "An ONNX or .ergo model")->type_name("MODEL")->required();
    DefineInputFlags(app, inputs_);
    app.add_option("--output-dir", output_dir_, "Write the outputs as .npy files")
        ->type_name("FOLDER");
    app.add_option("--trace", trace_, "Write the time of each step as Chrome-trace JSON")
        ->type_name("FILE");
    DefineModelFlags(app, flags_);
    DefineJson(app);
  }

  Result<ExitCode> Run() override {
    ERGO_ASSIGN_OR_RETURN(const LoadedModel loaded, LoadModel(model_, flags_));
    ERGO_ASSIGN_OR_RETURN(const GatheredInputs gathered,
                          GatherInputs(loaded.model->Inputs(), inputs_, loaded.model->DimRanges()));
    Runner runner(*loaded.model);
    Trace trace(trace_.empty() ? 0 : static_cast<size_t>(kMaxTraceEvents));
    const std::vector<TensorView> views = gathered.Views();
    const int64_t begin_ns = MonotonicNs();
    ERGO_ASSIGN_OR_RETURN(const std::vector<Tensor> outputs,
                          runner.Run(views, trace_.empty() ? nullptr : &trace));
    const double run_us = static_cast<double>(MonotonicNs() - begin_ns) / 1e3;
    if (!trace_.empty()) ERGO_RETURN_IF_ERROR(WriteTrace(trace));
    if (!output_dir_.empty()) {
      std::vector<OutputTensor> written;
      for (size_t i = 0; i < outputs.size(); ++i) {
        written.push_back({loaded.model->Outputs()[i].name, outputs[i].View()});
      }
      ERGO_RETURN_IF_ERROR(WriteOutputs(output_dir_, written));
    }
    Show(*loaded.model, outputs, gathered, run_us);
    return kExitOk;
  }

 private:
  Status WriteTrace(const Trace& trace) const {
    ERGO_ASSIGN_OR_RETURN(FileWriter writer, FileWriter::Create(trace_));
    ERGO_RETURN_IF_ERROR(writer.Write(trace.ToChromeJson()));
    return writer.Commit();
  }

  void Show(const Model& model, const std::vector<Tensor>& outputs, const GatheredInputs& gathered,
            double run_us) const {
    tool::Json document = {{"model", model_}, {"first_run_us", run_us}};
    Table table;
    for (const char* header : {"output", "dtype", "shape", "min", "max", "mean", "first values"}) {
      table.Column(header);
    }
    std::string tops;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const std::string& name = model.Outputs()[i].name;
      const DType dtype = outputs[i].Type();
      const Summary summary = Summarize(outputs[i]);
      std::string first;
      for (const double value : summary.first) first += ElementText(value, dtype) + " ";
      table.Row({name, std::string(DTypeName(dtype)), outputs[i].GetShape().ToString(),
                 ElementText(summary.min, dtype), ElementText(summary.max, dtype),
                 fmt::format("{:.6g}", summary.mean), first});
      tool::Json top = tool::Json::array();
      const std::vector<double> values = ToDoubles(outputs[i].View());
      std::string line;
      for (const size_t position : summary.top) {
        top.push_back({{"index", position}, {"value", values[position]}});
        line += fmt::format("  {}: {}", position, ElementText(values[position], dtype));
      }
      if (!line.empty()) tops += fmt::format("largest of {}:{}\n", Printable(name), line);
      document["outputs"].push_back({{"name", name},
                                     {"dtype", DTypeName(dtype)},
                                     {"shape", ShapeJson(outputs[i].GetShape())},
                                     {"min", summary.min},
                                     {"max", summary.max},
                                     {"mean", summary.mean},
                                     {"top", top}});
    }
    if (Json()) {
      PrintJson(document);
      return;
    }
    for (const std::string& assumed : gathered.assumed) Print("assumed {}\n", Printable(assumed));
    PrintText(table.ToString() + tops);
    Print("planned and run in {} (see `ergo bench` for latency)\n", DurationText(run_us));
  }

  std::string model_, output_dir_, trace_;
  InputFlags inputs_;
  ModelFlags flags_;
};

}  // namespace

std::unique_ptr<Command> MakeRun() {
  return std::make_unique<RunModel>();
}

}  // namespace ergo::tool
