#include "tools/ergo/precision.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <memory>

#include "engine/quantize/linear_weights.h"
#include "engine/quantize/narrow_weights.h"
#include "engine/quantize/output_error.h"
#include "engine/quantize/static_int8.h"
#include "tools/ergo/calibration_folder.h"
#include "tools/ergo/number_text.h"
#include "tools/ergo/table.h"

namespace ergo::tool {
namespace {

// One line of a terminal that is written over and over.
void ShowProgress(std::string_view what, size_t done, size_t total) {
  if (isatty(STDERR_FILENO) == 0) return;
  const std::string line = total == 0     ? fmt::format("{}: {}", what, done)
                           : done < total ? fmt::format("{}: {}/{}", what, done, total)
                                          : "";
  fmt::print(stderr, "\r\x1b[K{}", line);
  std::fflush(stderr);
}

std::string PercentText(double share) {
  return std::isfinite(share) ? fmt::format("{:.3g} %", 100 * share) : "-";
}

Result<PrecisionReport> Narrow(Graph& graph, const PrecisionFlags& flags) {
  const DType to = flags.precision == "fp16" ? DType::kF16 : DType::kBF16;
  ERGO_ASSIGN_OR_RETURN(const NarrowedWeights done, NarrowWeights(graph, to));
  PrecisionReport report;
  report.json = {{"weights", done.narrowed},
                 {"out_of_range", done.out_of_range},
                 {"weight_bytes_before", done.bytes_before},
                 {"weight_bytes_after", done.bytes_after}};
  report.text = fmt::format("{}: {} weights, {} -> {}\n", flags.precision, done.narrowed,
                            BytesText(done.bytes_before), BytesText(done.bytes_after));
  if (done.out_of_range > 0) {
    report.text += fmt::format("  {} weights stay in float32: fp16 has no numbers beyond 65504\n",
                               done.out_of_range);
  }
  return report;
}

Result<PrecisionReport> QuantizeLinear(Graph& graph, const PrecisionFlags& flags) {
  ERGO_ASSIGN_OR_RETURN(const LinearWeights done, flags.precision == "int8-dynamic"
                                                      ? QuantizeLinearDynamic(graph)
                                                      : QuantizeLinearInt4(graph));
  PrecisionReport report;
  report.json = {{"layers", Json::array()}};
  Table table("  ");
  table.Column("layer");
  table.Column("weights", Table::Align::kRight);
  table.Column("now", Table::Align::kRight);
  table.Column("their error", Table::Align::kRight);
  for (const LinearWeights::Layer& layer : done.layers) {
    report.json["layers"].push_back({{"node", layer.node},
                                     {"weight_bytes_before", layer.bytes_before},
                                     {"weight_bytes_after", layer.bytes_after},
                                     {"weight_error", layer.weight_error}});
    table.Row({layer.node, BytesText(layer.bytes_before), BytesText(layer.bytes_after),
               PercentText(layer.weight_error)});
  }
  report.text =
      fmt::format("{}: {} layers\n{}", flags.precision, done.layers.size(), table.ToString());
  return report;
}

PrecisionReport ReportStatic(const StaticInt8Report& done, const PrecisionFlags& flags) {
  PrecisionReport report;
  report.json = {{"method", flags.method},
                 {"calibration_samples", done.calibration_samples},
                 {"error_samples", done.error_samples},
                 {"error", done.error},
                 {"layers", Json::array()}};
  Table table("  ");
  table.Column("layer");
  table.Column("operator");
  table.Column("weights", Table::Align::kRight);
  table.Column("error alone", Table::Align::kRight);
  table.Column("precision");
  size_t quantized = 0;
  for (const StaticInt8Report::Layer& layer : done.layers) {
    quantized += layer.quantized ? 1 : 0;
    report.json["layers"].push_back({{"node", layer.node},
                                     {"op", layer.op},
                                     {"quantized", layer.quantized},
                                     {"reason", layer.reason},
                                     {"error", layer.error},
                                     {"weight_bytes", layer.weight_bytes}});
    table.Row({layer.node, layer.op, BytesText(layer.weight_bytes), PercentText(layer.error),
               layer.quantized ? "int8" : fmt::format("float32 ({})", layer.reason)});
  }
  report.text = fmt::format(
      "int8: {} of {} layers, {} calibration of {} samples; error of the outputs {} (relative L2, "
      "{} samples)\n{}",
      quantized, done.layers.size(), flags.method, done.calibration_samples,
      PercentText(done.error), done.error_samples, table.ToString());
  return report;
}

Result<PrecisionReport> QuantizeToInt8(Graph& graph, const CalibrationData& data,
                                       const PrecisionFlags& flags) {
  StaticInt8Options options;
  options.calibration.method = flags.method == "percentile" ? CalibrationMethod::kPercentile
                               : flags.method == "entropy"  ? CalibrationMethod::kEntropy
                                                            : CalibrationMethod::kMinMax;
  options.calibration.percentile = flags.percentile;
  options.max_error = flags.max_error;
  options.keep_float = flags.keep_float;
  const auto show = [](std::string_view what, size_t part, size_t total) {
    ShowProgress(what, part, total);
  };
  ERGO_ASSIGN_OR_RETURN(const StaticInt8Report done, QuantizeStatic(graph, data, options, show));
  return ReportStatic(done, flags);
}

// The forms that need no samples, and can tell their error when there are some.
Result<PrecisionReport> Rewrite(Graph& graph, const PrecisionFlags& flags) {
  if (flags.precision == "int8-dynamic" || flags.precision == "int4-weights") {
    return QuantizeLinear(graph, flags);
  }
  return Narrow(graph, flags);
}

Status CheckFlags(const PrecisionFlags& flags) {
  if (flags.precision == "int8" && flags.calibrate.empty()) {
    return InvalidArgument(
        "--precision int8 needs --calibrate DIR, a folder with samples of the model's inputs");
  }
  if (flags.precision == "fp32" && !flags.calibrate.empty()) {
    return InvalidArgument("--calibrate is for a --precision other than fp32");
  }
  if (flags.precision != "int8" && (flags.max_error || !flags.keep_float.empty())) {
    return InvalidArgument("--max-error and --keep-float are for --precision int8");
  }
  return {};
}

}  // namespace

void DefinePrecisionFlags(CLI::App& app, PrecisionFlags& flags) {
  app.add_option("--precision", flags.precision,
                 "fp16 and bf16: weights in half the bytes, computed with in float32; int8: "
                 "weights and activations of 8 bits, see --calibrate; int8-dynamic: large linear "
                 "layers in 8 bits, activations by their range in each run; int4-weights: weights "
                 "of large linear layers in 4 bits, computed with in float32")
      ->type_name("PRECISION")
      ->check(CLI::IsMember({"fp32", "fp16", "bf16", "int8", "int8-dynamic", "int4-weights"}))
      ->capture_default_str();
  app.add_option("--calibrate", flags.calibrate,
                 "Samples of the inputs: test_data_set_K/input_I.pb, or, for a model with one "
                 "input, .npy and .pb files")
      ->type_name("DIR");
  app.add_option("--calibration-method", flags.method, "How ranges follow from the samples")
      ->check(CLI::IsMember({"minmax", "percentile", "entropy"}))
      ->capture_default_str();
  app.add_option("--percentile", flags.percentile,
                 "With --calibration-method percentile: what lies within the range")
      ->check(CLI::Range(50.0, 100.0))
      ->capture_default_str();
  app.add_option("--max-error", flags.max_error,
                 "Leave the most sensitive layers in float32 until the relative L2 error of every "
                 "output is at most this")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--keep-float", flags.keep_float, "Leave this layer in float32")
      ->type_name("NODE")
      ->allow_extra_args(false);
}

Result<PrecisionReport> ApplyPrecision(Graph& graph, const PrecisionFlags& flags) {
  ERGO_RETURN_IF_ERROR(CheckFlags(flags));
  if (flags.precision == "fp32") return PrecisionReport();
  std::unique_ptr<CalibrationData> data;
  if (!flags.calibrate.empty()) {
    ERGO_ASSIGN_OR_RETURN(data, OpenCalibrationFolder(flags.calibrate, graph));
  }
  PrecisionReport report;
  if (flags.precision == "int8") {
    ERGO_ASSIGN_OR_RETURN(report, QuantizeToInt8(graph, *data, flags));
  } else {
    const Graph before = graph;
    ERGO_ASSIGN_OR_RETURN(report, Rewrite(graph, flags));
    if (data != nullptr) {
      ERGO_ASSIGN_OR_RETURN(const ErrorProbe probe,
                            ErrorProbe::Create(before, *data, kMaxErrorSamples));
      ERGO_ASSIGN_OR_RETURN(const double error, probe.Measure(graph));
      report.json["error_samples"] = probe.Samples();
      report.json["error"] = error;
      report.text += fmt::format("  error of the outputs {} (relative L2, {} samples)\n",
                                 PercentText(error), probe.Samples());
    }
  }
  Json named = {{"precision", flags.precision}};
  named.update(report.json);
  report.json = std::move(named);
  return report;
}

}  // namespace ergo::tool
