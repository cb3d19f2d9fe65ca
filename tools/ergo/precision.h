// Precision of a model that is being converted: the options, and what they do to the graph.
#ifndef ERGO_TOOLS_ERGO_PRECISION_H_
#define ERGO_TOOLS_ERGO_PRECISION_H_

#include <string>

#include "engine/graph/graph.h"
#include "tools/ergo/report.h"

namespace CLI {
class App;
}  // namespace CLI

namespace ergo::tool {

struct PrecisionFlags {
  std::string precision = "fp32";
};
void DefinePrecisionFlags(CLI::App& app, PrecisionFlags& flags);

// What was done, for both kinds of report; both empty for fp32.
struct PrecisionReport {
  Json json;
  std::string text;
};

// Rewrites a graph that has been through Optimize.
Result<PrecisionReport> ApplyPrecision(Graph& graph, const PrecisionFlags& flags);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_PRECISION_H_
