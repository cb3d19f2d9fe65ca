// The SIMD variant of attention, for its table.
#ifndef ERGO_KERNELS_ATTENTION_ATTENTION_SIMD_H_
#define ERGO_KERNELS_ATTENTION_ATTENTION_SIMD_H_

#include "kernels/attention/attention_operands.h"
#include "kernels/base/checked_math.h"

namespace ergo {

MadeKernel MakeAttentionSimd(const AttentionProblem& problem, const MakeContext& context);

// One tile of rows of a key/value head, as each target provides it; `workspace` is the worker's.
using AttentionTileLoop = void (*)(const AttentionOperands& operands, int64_t b, int64_t kv_head,
                                   int64_t first, int64_t rows, float* workspace);

// Floats from one row of results to the next: whole vectors of every target.
inline int64_t AttentionResultStride(const AttentionProblem& problem) {
  return RoundUp(problem.v_head, int64_t{16});
}

}  // namespace ergo

#endif  // ERGO_KERNELS_ATTENTION_ATTENTION_SIMD_H_
