// Bisect: the first node whose result differs between two ways to run a model.
//
// Both ways run with their intermediate values as outputs, a few dozen at a time in topological
// order, and the values that have a name in common are compared. That finds a kernel that is wrong
// (one graph, chosen kernels against the reference ones) and a pass that is wrong (the optimized
// graph against the one it came from): passes keep the names of results, since a fused node
// computes what the last of its parts did.
#ifndef ERGO_TOOLS_ERGO_BISECT_H_
#define ERGO_TOOLS_ERGO_BISECT_H_

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/run/model.h"
#include "tools/ergo/output_check.h"
#include "tools/ergo/progress.h"
#include "tools/ergo/report.h"

namespace ergo::tool {

struct Divergence {
  std::string between;  // "chosen kernels and reference kernels"
  std::string node, op, value;
  std::string kernel;  // "conv/simd"; of a node that becomes several steps all of them
  Comparison comparison;
  // What the node reads, as the suspected way computed it.
  struct InputRange {
    std::string name, shape;
    double min = 0, max = 0;
  };
  std::vector<InputRange> inputs;

  Json ToJson() const;
  std::string ToString() const;
};

// A graph and how it is run.
struct Way {
  const Graph& graph;
  ModelOptions options;
  std::string name;  // "chosen kernels"
};

// nullopt when no value differs by more than `flags` allow. Values of different types under one
// name (as lower precision leaves them) are passed over.
Result<std::optional<Divergence>> FindDivergence(const Way& suspect, const Way& trusted,
                                                 std::span<const TensorView> inputs,
                                                 const CheckFlags& flags, Progress& progress);

// For each node of the suspect's graph the worst comparison of its results; nullopt where the
// trusted way has no value of that name and type.
Result<std::vector<std::optional<Comparison>>> CompareNodes(const Way& suspect, const Way& trusted,
                                                            std::span<const TensorView> inputs,
                                                            const CheckFlags& flags,
                                                            Progress& progress);

// Kernels first (`graph` as chosen against reference), then passes (`graph` against `original`,
// both on the reference kernels) where there is an original.
Result<std::optional<Divergence>> BisectModel(const Graph& graph, const Graph* original,
                                              const ModelOptions& options,
                                              std::span<const TensorView> inputs,
                                              const CheckFlags& flags, Progress& progress);
std::string DivergenceText(const std::optional<Divergence>& divergence);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_BISECT_H_
