#include "tools/ergo/precision.h"

#include <CLI/CLI.hpp>

#include "engine/quantize/narrow_weights.h"
#include "tools/ergo/number_text.h"

namespace ergo::tool {
namespace {

Result<PrecisionReport> Narrow(Graph& graph, const PrecisionFlags& flags) {
  const DType to = flags.precision == "fp16" ? DType::kF16 : DType::kBF16;
  ERGO_ASSIGN_OR_RETURN(const NarrowedWeights done, NarrowWeights(graph, to));
  PrecisionReport report;
  report.json = {{"precision", flags.precision},
                 {"weights", done.narrowed},
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

}  // namespace

void DefinePrecisionFlags(CLI::App& app, PrecisionFlags& flags) {
  app.add_option("--precision", flags.precision,
                 "fp16 and bf16: weights in half the bytes, computed with in float32")
      ->type_name("PRECISION")
      ->check(CLI::IsMember({"fp32", "fp16", "bf16"}))
      ->capture_default_str();
}

Result<PrecisionReport> ApplyPrecision(Graph& graph, const PrecisionFlags& flags) {
  if (flags.precision == "fp32") return PrecisionReport();
  return Narrow(graph, flags);
}

}  // namespace ergo::tool
