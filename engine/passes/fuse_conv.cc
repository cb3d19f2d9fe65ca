// Conv becomes ergo.FusedConv, which the later passes give a bias, an activation and a residual.
#include "engine/passes/passes.h"
#include "engine/passes/rewriter.h"

namespace ergo {

Result<int> FuseConv(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, FuseConv));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const Node& node = graph.GetNode(id);
    if (!node.Is("Conv") || graph.GetValue(node.inputs[0]).dtype != DType::kF32) continue;
    Node fused = node;
    fused.domain = "ergo";
    fused.op = "FusedConv";
    fused.opset = 1;
    rewriter.Replace(id, std::move(fused));
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
