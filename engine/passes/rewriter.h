// Rewriter: what passes that replace nodes have in common.
//
// Fusing goes forward: the later node takes over the work and the inputs of the earlier ones. All
// inputs of all of them are computed before the later node, so the order stays topological. Earlier
// nodes that nobody needs any more go when the rewriter finishes.
//
// Who computes and uses a value is what was true when the rewriter was made: nodes replaced since
// then still count as users of their old inputs, so that a pass may see too many users, never too
// few. The next round sees the rest.
//
// Thread safety: as the graph's.
#ifndef ERGO_ENGINE_PASSES_REWRITER_H_
#define ERGO_ENGINE_PASSES_REWRITER_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/graph/graph.h"

namespace ergo {

class Rewriter {
 public:
  explicit Rewriter(Graph& graph);

  Graph& GetGraph() { return graph_; }
  const Graph& GetGraph() const { return graph_; }

  // The node that computes `id`, -1 for inputs, constants and results of removed or inserted nodes.
  NodeId ProducerId(ValueId id) const;
  const Node* Producer(ValueId id) const;  // null likewise
  // The node that computes `id` if nothing but the caller uses `id`, else null.
  const Node* SoleProducer(ValueId id) const;
  // How often `id` is used; graph outputs and captures count.
  int Uses(ValueId id) const;

  // Replaces the node `later` by `fused`, which keeps later's outputs, and drops the node that
  // computed `absorbed` (an input of `later` that has no other use).
  void FuseForward(NodeId later, ValueId absorbed, Node fused);

  // Takes out the node, whose results nobody will use or which have become constants.
  void Drop(NodeId node) { removed_[static_cast<size_t>(node)] = true; }

  // Replaces the node, keeping its outputs.
  void Replace(NodeId node, Node replacement);

  // Puts a node with one output just in front of `before`, behind those put there already. Returns
  // its result, typed and shaped as far as inference goes.
  ValueId Insert(NodeId before, Node node);

  // Every use of `from`, a node's result, becomes one of `to`, which is computed before the uses.
  // False, and nothing done, where `from` is the graph's output and `to` cannot take its name: an
  // input, a constant or an output itself.
  bool Forward(ValueId from, ValueId to);

  // Removes what was dropped and whatever is dead; returns the number of rewrites. The rewriter is
  // used up.
  int Finish();

 private:
  Graph& graph_;
  std::vector<NodeId> producers_;
  std::vector<int> uses_;
  std::vector<bool> removed_;
  std::vector<std::pair<NodeId, Node>> inserted_;
  int rewrites_ = 0;
};

// A node of ai.onnx that stands for `origin` and is named after it; its outputs are up to Replace
// or Insert.
Node MakeNode(const Node& origin, std::string op, int opset, std::vector<ValueId> inputs);

// Runs the pass on every subgraph of the graph and adds up the changes.
Result<int> RunOnSubgraphs(Graph& graph, Result<int> (*pass)(Graph& graph));

}  // namespace ergo

#endif  // ERGO_ENGINE_PASSES_REWRITER_H_
