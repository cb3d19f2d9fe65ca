// Rewriter: what passes that fuse a node with its producer have in common.
//
// Fusing goes forward: the later node takes over the work and the inputs of the earlier one, which
// is removed. All inputs of both are computed before the later node, so the order stays
// topological.
//
// Thread safety: as the graph's.
#ifndef ERGO_ENGINE_PASSES_REWRITER_H_
#define ERGO_ENGINE_PASSES_REWRITER_H_

#include <string_view>
#include <vector>

#include "engine/graph/graph.h"

namespace ergo {

class Rewriter {
 public:
  explicit Rewriter(Graph& graph);

  Graph& GetGraph() { return graph_; }

  // The node that computes `id` if nothing but the caller uses `id`, else null. Removed nodes are
  // never returned.
  const Node* SoleProducer(ValueId id) const;

  // Replaces the node `later` by `fused`, which keeps later's outputs, and drops the node that
  // computed `absorbed` (an input of `later` that has no other use).
  void FuseForward(NodeId later, ValueId absorbed, Node fused);

  // Replaces the node, keeping its outputs.
  void Replace(NodeId node, Node replacement);

  // Removes what was dropped; returns the number of rewrites. The rewriter is used up.
  int Finish();

 private:
  Graph& graph_;
  std::vector<NodeId> producers_;
  std::vector<int> uses_;
  std::vector<bool> removed_;
  int rewrites_ = 0;
};

// Runs the pass on every subgraph of the graph and adds up the changes.
Result<int> RunOnSubgraphs(Graph& graph, Result<int> (*pass)(Graph& graph));

}  // namespace ergo

#endif  // ERGO_ENGINE_PASSES_REWRITER_H_
