#include "engine/plan/widen.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/plan/evaluate.h"

namespace ergo {
namespace {

// Replaces the node's result by its value; false where there is no kernel for it.
Result<bool> Widen(Graph& graph, const Node& node, const Budget& budget) {
  Result<std::vector<Tensor>> results = EvaluateNode(graph, node, budget);
  if (!results.ok()) {
    if (results.status().code() == StatusCode::kUnsupported) return false;
    return std::move(results).status();
  }
  Value& value = graph.GetValue(node.outputs[0]);
  value.dtype = results->front().Type();
  value.shape = results->front().GetShape();
  value.constant = std::move(results->front());
  return true;
}

}  // namespace

bool IsWidening(const Graph& graph, const Node& node) {
  const bool cast = node.Is("Cast");
  if ((!cast && !node.Is("DequantizeLinear")) || node.Output(0) == kNoValue) return false;
  const bool constant = std::ranges::all_of(
      node.inputs, [&](ValueId id) { return id == kNoValue || graph.Constant(id) != nullptr; });
  if (!constant || !cast) return constant;
  const Tensor& from = *graph.Constant(node.inputs[0]);
  const auto to = static_cast<DType>(node.IntAttr("to", 0));
  return from.Elements() >= kMinNarrowElements && DTypeBits(from.Type()) <= 16 &&
         IsFloatingPoint(to) && DTypeBits(to) > DTypeBits(from.Type());
}

Result<int> WidenConstants(Graph& graph, const Budget& budget) {
  std::vector<bool> remove(static_cast<size_t>(graph.NodeCount()), false);
  int widened = 0;
  int64_t bytes = 0;
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    for (Subgraph& subgraph : graph.GetNode(id).subgraphs) {
      ERGO_ASSIGN_OR_RETURN(const int inner, WidenConstants(*subgraph.graph, budget));
      widened += inner;
    }
    const Node& node = graph.GetNode(id);
    if (!IsWidening(graph, node)) continue;
    ERGO_ASSIGN_OR_RETURN(const bool done, Widen(graph, node, budget));
    if (done) bytes += graph.Constant(node.outputs[0])->Bytes();
    ERGO_RETURN_IF_ERROR(budget.CheckBytes(bytes, "widened constants"));
    remove[static_cast<size_t>(id)] = done;
    widened += done ? 1 : 0;
  }
  graph.RemoveNodes(remove);
  return widened;
}

}  // namespace ergo
