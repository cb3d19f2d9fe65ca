#include "engine/passes/rewriter.h"

#include <algorithm>
#include <utility>

#include "engine/graph/op_schema.h"

namespace ergo {

Rewriter::Rewriter(Graph& graph)
    : graph_(graph),
      producers_(graph.Producers()),
      uses_(graph.UseCounts()),
      removed_(static_cast<size_t>(graph.NodeCount()), false) {}

NodeId Rewriter::ProducerId(ValueId id) const {
  if (id == kNoValue || static_cast<size_t>(id) >= producers_.size()) return -1;
  const NodeId producer = producers_[static_cast<size_t>(id)];
  return producer < 0 || removed_[static_cast<size_t>(producer)] ? -1 : producer;
}

const Node* Rewriter::Producer(ValueId id) const {
  const NodeId producer = ProducerId(id);
  return producer < 0 ? nullptr : &graph_.GetNode(producer);
}

const Node* Rewriter::SoleProducer(ValueId id) const {
  const Node* producer = Producer(id);
  return producer != nullptr && Uses(id) == 1 ? producer : nullptr;
}

int Rewriter::Uses(ValueId id) const {
  return id == kNoValue || static_cast<size_t>(id) >= uses_.size() ? 0
                                                                   : uses_[static_cast<size_t>(id)];
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

ValueId Rewriter::Insert(NodeId before, Node node) {
  const ValueId result = graph_.AddValue(graph_.UniqueName(node.name));
  node.outputs = {result};
  // What cannot be inferred yet is left to the next folding, which says why.
  (void)InferNode(graph_, node);
  inserted_.emplace_back(before, std::move(node));
  return result;
}

bool Rewriter::Forward(ValueId from, ValueId to) {
  const auto is_output = [this](ValueId id) {
    return std::ranges::find(graph_.outputs, id) != graph_.outputs.end();
  };
  if (is_output(from)) {
    const bool computed = static_cast<size_t>(to) >= producers_.size() || ProducerId(to) >= 0;
    if (!computed || is_output(to)) return false;
    std::swap(graph_.GetValue(from).name, graph_.GetValue(to).name);
  }
  graph_.ReplaceUses(from, to);
  for (auto& [before, node] : inserted_) std::ranges::replace(node.inputs, from, to);
  if (static_cast<size_t>(to) < uses_.size()) {
    uses_[static_cast<size_t>(to)] += std::exchange(uses_[static_cast<size_t>(from)], 0);
  }
  ++rewrites_;
  return true;
}

int Rewriter::Finish() {
  // Stable: those in front of one node keep their order.
  std::ranges::stable_sort(inserted_, {}, &std::pair<NodeId, Node>::first);
  std::vector<Node> nodes;
  auto next = inserted_.begin();
  for (NodeId id = 0; id < graph_.NodeCount(); ++id) {
    for (; next != inserted_.end() && next->first == id; ++next) {
      nodes.push_back(std::move(next->second));
    }
    if (!removed_[static_cast<size_t>(id)]) nodes.push_back(std::move(graph_.GetNode(id)));
  }
  graph_.Nodes() = std::move(nodes);
  if (graph_.RemoveDeadNodes() == 0) graph_.Compact();
  return rewrites_;
}

Node MakeNode(const Node& origin, std::string op, int opset, std::vector<ValueId> inputs) {
  Node node;
  node.name = origin.name;
  node.op = std::move(op);
  node.opset = opset;
  node.inputs = std::move(inputs);
  return node;
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
