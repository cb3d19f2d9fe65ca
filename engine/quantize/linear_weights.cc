#include "engine/quantize/linear_weights.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "engine/quantize/layer.h"

namespace ergo {
namespace {

bool IsLargeLinear(const Graph& graph, const Node& node) {
  return node.op == "FusedGemm" && IsLayer(graph, node) &&
         graph.Constant(node.inputs[1])->Elements() >= kMinLinearElements;
}

Status RequireLayers(const LinearWeights& report) {
  if (!report.layers.empty()) return {};
  return InvalidArgument("the model has no product with constant weights of {} numbers or more",
                         kMinLinearElements);
}

ValueId AddConstant(Graph& graph, const std::string& hint, Tensor tensor) {
  return graph.AddConstant(graph.UniqueName(hint), std::move(tensor));
}

// [k, n] of weights that are stored as [n, k] when `transposed`.
Tensor AsDepthByColumns(const Tensor& weights, bool transposed) {
  if (!transposed) return weights;
  const int64_t n = weights.GetShape()[0], k = weights.GetShape()[1];
  const auto from = weights.Span<float>();
  std::vector<float> to(from.size());
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t i = 0; i < k; ++i) {
      to[static_cast<size_t>(i * n + j)] = from[static_cast<size_t>(j * k + i)];
    }
  }
  return Tensor::FromValues<float>(Shape{k, n}, std::span<const float>(to));
}

class DynamicWriter {
 public:
  explicit DynamicWriter(Graph& graph) : graph_(graph) {}

  LinearWeights Run() {
    std::vector<Node> nodes = std::move(graph_.Nodes());
    graph_.Nodes().clear();
    for (Node& node : nodes) {
      if (IsLargeLinear(graph_, node)) Quantize(node);
      graph_.AddNode(std::move(node));
    }
    return std::move(report_);
  }

 private:
  struct Quantized {
    ValueId bytes, scale, zero;
  };

  // The quantized form of a layer's input, computed once for all that read it.
  Quantized QuantizedInput(ValueId id) {
    const auto found = inputs_.find(id);
    if (found != inputs_.end()) return found->second;
    const std::string name = graph_.GetValue(id).name;
    const SymbolicShape shape = graph_.GetValue(id).shape;
    const Quantized quantized = {
        graph_.AddValue(graph_.UniqueName(name + "/quantized"), DType::kU8, shape),
        graph_.AddValue(graph_.UniqueName(name + "/scale"), DType::kF32, Shape()),
        graph_.AddValue(graph_.UniqueName(name + "/zero"), DType::kU8, Shape())};
    Node node;
    node.name = name + "/DynamicQuantizeLinear";
    node.op = "DynamicQuantizeLinear";
    node.opset = 11;
    node.inputs = {id};
    node.outputs = {quantized.bytes, quantized.scale, quantized.zero};
    graph_.AddNode(std::move(node));
    return inputs_.emplace(id, quantized).first->second;
  }

  void Quantize(Node& node) {
    const Tensor& weights = *graph_.Constant(node.inputs[1]);
    const std::string name = graph_.GetValue(node.inputs[1]).name;
    const Tensor by_column = AsDepthByColumns(weights, node.IntAttr("trans_b", 0) != 0);
    ChannelWeights quantized = QuantizeChannels(by_column, 1);
    const auto columns = static_cast<int64_t>(quantized.scales.size());
    report_.layers.push_back({node.name, weights.Bytes(), quantized.values.Bytes() + 4 * columns,
                              RelativeError(by_column, quantized)});
    const Quantized x = QuantizedInput(node.inputs[0]);
    const ValueId values = AddConstant(graph_, name + "/quantized", std::move(quantized.values));
    const ValueId scales = AddConstant(
        graph_, name + "/scales",
        Tensor::FromValues<float>(Shape{columns}, std::span<const float>(quantized.scales)));
    std::vector<ValueId> inputs = {x.bytes,  x.scale,  x.zero,   values,        scales,
                                   kNoValue, kNoValue, kNoValue, node.Input(2), node.Input(3)};
    while (inputs.back() == kNoValue) inputs.pop_back();
    node.inputs = std::move(inputs);
    node.op = "QuantizedGemm";
    node.attributes.erase("trans_a");
    node.attributes.erase("trans_b");
  }

  static double RelativeError(const Tensor& weights, const ChannelWeights& quantized) {
    const auto from = weights.Span<float>();
    const auto to = quantized.values.Span<int8_t>();
    double difference = 0, magnitude = 0;
    for (size_t i = 0; i < from.size(); ++i) {
      const double back = double{quantized.scales[i % quantized.scales.size()]} * to[i];
      difference += (back - from[i]) * (back - from[i]);
      magnitude += double{from[i]} * from[i];
    }
    return magnitude > 0 ? std::sqrt(difference / magnitude) : 0;
  }

  Graph& graph_;
  std::map<ValueId, Quantized> inputs_;
  LinearWeights report_;
};

// A block of weights, `stride` apart.
struct Block {
  const float* weights;
  size_t count, stride;
};

float StepOf(float weight, float scale) {
  return std::clamp(std::nearbyint(weight / scale), -8.0f, 7.0f);
}

