#include "engine/quantize/layer.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ergo {

bool IsLayer(const Graph& graph, const Node& node) {
  const bool conv = node.op == "FusedConv";
  if (node.domain != "ergo" || (!conv && node.op != "FusedGemm")) return false;
  if (graph.Constant(node.inputs[0]) != nullptr || node.IntAttr("trans_a", 0) != 0) return false;
  const Tensor* weights = graph.Constant(node.inputs[1]);
  if (weights == nullptr || weights->Type() != DType::kF32 || weights->Elements() == 0) {
    return false;
  }
  if (!conv && weights->GetShape().Rank() != 2) return false;
  return !node.HasInput(2) || graph.Constant(node.inputs[2]) != nullptr;
}

std::vector<NodeId> FindLayers(const Graph& graph) {
  std::vector<NodeId> layers;
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    if (IsLayer(graph, graph.GetNode(id))) layers.push_back(id);
  }
  return layers;
}

int ChannelAxis(const Node& layer) {
  return layer.op == "FusedConv" || layer.IntAttr("trans_b", 0) != 0 ? 0 : 1;
}

ChannelWeights QuantizeChannels(const Tensor& weights, int axis) {
  constexpr float kLargest = 127;
  const Shape& shape = weights.GetShape();
  const auto channels = static_cast<size_t>(shape[axis]);
  const auto inner = static_cast<size_t>(shape.Elements(axis + 1, shape.Rank()));
  const auto from = weights.Span<float>();
  const auto channel_of = [&](size_t i) { return i / inner % channels; };
  ChannelWeights quantized;
  quantized.scales.assign(channels, 0.0f);
  for (size_t i = 0; i < from.size(); ++i) {
    float& largest = quantized.scales[channel_of(i)];
    largest = std::max(largest, std::abs(from[i]));
  }
  for (float& scale : quantized.scales) {
    scale /= kLargest;
    if (!(scale >= std::numeric_limits<float>::min())) scale = 1;  // all zeros, or as good as that
  }
  std::vector<int8_t> values(from.size());
  for (size_t i = 0; i < from.size(); ++i) {
    const float steps = std::nearbyint(from[i] / quantized.scales[channel_of(i)]);
    values[i] = static_cast<int8_t>(std::clamp(steps, -kLargest, kLargest));
  }
  quantized.values = Tensor::FromValues<int8_t>(shape, std::span<const int8_t>(values));
  return quantized;
}

}  // namespace ergo
