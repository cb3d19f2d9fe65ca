// Two Transposes in a row become one, and one that only moves axes of one element becomes a
// Reshape, which costs nothing.
#include <algorithm>

#include "engine/passes/passes.h"
#include "engine/passes/permutation.h"
#include "engine/passes/reshape_target.h"

namespace ergo {
namespace {

// The axes of more than one element keep their order.
bool MovesOnlyOnes(const SymbolicShape& shape, const std::vector<int64_t>& perm) {
  if (!shape.RankKnown()) return false;
  int64_t last = -1;
  for (const int64_t axis : perm) {
    if (shape[static_cast<int>(axis)].SameAs(Dim(1))) continue;
    if (axis < last) return false;
    last = axis;
  }
  return true;
}

}  // namespace

Result<int> MergeTransposes(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, MergeTransposes));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const Node& node = graph.GetNode(id);
    const auto perm = PermutationOf(graph, &node);
    if (!perm) continue;
    const Node* before = rewriter.Producer(node.inputs[0]);
    if (const auto first = PermutationOf(graph, before)) {
      Node merged = MakeTranspose(node, before->inputs[0], Compose(*first, *perm));
      rewriter.Replace(id, std::move(merged));
    } else if (!std::ranges::is_sorted(*perm) &&
               MovesOnlyOnes(graph.GetValue(node.inputs[0]).shape, *perm)) {
      std::optional<Node> reshape = MakeReshape(graph, node, node.inputs[0], node.outputs[0]);
      if (reshape) rewriter.Replace(id, std::move(*reshape));
    }
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