double SquaredError(const Block& block, float scale) {
  double error = 0;
  for (size_t i = 0; i < block.count; ++i) {
    const double weight = block.weights[i * block.stride];
    const double back = double{scale} * StepOf(block.weights[i * block.stride], scale);
    error += (back - weight) * (back - weight);
  }
  return error;
}

float BestScale(const Block& block) {
  float largest = 0;
  for (size_t i = 0; i < block.count; ++i) {
    largest = std::max(largest, std::abs(block.weights[i * block.stride]));
  }
  if (!(largest >= std::numeric_limits<float>::min())) return 1;
  float best = largest / 7;
  double best_error = SquaredError(block, best);
  for (const float divisor : {7.25f, 7.5f, 7.75f, 8.0f, 8.5f, 9.0f}) {
    const double error = SquaredError(block, largest / divisor);
    if (error < best_error) {
      best = largest / divisor;
      best_error = error;
    }
  }
  return best;
}

struct BlockedWeights {
  Tensor values, scales;
  double error = 0;
};

// Blocks along `axis` of a matrix.
BlockedWeights QuantizeBlocks(const Tensor& weights, int axis) {
  const Shape& shape = weights.GetShape();
  const auto depth = static_cast<size_t>(shape[axis]),
             others = static_cast<size_t>(shape[1 - axis]);
  const size_t stride = axis == 0 ? others : 1, other_stride = axis == 0 ? 1 : depth;
  const auto block = static_cast<size_t>(kInt4Block);
  const size_t blocks = (depth + block - 1) / block;
  const float* from = weights.Span<float>().data();
  AlignedBuffer packed =
      AlignedBuffer::AllocateOrDie(static_cast<size_t>(DTypeBytes(DType::kI4, weights.Elements())));
  std::ranges::fill(packed.Bytes(), std::byte{0});
  std::vector<float> scales(blocks * others);
  double difference = 0, magnitude = 0;
  for (size_t other = 0; other < others; ++other) {
    for (size_t b = 0; b < blocks; ++b) {
      const size_t first = b * block * stride + other * other_stride;
      const Block each{from + first, std::min(block, depth - b * block), stride};
      const float scale = BestScale(each);
      scales[axis == 0 ? b * others + other : other * blocks + b] = scale;
      difference += SquaredError(each, scale);
      for (size_t i = 0; i < each.count; ++i) {
        const size_t at = first + i * stride;
        const auto step = static_cast<int>(StepOf(from[at], scale));
        packed.As<uint8_t>()[at / 2] =
            static_cast<uint8_t>(packed.As<uint8_t>()[at / 2] | (step & 0xf) << (at % 2 * 4));
        magnitude += double{from[at]} * from[at];
      }
    }
  }
  Shape scale_shape = shape;
  scale_shape[axis] = static_cast<int64_t>(blocks);
  return {Tensor(DType::kI4, shape, std::move(packed)),
          Tensor::FromValues<float>(scale_shape, std::span<const float>(scales)),
          magnitude > 0 ? std::sqrt(difference / magnitude) : 0};
}

}  // namespace

Result<LinearWeights> QuantizeLinearDynamic(Graph& graph) {
  const LinearWeights report = DynamicWriter(graph).Run();
  ERGO_RETURN_IF_ERROR(RequireLayers(report));
  graph.Compact();
  ERGO_RETURN_IF_ERROR(graph.Verify());
  return report;
}

Result<LinearWeights> QuantizeLinearInt4(Graph& graph) {
  LinearWeights report;
  std::vector<Node> before;
  for (Node& node : graph.Nodes()) {
    if (!IsLargeLinear(graph, node)) continue;
    const Tensor& weights = *graph.Constant(node.inputs[1]);
    const std::string name = graph.GetValue(node.inputs[1]).name;
    const int axis = node.IntAttr("trans_b", 0) != 0 ? 1 : 0;
    const Shape shape = weights.GetShape();
    BlockedWeights blocked = QuantizeBlocks(weights, axis);
    report.layers.push_back({node.name, weights.Bytes(),
                             blocked.values.Bytes() + blocked.scales.Bytes(), blocked.error});
    Node dequantize;
    dequantize.name = name + "/dequantize";
    dequantize.op = "DequantizeLinear";
    dequantize.opset = 21;
    dequantize.attributes["axis"] = int64_t{axis};
    dequantize.attributes["block_size"] = kInt4Block;
    dequantize.inputs = {AddConstant(graph, name + "/int4", std::move(blocked.values)),
                         AddConstant(graph, name + "/scales", std::move(blocked.scales))};
    node.inputs[1] = graph.AddValue(graph.UniqueName(name + "/dequantized"), DType::kF32, shape);
    dequantize.outputs = {node.inputs[1]};
    before.push_back(std::move(dequantize));
  }
  ERGO_RETURN_IF_ERROR(RequireLayers(report));
  graph.Nodes().insert(graph.Nodes().begin(), std::make_move_iterator(before.begin()),
                       std::make_move_iterator(before.end()));
  graph.Compact();
  ERGO_RETURN_IF_ERROR(graph.Verify());
  return report;
}

}  // namespace ergo
