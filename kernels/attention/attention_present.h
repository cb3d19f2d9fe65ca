// The caches that attention hands on, which every variant writes alike.
#ifndef ERGO_KERNELS_ATTENTION_ATTENTION_PRESENT_H_
#define ERGO_KERNELS_ATTENTION_ATTENTION_PRESENT_H_

#include "kernels/attention/attention.h"

namespace ergo {

// Element (b, h, i, d) of a [heads, len] operand, packed or not.
inline int64_t AttentionPosition(bool packed, int64_t heads, int64_t len, int64_t width, int64_t b,
                                 int64_t h, int64_t i, int64_t d) {
  return packed ? ((b * len + i) * heads + h) * width + d : ((b * heads + h) * len + i) * width + d;
}

// present_key and present_value, where the run asks for them.
void WritePresents(const AttentionProblem& problem, const KernelArgs& args);

}  // namespace ergo

#endif  // ERGO_KERNELS_ATTENTION_ATTENTION_PRESENT_H_
