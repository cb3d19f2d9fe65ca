// Two Transposes in a row become one, and one that only moves axes of one element becomes a
// Reshape, which costs nothing. A Transpose of the last two axes between Reshapes that join the
// others and part them again (as PyTorch writes for batched matrices) needs no Reshapes.
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

// x of a Reshape(Transpose(Reshape(x))) that swaps the last two axes of x; kNoValue for any other.
ValueId SwappedThroughReshapes(const Rewriter& rewriter, const Node& node) {
  const Graph& graph = rewriter.GetGraph();
  if (!node.Is("Reshape")) return kNoValue;
  const Node* transpose = rewriter.SoleProducer(node.inputs[0]);
  const auto perm = PermutationOf(graph, transpose);
  if (!perm || !SwapsLastTwo(*perm)) return kNoValue;
  const Node* joined = rewriter.Producer(transpose->inputs[0]);
  if (joined == nullptr || !joined->Is("Reshape")) return kNoValue;
  const SymbolicShape& x = graph.GetValue(joined->inputs[0]).shape;
  const SymbolicShape& middle = graph.GetValue(joined->outputs[0]).shape;
  const SymbolicShape& y = graph.GetValue(node.outputs[0]).shape;
  if (!x.RankKnown() || !y.RankKnown() || x.Rank() != y.Rank() || x.Rank() < 2) return kNoValue;
  const int rank = x.Rank(), rows = middle.Rank() - 2;
  for (int axis = 0; axis < rank - 2; ++axis) {
    if (!x[axis].SameAs(y[axis])) return kNoValue;
  }
  const bool swapped = x[rank - 2].SameAs(middle[rows]) && x[rank - 1].SameAs(middle[rows + 1]) &&
                       x[rank - 2].SameAs(y[rank - 1]) && x[rank - 1].SameAs(y[rank - 2]);
  return swapped ? joined->inputs[0] : kNoValue;
}

}  // namespace

Result<int> MergeTransposes(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, MergeTransposes));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const Node& node = graph.GetNode(id);
    if (const ValueId x = SwappedThroughReshapes(rewriter, node); x != kNoValue) {
      const Permutation swap = SwapOfLastTwo(graph.GetValue(x).shape.Rank());
      rewriter.Replace(id, MakeTranspose(node, x, swap));
      continue;
    }
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
