// Products of rows need no other shape: reshape(reshape(x, [-1, k]) x W) to x's leading dimensions
// is x x W. Dense layers of Keras and Flax are exported so.
#include "engine/passes/fusible.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewriter.h"

namespace ergo {
namespace {

// The same dimensions but the last. Both have as many rows in all, so that where all others are the
// same, one that is not known to be is too.
bool SameRows(const SymbolicShape& a, const SymbolicShape& b) {
  if (!a.RankKnown() || !b.RankKnown() || a.Rank() != b.Rank() || a.Rank() < 2) return false;
  int open = 0;
  for (int axis = 0; axis + 1 < a.Rank(); ++axis) {
    if (a[axis].Known() && b[axis].Known() && a[axis].value != b[axis].value) return false;
    if (!a[axis].SameAs(b[axis])) ++open;
  }
  return open <= 1;
}

bool SameLast(const SymbolicShape& a, const SymbolicShape& b) {
  return a.RankKnown() && b.RankKnown() && a.Rank() > 0 && b.Rank() > 0 &&
         a[a.Rank() - 1].SameAs(b[b.Rank() - 1]);
}

bool IsRowProduct(const Graph& graph, const Node* node) {
  if (node == nullptr || !IsErgo(*node, "FusedGemm") || node->HasInput(kFusedResidual)) {
    return false;
  }
  const SymbolicShape& weights = graph.GetValue(node->inputs[1]).shape;
  return node->IntAttr("trans_a", 0) == 0 && weights.RankKnown() && weights.Rank() == 2;
}

}  // namespace

Result<int> LiftReshapes(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, LiftReshapes));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const Node& after = graph.GetNode(id);
    if (!after.Is("Reshape")) continue;
    const ValueId product = after.inputs[0];
    const Node* gemm = rewriter.SoleProducer(product);
    if (!IsRowProduct(graph, gemm)) continue;
    const Node* before = rewriter.Producer(gemm->inputs[0]);
    if (before == nullptr || !before->Is("Reshape")) continue;
    const SymbolicShape& x = graph.GetValue(before->inputs[0]).shape;
    const SymbolicShape& y = graph.GetValue(after.outputs[0]).shape;
    if (!SameRows(x, y) || !SameLast(x, graph.GetValue(gemm->inputs[0]).shape) ||
        !SameLast(y, graph.GetValue(product).shape)) {
      continue;
    }
    Node lifted = *gemm;
    lifted.inputs[0] = before->inputs[0];
    rewriter.FuseForward(id, product, std::move(lifted));
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
