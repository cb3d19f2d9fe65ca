// Weights in 16 bits: float32 constants become float16 or bfloat16 ones with a Cast behind them.
// The model computes in float32 as before: loading it widens the weights once
// (engine/plan/widen.h), so that the file takes half the bytes and the kernels are the same.
//
// Thread safety: as the graph's.
#ifndef ERGO_ENGINE_QUANTIZE_NARROW_WEIGHTS_H_
#define ERGO_ENGINE_QUANTIZE_NARROW_WEIGHTS_H_

#include "engine/graph/graph.h"

namespace ergo {

struct NarrowedWeights {
  int narrowed = 0;
  int out_of_range = 0;                       // left in float32: float16 has no number that large
  int64_t bytes_before = 0, bytes_after = 0;  // of those narrowed
};

// Narrows every float32 constant of at least kMinNarrowElements elements that nodes read, in
// subgraphs too, rounding to nearest even. `to` is kF16 or kBF16; InvalidArgument for others.
Result<NarrowedWeights> NarrowWeights(Graph& graph, DType to);

}  // namespace ergo

#endif  // ERGO_ENGINE_QUANTIZE_NARROW_WEIGHTS_H_
