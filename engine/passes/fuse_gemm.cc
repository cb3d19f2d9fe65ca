// MatMul and plain Gemm become ergo.FusedGemm, which the later passes give an activation and a
// residual, and take over a constant Add of one number a column behind them as their bias.
#include "engine/passes/fusible.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewriter.h"

namespace ergo {
namespace {

bool IsMatrix(const Graph& graph, ValueId id) {
  const Value& value = graph.GetValue(id);
  return value.dtype == DType::kF32 && value.shape.RankKnown() && value.shape.Rank() >= 2;
}

Node MakeFused(const Node& node) {
  Node fused = node;
  fused.domain = "ergo";
  fused.op = "FusedGemm";
  fused.opset = 1;
  fused.attributes.clear();
  return fused;
}

std::optional<Node> FromMatMul(const Graph& graph, const Node& node) {
  if (!IsMatrix(graph, node.inputs[0]) || !IsMatrix(graph, node.inputs[1])) return std::nullopt;
  return MakeFused(node);
}

// Gemm whose scales are 1 and whose C, if any, is one number a column.
std::optional<Node> FromGemm(const Graph& graph, const Node& node) {
  if (node.FloatAttr("alpha", 1) != 1 || node.FloatAttr("beta", 1) != 1 ||
      !IsMatrix(graph, node.inputs[0]) || !IsMatrix(graph, node.inputs[1])) {
    return std::nullopt;
  }
  const int64_t trans_a = node.IntAttr("transA", 0), trans_b = node.IntAttr("transB", 0);
  if (node.HasInput(2)) {
    const SymbolicShape& b = graph.GetValue(node.inputs[1]).shape;
    const SymbolicShape& c = graph.GetValue(node.inputs[2]).shape;
    const Dim& columns = b[trans_b ? 0 : 1];
    if (!c.RankKnown() || c.Rank() < 1 || !c[c.Rank() - 1].SameAs(columns)) return std::nullopt;
    if (c.Rank() == 2 && !c[0].SameAs(Dim(1))) return std::nullopt;
  }
  Node fused = MakeFused(node);
  if (trans_a) fused.attributes["trans_a"] = trans_a;
  if (trans_b) fused.attributes["trans_b"] = trans_b;
  return fused;
}

std::optional<Node> AbsorbBias(Graph& graph, const Node& gemm, ValueId added) {
  const Tensor* constant = graph.Constant(added);
  if (constant == nullptr || constant->Type() != DType::kF32 || gemm.HasInput(2) ||
      gemm.HasInput(3) || gemm.StringAttr("activation", "none") != "none") {
    return std::nullopt;
  }
  const SymbolicShape& b = graph.GetValue(gemm.inputs[1]).shape;
  const SymbolicShape& a = graph.GetValue(gemm.inputs[0]).shape;
  const Dim& columns = b[gemm.IntAttr("trans_b", 0) ? b.Rank() - 2 : b.Rank() - 1];
  const Shape& shape = constant->GetShape();
  if (shape.Rank() < 1 || shape.Rank() > std::max(a.Rank(), b.Rank()) ||
      constant->Elements() != shape[shape.Rank() - 1] ||
      !columns.SameAs(Dim(constant->Elements()))) {
    return std::nullopt;
  }
  Node fused = gemm;
  fused.inputs.resize(3, kNoValue);
  fused.inputs[2] = graph.AddConstant(graph.UniqueName(graph.GetValue(added).name + "/bias"),
                                      constant->Reshaped(Shape{constant->Elements()}));
  return fused;
}

}  // namespace

Result<int> FuseGemm(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, FuseGemm));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const Node& node = graph.GetNode(id);
    if (node.Is("MatMul") || node.Is("Gemm")) {
      std::optional<Node> fused =
          node.Is("MatMul") ? FromMatMul(graph, node) : FromGemm(graph, node);
      if (fused) rewriter.Replace(id, std::move(*fused));
      continue;
    }
    if (!node.Is("Add")) continue;
    for (size_t side = 0; side < 2; ++side) {
      const ValueId absorbed = node.inputs[side];
      const Node* gemm = rewriter.SoleProducer(absorbed);
      if (gemm == nullptr || !IsErgo(*gemm, "FusedGemm")) continue;
      std::optional<Node> fused = AbsorbBias(graph, *gemm, node.inputs[1 - side]);
      if (!fused) continue;
      rewriter.FuseForward(id, absorbed, std::move(*fused));
      break;
    }
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
