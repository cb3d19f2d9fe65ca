// Nodes whose result is their input: the uses of the one become uses of the other.
#include <algorithm>

#include "engine/passes/passes.h"
#include "engine/passes/rewriter.h"

namespace ergo {
namespace {

bool IsIdentityTranspose(const Graph& graph, const Node& node) {
  const std::vector<int64_t>* perm = node.IntsAttr("perm");
  if (perm == nullptr) {
    const SymbolicShape& shape = graph.GetValue(node.inputs[0]).shape;
    return shape.RankKnown() && shape.Rank() <= 1;
  }
  return std::ranges::is_sorted(*perm);
}

bool IsInferenceDropout(const Graph& graph, const Node& node) {
  if (node.Output(1) != kNoValue) return false;
  if (!node.HasInput(2)) return true;
  const Tensor* training = graph.Constant(node.Input(2));
  return training != nullptr && *static_cast<const uint8_t*>(training->Data()) == 0;
}

bool IsIdentity(const Graph& graph, const Node& node) {
  if (node.inputs.empty() || node.inputs[0] == kNoValue || node.Output(0) == kNoValue) return false;
  if (node.Is("Identity")) return true;
  if (node.Is("Dropout")) return IsInferenceDropout(graph, node);
  if (node.Is("Concat") || node.Is("Max") || node.Is("Min") || node.Is("Sum")) {
    return node.inputs.size() == 1;
  }
  if (node.Is("Cast")) {
    const DType from = graph.GetValue(node.inputs[0]).dtype;
    return from != DType::kUndefined && node.IntAttr("to", 0) == static_cast<int64_t>(from);
  }
  return node.Is("Transpose") && IsIdentityTranspose(graph, node);
}

bool Contains(const std::vector<ValueId>& ids, ValueId id) {
  return std::ranges::find(ids, id) != ids.end();
}

}  // namespace

Result<int> RemoveIdentities(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(int changes, RunOnSubgraphs(graph, RemoveIdentities));
  std::vector<bool> remove(static_cast<size_t>(graph.NodeCount()), false);
  const std::vector<NodeId> producers = graph.Producers();
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const Node& node = graph.GetNode(id);
    if (!IsIdentity(graph, node)) continue;
    const ValueId from = node.outputs[0], to = node.inputs[0];
    if (Contains(graph.outputs, from)) {
      // The model's output keeps its name, so the value that takes its place must be free to have
      // it: computed by a node, and not an output itself.
      if (producers[static_cast<size_t>(to)] < 0 || Contains(graph.outputs, to)) continue;
      graph.GetValue(to).name = std::move(graph.GetValue(from).name);
      graph.GetValue(from).name.clear();
    }
    graph.ReplaceUses(from, to);
    remove[static_cast<size_t>(id)] = true;
    ++changes;
  }
  graph.RemoveNodes(remove);
  return changes;
}

}  // namespace ergo
