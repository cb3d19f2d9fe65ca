#include "engine/passes/rewriter.h"

#include <utility>

namespace ergo {

Rewriter::Rewriter(Graph& graph)
    : graph_(graph),
      producers_(graph.Producers()),
      uses_(graph.UseCounts()),
      removed_(static_cast<size_t>(graph.NodeCount()), false) {}

const Node* Rewriter::SoleProducer(ValueId id) const {
  if (id == kNoValue || static_cast<size_t>(id) >= producers_.size()) return nullptr;
  const NodeId producer = producers_[static_cast<size_t>(id)];
  if (producer < 0 || removed_[static_cast<size_t>(producer)]) return nullptr;
  return uses_[static_cast<size_t>(id)] == 1 ? &graph_.GetNode(producer) : nullptr;
}

void Rewriter::FuseForward(NodeId later, ValueId absorbed, Node fused) {
  const NodeId earlier = producers_[static_cast<size_t>(absorbed)];
  ERGO_CHECK(earlier >= 0 && earlier < later);
  removed_[static_cast<size_t>(earlier)] = true;
  uses_[static_cast<size_t>(absorbed)] = 0;
  Replace(later, std::move(fused));
}

void Rewriter::Replace(NodeId node, Node replacement) {
  replacement.outputs = graph_.GetNode(node).outputs;
  graph_.GetNode(node) = std::move(replacement);
  ++rewrites_;
}

int Rewriter::Finish() {
  graph_.RemoveNodes(removed_);
  return rewrites_;
}

Result<int> RunOnSubgraphs(Graph& graph, Result<int> (*pass)(Graph& graph)) {
  int changes = 0;
  for (Node& node : graph.Nodes()) {
    for (Subgraph& subgraph : node.subgraphs) {
      ERGO_ASSIGN_OR_RETURN(const int inner, pass(*subgraph.graph));
      changes += inner;
    }
  }
  return changes;
}

}  // namespace ergo
