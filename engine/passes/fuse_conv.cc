// Conv becomes ergo.FusedConv, which the later passes give an activation and a residual, and takes
// over a constant per-channel Add behind it as its bias.
#include "engine/passes/fusible.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewriter.h"

namespace ergo {
namespace {

// The constant as a bias of [channels] if adding it to a convolution's result of `rank` adds one
// number a channel: shape [.., C, 1, .., 1] with C at axis 1 of the result and ones elsewhere.
std::optional<Tensor> AsChannelBias(const Tensor& constant, int64_t channels, int rank) {
  const Shape& shape = constant.GetShape();
  if (constant.Type() != DType::kF32 || shape.Rank() > rank || shape.Rank() < rank - 1 ||
      constant.Elements() != channels) {
    return std::nullopt;
  }
  if (shape[shape.Rank() - (rank - 1)] != channels) return std::nullopt;
  return constant.Reshaped(Shape{channels});
}

// The convolution with the bias of the Add behind it; nullopt when that is not what the Add adds.
std::optional<Node> AbsorbBias(Graph& graph, const Node& conv, ValueId added) {
  const Tensor* constant = graph.Constant(added);
  const Tensor* weights = graph.Constant(conv.Input(1));
  if (constant == nullptr || weights == nullptr || weights->GetShape().Rank() < 3 ||
      conv.HasInput(2) || conv.HasInput(3) || conv.StringAttr("activation", "none") != "none") {
    return std::nullopt;
  }
  const std::optional<Tensor> bias =
      AsChannelBias(*constant, weights->GetShape()[0], weights->GetShape().Rank());
  if (!bias) return std::nullopt;
  Node fused = conv;
  fused.inputs.resize(3, kNoValue);
  fused.inputs[2] =
      graph.AddConstant(graph.UniqueName(graph.GetValue(added).name + "/bias"), *bias);
  return fused;
}

}  // namespace

Result<int> FuseConv(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, FuseConv));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const Node& node = graph.GetNode(id);
    if (node.Is("Conv") && graph.GetValue(node.inputs[0]).dtype == DType::kF32) {
      Node fused = node;
      fused.domain = "ergo";
      fused.op = "FusedConv";
      fused.opset = 1;
      rewriter.Replace(id, std::move(fused));
      continue;
    }
    if (!node.Is("Add")) continue;
    for (size_t side = 0; side < 2; ++side) {
      const ValueId absorbed = node.inputs[side];
      const Node* conv = rewriter.SoleProducer(absorbed);
      if (conv == nullptr || !IsErgo(*conv, "FusedConv")) continue;
      std::optional<Node> fused = AbsorbBias(graph, *conv, node.inputs[1 - side]);
      if (!fused) continue;
      rewriter.FuseForward(id, absorbed, std::move(*fused));
      break;
    }
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
