// BatchNormalization after a convolution with constant weights: both are affine in the
// convolution's sums, so scale and shift go into weights and bias (computed in double).
#include <array>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include "engine/passes/passes.h"
#include "engine/passes/rewriter.h"

namespace ergo {
namespace {

struct Affine {
  std::vector<double> scale, shift;  // one a channel
};

// What BatchNormalization does at inference; nullopt unless all parameters are float32 constants.
std::optional<Affine> InferenceAffine(const Graph& graph, const Node& node) {
  if (node.IntAttr("training_mode", 0) != 0 || node.inputs.size() != 5) return std::nullopt;
  std::array<std::span<const float>, 4> parameters;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Tensor* constant = graph.Constant(node.inputs[i + 1]);
    if (constant == nullptr || constant->Type() != DType::kF32) return std::nullopt;
    parameters[i] = constant->Span<float>();
    if (parameters[i].size() != parameters[0].size()) return std::nullopt;
  }
  const auto& [gamma, beta, mean, variance] = parameters;
  const double epsilon = node.FloatAttr("epsilon", 1e-5f);
  Affine affine;
  for (size_t c = 0; c < gamma.size(); ++c) {
    const double scale = gamma[c] / std::sqrt(static_cast<double>(variance[c]) + epsilon);
    affine.scale.push_back(scale);
    affine.shift.push_back(beta[c] - mean[c] * scale);
  }
  return affine;
}

bool IsPlainConv(const Node& node) {
  if (node.Is("Conv")) return true;
  return node.domain == "ergo" && node.op == "FusedConv" && !node.HasInput(3) &&
         node.StringAttr("activation", "none") == "none";
}

// The convolution with the affine map behind it; nullopt when its parameters are not constant.
std::optional<Node> Absorb(Graph& graph, const Node& conv, const Affine& affine) {
  const size_t channels = affine.scale.size();
  const Tensor* weights = graph.Constant(conv.Input(1));
  const Tensor* bias = graph.Constant(conv.Input(2));
  if (weights == nullptr || weights->Type() != DType::kF32 || weights->GetShape().Rank() < 1 ||
      weights->GetShape()[0] != static_cast<int64_t>(channels) || channels == 0 ||
      (conv.HasInput(2) && bias == nullptr)) {
    return std::nullopt;
  }
  const std::span<const float> old_weights = weights->Span<float>();
  std::vector<float> new_weights(old_weights.size()), new_bias(channels);
  const size_t per_channel = old_weights.size() / channels;
  for (size_t i = 0; i < old_weights.size(); ++i) {
    new_weights[i] = static_cast<float>(old_weights[i] * affine.scale[i / per_channel]);
  }
  for (size_t c = 0; c < channels; ++c) {
    const double old_bias = bias ? bias->Span<float>()[c] : 0.0;
    new_bias[c] = static_cast<float>(old_bias * affine.scale[c] + affine.shift[c]);
  }
  Node fused = conv;
  const std::string base = graph.GetValue(conv.inputs[1]).name;
  const Shape shape = weights->GetShape();
  fused.inputs.resize(3, kNoValue);
  fused.inputs[1] =
      graph.AddConstant(graph.UniqueName(base + "/normalized"),
                        Tensor::FromValues<float>(shape, std::span<const float>(new_weights)));
  fused.inputs[2] =
      graph.AddConstant(graph.UniqueName(base + "/shift"),
                        Tensor::FromValues<float>(Shape{static_cast<int64_t>(channels)},
                                                  std::span<const float>(new_bias)));
  return fused;
}

}  // namespace

Result<int> FuseBatchNorm(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, FuseBatchNorm));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const Node& norm = graph.GetNode(id);
    if (!norm.Is("BatchNormalization") || norm.outputs.size() != 1) continue;
    const Node* conv = rewriter.SoleProducer(norm.inputs[0]);
    if (conv == nullptr || !IsPlainConv(*conv)) continue;
    const std::optional<Affine> affine = InferenceAffine(graph, norm);
    if (!affine) continue;
    std::optional<Node> fused = Absorb(graph, *conv, *affine);
    if (fused) rewriter.FuseForward(id, norm.inputs[0], std::move(*fused));
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
