// A Transpose of the last two axes of an operand of a product, computed for it alone, becomes the
// product's own flag.
#include "engine/passes/fusible.h"
#include "engine/passes/passes.h"
#include "engine/passes/permutation.h"

namespace ergo {

Result<int> FuseTranspose(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, FuseTranspose));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const bool fused = IsErgo(graph.GetNode(id), "FusedGemm");
    if (!fused && !graph.GetNode(id).Is("Gemm")) continue;
    for (size_t side = 0; side < 2; ++side) {
      Node node = graph.GetNode(id);
      const ValueId operand = node.inputs[side];
      const Node* transpose = rewriter.SoleProducer(operand);
      const auto perm = PermutationOf(graph, transpose);
      if (!perm || !SwapsLastTwo(*perm) || node.inputs[0] == node.inputs[1]) continue;
      const std::string flag = std::string(fused ? "trans_" : "trans") +
                               (side == 0 ? (fused ? "a" : "A") : (fused ? "b" : "B"));
      node.attributes[flag] = int64_t{node.IntAttr(flag, 0) == 0};
      node.inputs[side] = transpose->inputs[0];
      rewriter.FuseForward(id, operand, std::move(node));
    }
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
