// Matrix products with weights of fewer bits, for models whose weights are most of what they read
// and for which there are no samples to calibrate with. Only ergo.FusedGemm nodes with constant
// weights of at least kMinLinearElements elements are changed.
//
// Thread safety: as the graph's.
#ifndef ERGO_ENGINE_QUANTIZE_LINEAR_WEIGHTS_H_
#define ERGO_ENGINE_QUANTIZE_LINEAR_WEIGHTS_H_

#include <string>
#include <vector>

#include "engine/graph/graph.h"

namespace ergo {

inline constexpr int64_t kMinLinearElements = 1024;
inline constexpr int64_t kInt4Block = 32;

struct LinearWeights {
  struct Layer {
    std::string node;
    int64_t bytes_before = 0, bytes_after = 0;
    double weight_error = 0;  // relative L2 error of the weights
  };
  std::vector<Layer> layers;
};

// int8 weights, symmetric, a scale an output channel; the layer's input is quantized to uint8 by
// its own range whenever it runs (DynamicQuantizeLinear), and the product is one of integers:
// ergo.QuantizedGemm with a float32 result. InvalidArgument when there is no such layer.
Result<LinearWeights> QuantizeLinearDynamic(Graph& graph);

// int4 weights, symmetric, a float32 scale for each kInt4Block weights that follow each other along
// the summed axis: of a few scales at and below max |w| / 7 the one with the smallest squared
// error. They stand in the graph as blocked DequantizeLinear, which loading the model widens to
// float32 (engine/plan/widen.h): the file takes an eighth, memory and time are those of float32.
// InvalidArgument when there is no such layer.
Result<LinearWeights> QuantizeLinearInt4(Graph& graph);

}  // namespace ergo

#endif  // ERGO_ENGINE_QUANTIZE_LINEAR_WEIGHTS_H_
