// What `ergo convert` is told of a model's free dimensions: --dim and --batch fix each to a number,
// or bound it to the numbers that it will take, which go into the .ergo file.
#ifndef ERGO_TOOLS_ERGO_DIM_FLAGS_H_
#define ERGO_TOOLS_ERGO_DIM_FLAGS_H_

#include <string>
#include <vector>

#include "engine/graph/dim_range.h"
#include "engine/graph/graph.h"
#include "engine/run/model.h"

namespace CLI {
class App;
}  // namespace CLI

namespace ergo::tool {

struct DimFlags {
  std::vector<std::string> dims;  // "batch=4", "seq=16,32,64..512:64"
  std::string batch;              // "8", "1..32"
};
void DefineDimFlags(CLI::App& app, DimFlags& flags);

// Fixes and bounds dimensions of the graph. --batch means the leading dimension of every input
// where that is free. InvalidArgument naming the symbol that no input has, or why there is no free
// batch.
Status ApplyDims(Graph& graph, const DimFlags& flags);

// Plans the smallest and the largest of what the ranges allow, so that a range that the model
// cannot take is refused now and not by the server. Errors name the dimensions.
Status CheckDimRanges(const Graph& graph, const ModelOptions& options);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_DIM_FLAGS_H_
