// What the passes about quantized models share: reading QuantizeLinear and DequantizeLinear.
#ifndef ERGO_ENGINE_PASSES_QDQ_H_
#define ERGO_ENGINE_PASSES_QDQ_H_

#include <optional>

#include "engine/graph/graph.h"

namespace ergo {

// One scale and zero point for a whole tensor, as values of the graph; `zero` may be kNoValue, for
// uint8 0.
struct Quantization {
  ValueId scale = kNoValue, zero = kNoValue;
};

// That of a QuantizeLinear or DequantizeLinear between float32 and 8 bits; nullopt for other nodes,
// other types, and where there is more than one scale.
std::optional<Quantization> TensorQuantization(const Graph& graph, const Node& node);

// True where both are known and equal.
bool SameQuantization(const Graph& graph, const Quantization& a, const Quantization& b);

// The DequantizeLinear that computes `id`, whoever else reads it; null when another node does.
// `producers` as Graph::Producers() gives them.
const Node* DequantizeOf(const Graph& graph, const std::vector<NodeId>& producers, ValueId id);

// A value of one element: [] or [1].
bool IsSingle(const Graph& graph, ValueId id);

}  // namespace ergo

#endif  // ERGO_ENGINE_PASSES_QDQ_H_
