// Precision of a model that is being converted: the options, and what they do to the graph.
#ifndef ERGO_TOOLS_ERGO_PRECISION_H_
#define ERGO_TOOLS_ERGO_PRECISION_H_

#include <optional>
#include <string>
#include <vector>

#include "engine/graph/graph.h"
#include "tools/ergo/report.h"

namespace CLI {
class App;
}  // namespace CLI

namespace ergo::tool {

struct PrecisionFlags {
  std::string precision = "fp32";
  std::string calibrate;  // the folder
  std::string method = "minmax";
  double percentile = 99.99;
  std::optional<double> max_error;
  std::vector<std::string> keep_float;
};
void DefinePrecisionFlags(CLI::App& app, PrecisionFlags& flags);

// What was done, for both kinds of report; both empty for fp32.
struct PrecisionReport {
  Json json;
  std::string text;
};

// Rewrites a graph that has been through Optimize. Shows progress on standard error where that is a
// terminal. InvalidArgument for options that do not go together.
Result<PrecisionReport> ApplyPrecision(Graph& graph, const PrecisionFlags& flags);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_PRECISION_H_
