#include "engine/passes/qdq.h"

#include <cstring>

namespace ergo {
namespace {

bool SameSingle(const Graph& graph, ValueId a, ValueId b) {
  if (a == b) return true;
  const Tensor *x = graph.Constant(a), *y = graph.Constant(b);
  return x != nullptr && y != nullptr && x->Type() == y->Type() && x->Elements() == 1 &&
         y->Elements() == 1 &&
         std::memcmp(x->Data(), y->Data(), static_cast<size_t>(x->Bytes())) == 0;
}

bool IsByte(DType dtype) {
  return dtype == DType::kU8 || dtype == DType::kI8;
}

}  // namespace

bool IsSingle(const Graph& graph, ValueId id) {
  const SymbolicShape& shape = graph.GetValue(id).shape;
  const auto concrete = shape.Concrete();
  return concrete && concrete->Elements() == 1 && concrete->Rank() <= 1;
}

std::optional<Quantization> TensorQuantization(const Graph& graph, const Node& node) {
  const bool quantize = node.Is("QuantizeLinear");
  if ((!quantize && !node.Is("DequantizeLinear")) || node.IntAttr("block_size", 0) != 0 ||
      !node.HasInput(1) || node.Output(0) == kNoValue) {
    return std::nullopt;
  }
  const DType from = graph.GetValue(node.inputs[0]).dtype;
  const DType to = graph.GetValue(node.outputs[0]).dtype;
  if (quantize ? from != DType::kF32 || !IsByte(to) : to != DType::kF32 || !IsByte(from)) {
    return std::nullopt;
  }
  if (graph.GetValue(node.inputs[1]).dtype != DType::kF32 || !IsSingle(graph, node.inputs[1]) ||
      (node.HasInput(2) && !IsSingle(graph, node.inputs[2]))) {
    return std::nullopt;
  }
  return Quantization{node.inputs[1], node.Input(2)};
}

bool SameQuantization(const Graph& graph, const Quantization& a, const Quantization& b) {
  if (!SameSingle(graph, a.scale, b.scale)) return false;
  if (a.zero == kNoValue || b.zero == kNoValue) return a.zero == b.zero;
  return SameSingle(graph, a.zero, b.zero);
}

const Node* DequantizeOf(const Graph& graph, const std::vector<NodeId>& producers, ValueId id) {
  if (id == kNoValue || static_cast<size_t>(id) >= producers.size()) return nullptr;
  const NodeId producer = producers[static_cast<size_t>(id)];
  if (producer < 0) return nullptr;
  const Node& node = graph.GetNode(producer);
  return node.Is("DequantizeLinear") ? &node : nullptr;
}

}  // namespace ergo
