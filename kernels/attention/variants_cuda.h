// The CUDA variant of attention, for the family's table.
//
// Thread safety: pure.
#ifndef ERGO_KERNELS_ATTENTION_VARIANTS_CUDA_H_
#define ERGO_KERNELS_ATTENTION_VARIANTS_CUDA_H_

#include "kernels/attention/attention.h"

namespace ergo {

MadeKernel MakeAttentionCuda(const AttentionProblem& problem, const MakeContext& context);

}  // namespace ergo

#endif  // ERGO_KERNELS_ATTENTION_VARIANTS_CUDA_H_
