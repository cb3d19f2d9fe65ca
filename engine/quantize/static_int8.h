// Static post-training quantization to 8 bits.
//
// Layers are convolutions and matrix products with constant float32 weights, as the passes leave
// them (ergo.FusedConv, ergo.FusedGemm). A quantized layer has int8 weights, symmetric, one scale
// an output channel; its input is uint8 with the scale and zero point of the calibrated range; its
// bias is int32 of the scale of the sums. The graph is rewritten with QuantizeLinear and
// DequantizeLinear around the layers, and the passes make integer kernels of that; results that
// only float operators read stay float32.
//
// Thread safety: as the graph's.
#ifndef ERGO_ENGINE_QUANTIZE_STATIC_INT8_H_
#define ERGO_ENGINE_QUANTIZE_STATIC_INT8_H_

#include <optional>
#include <string>
#include <vector>

#include "engine/quantize/calibration.h"

namespace ergo {

struct StaticInt8Options {
  CalibrationOptions calibration;
  // Bound on the error of the outputs (engine/quantize/output_error.h): layers are left in float32,
  // those first whose quantization alone costs most, until the model keeps it. Takes a measurement
  // or two a layer.
  std::optional<double> max_error;
  std::vector<std::string> keep_float;  // names of nodes
};

struct StaticInt8Report {
  struct Layer {
    std::string node, op;
    bool quantized = false;
    std::string reason;  // why it is not
    // Of the model's outputs when this layer alone is quantized; NaN when the layer never was.
    double error = 0;
    int64_t weight_bytes = 0;  // in float32
  };
  std::vector<Layer> layers;  // in the order of the graph
  double error = 0;           // of the model as it is returned
  size_t calibration_samples = 0, error_samples = 0;
};

// Samples that errors are measured on, at most.
inline constexpr size_t kMaxErrorSamples = 8;

// Rewrites a graph that has been through Optimize. InvalidArgument when there are no samples, a
// node of keep_float is no layer, or the graph has no layers at all.
Result<StaticInt8Report> QuantizeStatic(Graph& graph, const CalibrationData& data,
                                        const StaticInt8Options& options, Progress progress);

}  // namespace ergo

#endif  // ERGO_ENGINE_QUANTIZE_STATIC_INT8_H_
