// Add of two values of the same shape, one of them computed by a fused operator for this Add alone:
// the operator adds the other while it writes its result.
#include "engine/passes/fusible.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewriter.h"

namespace ergo {
Result<int> FuseResidual(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, FuseResidual));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const Node& add = graph.GetNode(id);
    if (!add.Is("Add") || add.inputs[0] == add.inputs[1]) continue;
    const Value& left = graph.GetValue(add.inputs[0]);
    const Value& right = graph.GetValue(add.inputs[1]);
    if (left.dtype != DType::kF32 || !SameShape(left.shape, right.shape)) continue;
    for (size_t side = 0; side < 2; ++side) {
      const ValueId absorbed = add.inputs[side], residual = add.inputs[1 - side];
      const Node* producer = rewriter.SoleProducer(absorbed);
      if (producer == nullptr || !AcceptsActivation(*producer) ||
          producer->HasInput(kFusedResidual)) {
        continue;
      }
      Node fused = *producer;
      fused.inputs.resize(kFusedResidual + 1, kNoValue);
      fused.inputs[kFusedResidual] = residual;
      rewriter.FuseForward(id, absorbed, std::move(fused));
      break;
    }
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
