// The reference variants of the attention family, for its tables.
#ifndef ERGO_KERNELS_ATTENTION_ATTENTION_REFERENCE_H_
#define ERGO_KERNELS_ATTENTION_ATTENTION_REFERENCE_H_

#include "kernels/attention/attention.h"

namespace ergo {

MadeKernel MakeAttentionReference(const AttentionProblem& problem, const MakeContext& context);
MadeKernel MakeRotaryEmbeddingReference(const RotaryEmbeddingProblem& problem,
                                        const MakeContext& context);
MadeKernel MakeLinearAttentionReference(const LinearAttentionProblem& problem,
                                        const MakeContext& context);

}  // namespace ergo

#endif  // ERGO_KERNELS_ATTENTION_ATTENTION_REFERENCE_H_
