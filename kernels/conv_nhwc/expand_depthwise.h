// A pointwise convolution and the depthwise one behind it, the expansion of an inverted residual
// block (Sandler et al., MobileNetV2, arXiv:1801.04381):
//
//   Y = depthwise(expand(X))
//
// The expanded tensor is the largest of such a network and nobody else reads it: in one kernel it
// never leaves the cache.
//
// Operands, dense, channels innermost, f32:
//   inputs  0: X [N, H, W, C]  1: W1 [M, C, 1, 1]  2: B1 [M], absent without bias
//                              3: W2 [M, 1, kernel...]  4: B2 [M], absent without bias
//   outputs 0: Y [N, OH, OW, M]
//
// Arithmetic: as two convolutions in f32 (conv_nhwc.h), the first rounded before the second.
#ifndef ERGO_KERNELS_CONV_NHWC_EXPAND_DEPTHWISE_H_
#define ERGO_KERNELS_CONV_NHWC_EXPAND_DEPTHWISE_H_

#include <span>

#include "kernels/conv_nhwc/conv_nhwc.h"

namespace ergo {

struct ExpandDepthwiseProblem {
  ConvProblem expand;     // pointwise, no residual
  ConvProblem depthwise;  // one channel a group, two-dimensional, no residual; its input is
                          // expand's output
};

// InvalidArgument or Unsupported for what is not such a pair. Every variant's make begins with it.
Status CheckExpandDepthwise(const ExpandDepthwiseProblem& problem);

KernelCost CostOf(const ExpandDepthwiseProblem& problem);

std::span<const KernelVariant<ExpandDepthwiseProblem>> ExpandDepthwiseVariants();

#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  MadeKernel make(const ExpandDepthwiseProblem& problem, const MakeContext& context);
#include "kernels/conv_nhwc/expand_depthwise_variants.inc"
#undef ERGO_KERNEL_VARIANT

}  // namespace ergo

#endif  // ERGO_KERNELS_CONV_NHWC_EXPAND_DEPTHWISE_H_
