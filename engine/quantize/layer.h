// Layers: the convolutions and matrix products with constant weights that quantization is about,
// and their weights in 8 bits.
//
// Thread safety: pure functions.
#ifndef ERGO_ENGINE_QUANTIZE_LAYER_H_
#define ERGO_ENGINE_QUANTIZE_LAYER_H_

#include <vector>

#include "engine/graph/graph.h"

namespace ergo {

// ergo.FusedConv, or ergo.FusedGemm of a matrix of weights without transposed input, in float32 and
// with a bias, if any, that is constant.
bool IsLayer(const Graph& graph, const Node& node);
std::vector<NodeId> FindLayers(const Graph& graph);

// The axis of the weights along which output channels lie.
int ChannelAxis(const Node& layer);

struct ChannelWeights {
  Tensor values;              // int8, of the weights' shape, in [-127, 127]
  std::vector<float> scales;  // one a channel
};
// round(w / scale) with scale = max |w| / 127 of each slice of `axis`.
ChannelWeights QuantizeChannels(const Tensor& weights, int axis);

}  // namespace ergo

#endif  // ERGO_ENGINE_QUANTIZE_LAYER_H_
