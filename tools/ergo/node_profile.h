// NodeProfile: what each node of a model takes: time over a few runs, kernels, weights, work. A
// quick look for the report of a conversion; `ergo bench` measures properly.
#ifndef ERGO_TOOLS_ERGO_NODE_PROFILE_H_
#define ERGO_TOOLS_ERGO_NODE_PROFILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/energy/joules.h"
#include "engine/run/model.h"
#include "tools/ergo/progress.h"

namespace ergo::tool {

struct NodeProfile {
  // Sum of the node's steps in each run; empty for what the trace does not see: nodes that became
  // no step (a view of another tensor), and those that are evaluated during the run.
  std::vector<double> samples_us;
  std::string kernels;  // "conv/simd", several joined by ", "
  int64_t flops = 0, bytes = 0;
  int64_t weight_bytes = 0;  // constants that no node before it reads
  std::string weight_dtype;  // of the largest of them; "" without
  std::string output;        // "f32[1, 64, 112, 112]", as planned

  double MedianUs() const;  // 0 without samples
};

struct ModelProfile {
  std::vector<NodeProfile> nodes;  // parallel to the graph's
  std::vector<double> runs_us;     // whole runs, while nothing was traced
  Joules joules;                   // of one run, or why there are none
  std::string meter;
  int64_t flops = 0;
  size_t arena_bytes = 0, packed_bytes = 0;

  double MedianUs() const;
};

// Runs the model for about a second, at least three times.
Result<ModelProfile> ProfileModel(Model& model, std::span<const TensorView> inputs,
                                  Progress& progress);

double MedianOf(std::vector<double> values);  // 0 of none

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_NODE_PROFILE_H_
