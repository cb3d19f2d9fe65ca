#include "engine/passes/affine.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/passes/fusible.h"

namespace ergo {
namespace {

std::optional<std::span<const float>> Floats(const Graph& graph, ValueId id) {
  const Tensor* constant = graph.Constant(id);
  if (constant == nullptr || constant->Type() != DType::kF32) return std::nullopt;
  return constant->Span<float>();
}

// One number for each channel of a constant that broadcasts along the channel axis, or one for all.
std::optional<std::vector<double>> PerChannel(const Graph& graph, ValueId id, int rank, int axis,
                                              int64_t channels) {
  const auto values = Floats(graph, id);
  if (!values) return std::nullopt;
  const Shape& shape = graph.Constant(id)->GetShape();
  if (shape.Rank() > rank) return std::nullopt;
  if (values->size() == 1) {
    return std::vector<double>(static_cast<size_t>(channels), double{(*values)[0]});
  }
  const int at = axis - (rank - shape.Rank());
  if (at < 0 || shape[at] != channels || shape.Elements() != channels) return std::nullopt;
  return std::vector<double>(values->begin(), values->end());
}

std::optional<Affine> OfBatchNorm(const Graph& graph, const Node& node, int64_t channels) {
  if (node.IntAttr("training_mode", 0) != 0 || node.IntAttr("spatial", 1) == 0 ||
      node.inputs.size() != 5 || node.outputs.size() != 1) {
    return std::nullopt;
  }
  std::array<std::span<const float>, 4> parameters;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto values = Floats(graph, node.inputs[i + 1]);
    if (!values || static_cast<int64_t>(values->size()) != channels) return std::nullopt;
    parameters[i] = *values;
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

// What `op` with the constant on the right, or on the left, does.
std::optional<Affine> OfArithmetic(std::string_view op, std::vector<double> constant,
                                   bool constant_left) {
  Affine affine{std::vector<double>(constant.size(), 1), std::vector<double>(constant.size(), 0)};
  if (op == "Add") {
    affine.shift = std::move(constant);
  } else if (op == "Mul") {
    affine.scale = std::move(constant);
  } else if (op == "Sub") {
    if (constant_left) {
      affine.scale.assign(constant.size(), -1);
    } else {
      for (double& value : constant) value = -value;
    }
    affine.shift = std::move(constant);
  } else if (op == "Div" && !constant_left) {
    for (double& value : constant) value = 1 / value;
    affine.scale = std::move(constant);
  } else {
    return std::nullopt;
  }
  // What is not finite does not fold: 0 times infinity is not what was asked for.
  const auto finite = [](double value) { return std::isfinite(value); };
  if (!std::ranges::all_of(affine.scale, finite) || !std::ranges::all_of(affine.shift, finite)) {
    return std::nullopt;
  }
  return affine;
}

}  // namespace

bool Affine::Scales() const {
  return std::ranges::any_of(scale, [](double value) { return value != 1; });
}

bool Affine::Shifts() const {
  return std::ranges::any_of(shift, [](double value) { return value != 0; });
}

std::optional<AffineNode> AsAffine(const Graph& graph, const Node& node, int channel_axis,
                                   int64_t channels) {
  if (!node.domain.empty() || node.outputs.empty() || node.outputs[0] == kNoValue) {
    return std::nullopt;
  }
  const SymbolicShape& shape = graph.GetValue(node.outputs[0]).shape;
  if (!shape.RankKnown() || channel_axis >= shape.Rank()) return std::nullopt;
  // A constant must not widen its partner.
  const auto has_channels = [&](ValueId id) {
    const SymbolicShape& dims = graph.GetValue(id).shape;
    return dims.RankKnown() && dims.Rank() == shape.Rank() &&
           dims[channel_axis].SameAs(Dim(channels));
  };
  if (node.op == "BatchNormalization") {
    std::optional<Affine> affine = OfBatchNorm(graph, node, channels);
    if (!affine || channel_axis != 1 || !has_channels(node.inputs[0])) return std::nullopt;
    return AffineNode{std::move(*affine), node.inputs[0]};
  }
  if (node.inputs.size() != 2) return std::nullopt;
  for (size_t side = 0; side < 2; ++side) {
    const ValueId operand = node.inputs[1 - side];
    auto constant = PerChannel(graph, node.inputs[side], shape.Rank(), channel_axis, channels);
    if (!constant || graph.Constant(operand) != nullptr || !has_channels(operand)) continue;
    std::optional<Affine> affine = OfArithmetic(node.op, std::move(*constant), side == 0);
    if (affine) return AffineNode{std::move(*affine), operand};
  }
  return std::nullopt;
}

std::optional<LinearNode> LinearNode::Of(const Graph& graph, const Node& node) {
  const bool conv = IsErgo(node, "FusedConv"), gemm = IsErgo(node, "FusedGemm");
  if (!conv && !gemm && !node.Is("ConvTranspose")) return std::nullopt;
  if ((conv || gemm) && (!AcceptsActivation(node) || node.HasInput(kFusedResidual))) {
    return std::nullopt;
  }
  const Tensor* weights = graph.Constant(node.Input(1));
  if (weights == nullptr || weights->Type() != DType::kF32 ||
      (node.HasInput(2) && !Floats(graph, node.inputs[2]))) {
    return std::nullopt;
  }
  const Shape& shape = weights->GetShape();
  LinearNode linear(node);
  if (gemm) {
    const SymbolicShape& a = graph.GetValue(node.inputs[0]).shape;
    if (shape.Rank() != 2 || !a.RankKnown() || node.IntAttr("trans_a", 0) != 0) return std::nullopt;
    linear.out_first_ = node.IntAttr("trans_b", 0) != 0;
    linear.input_axis_ = linear.output_axis_ = a.Rank() - 1;
  } else {
    if (shape.Rank() < 3) return std::nullopt;
    linear.out_first_ = conv;
    linear.groups_ = node.IntAttr("group", 1);
    linear.kernel_ = shape.Elements(2, shape.Rank());
  }
  linear.first_ = shape[0];
  linear.second_ = shape[1];
  const bool divides = linear.groups_ > 0 && linear.first_ % linear.groups_ == 0;
  if (!divides || shape.Elements() == 0) return std::nullopt;
  const auto biases = node.HasInput(2) ? graph.Constant(node.inputs[2])->Elements() : 0;
  if (node.HasInput(2) && biases != linear.Outputs()) return std::nullopt;
  return linear;
}

LinearNode::Channels LinearNode::ChannelsOf(int64_t element) const {
  const int64_t a = element / (second_ * kernel_), b = element / kernel_ % second_;
  const int64_t across = a / (first_ / groups_) * second_ + b;
  return out_first_ ? Channels{static_cast<size_t>(across), static_cast<size_t>(a)}
                    : Channels{static_cast<size_t>(a), static_cast<size_t>(across)};
}

std::vector<double> LinearNode::Bias(const Graph& graph) const {
  std::vector<double> bias(static_cast<size_t>(Outputs()), 0);
  if (node_.HasInput(2)) std::ranges::copy(*Floats(graph, node_.inputs[2]), bias.begin());
  return bias;
}

Node LinearNode::WithWeights(Graph& graph, bool scales, const std::vector<float>& weights,
                             const std::vector<double>& bias) const {
  Node node = node_;
  const std::string base = graph.GetValue(node.inputs[1]).name;
  const Shape shape = graph.Constant(node.inputs[1])->GetShape();
  node.inputs.resize(3, kNoValue);
  if (scales) {
    node.inputs[1] =
        graph.AddConstant(graph.UniqueName(base + "/scaled"),
                          Tensor::FromValues<float>(shape, std::span<const float>(weights)));
  }
  const bool biased = std::ranges::any_of(bias, [](double value) { return value != 0; });
  if (!biased && node.inputs[2] == kNoValue) {
    node.inputs.pop_back();
    return node;
  }
  std::vector<float> rounded;
  for (const double value : bias) rounded.push_back(static_cast<float>(value));
  node.inputs[2] =
      graph.AddConstant(graph.UniqueName(base + "/shift"),
                        Tensor::FromValues<float>(Shape{static_cast<int64_t>(rounded.size())},
                                                  std::span<const float>(rounded)));
  return node;
}

Node LinearNode::After(Graph& graph, const Affine& map) const {
  const std::span<const float> old = *Floats(graph, node_.inputs[1]);
  std::vector<float> weights(old.size());
  for (size_t i = 0; i < old.size(); ++i) {
    const size_t out = ChannelsOf(static_cast<int64_t>(i)).out;
    weights[i] = static_cast<float>(old[i] * map.scale[out]);
  }
  std::vector<double> bias = Bias(graph);
  for (size_t c = 0; c < bias.size(); ++c) bias[c] = bias[c] * map.scale[c] + map.shift[c];
  return WithWeights(graph, map.Scales(), weights, bias);
}

Node LinearNode::Before(Graph& graph, const Affine& map) const {
  const std::span<const float> old = *Floats(graph, node_.inputs[1]);
  std::vector<float> weights(old.size());
  std::vector<double> bias = Bias(graph);
  for (size_t i = 0; i < old.size(); ++i) {
    const Channels channels = ChannelsOf(static_cast<int64_t>(i));
    weights[i] = static_cast<float>(old[i] * map.scale[channels.in]);
    bias[channels.out] += old[i] * map.shift[channels.in];
  }
  return WithWeights(graph, map.Scales(), weights, bias);
}

}  // namespace ergo
