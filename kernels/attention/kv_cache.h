// State that decoders carry from token to token, beside attention itself.
#ifndef ERGO_KERNELS_ATTENTION_KV_CACHE_H_
#define ERGO_KERNELS_ATTENTION_KV_CACHE_H_

#include <span>

#include "kernels/base/kernel.h"

namespace ergo {

// Writes an update into a cache at a position of its own for each sample. ONNX TensorScatter.
//   inputs  cache [batch, outer, cache_len, inner], update [batch, outer, update_len, inner] (any
//           dtype of whole bytes), write_indices i64[batch] or absent (0)
//   output  the cache with the update. Linear: positions outside the cache are not written.
//           Circular: positions are taken modulo cache_len.
struct TensorScatterProblem {
  DType dtype = DType::kF32;
  int64_t batch = 0, outer = 0, cache_len = 0, update_len = 0, inner = 0;
  bool circular = false;
};

KernelCost CostOf(const TensorScatterProblem& problem);
std::span<const KernelVariant<TensorScatterProblem>> TensorScatterVariants();

// Causal depthwise convolution over time that continues from a state. ONNX CausalConvWithState.
//   inputs  x [batch, channels, length], w [channels, 1, taps], bias [channels] or absent, past
//           [batch, channels, taps - 1] or absent (zeros)
//   outputs y as x, y[t] = act(bias + sum_k w[k] * seq[t + k]) with seq = past then x;
//           present: the last taps - 1 of seq
// Arithmetic: sums in double, rounded once.
struct CausalConvProblem {
  DType dtype = DType::kF32;
  int64_t batch = 0, channels = 0, length = 0, taps = 1;
  bool silu = false;
  bool has_past = false;
};

KernelCost CostOf(const CausalConvProblem& problem);
std::span<const KernelVariant<CausalConvProblem>> CausalConvVariants();

}  // namespace ergo

#endif  // ERGO_KERNELS_ATTENTION_KV_CACHE_H_
