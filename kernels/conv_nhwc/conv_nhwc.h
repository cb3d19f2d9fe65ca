// Convolution of images whose channels lie innermost (NHWC): Y of kernels/conv/conv.h for two
// spatial dimensions, constant weights and float32, in the layout in which every vector is full of
// channels whatever the size of the planes, and in which a 1x1 convolution is a product of
// matrices as they lie.
//
// Operands, dense but for Y, all f32:
//   inputs  0: X [N, H, W, C], or [N, C, H, W] where planar_input: what models are given
//           1: W [M, C/G, kh, kw], as ONNX has it
//           2: B [M], absent without bias        3: Z [N, OH, OW, M], absent without residual
//   outputs 0: Y [N, OH, OW, M]; may be the very same memory as Z
// Sizes come from the problem, never from the views.
//
// Groups: one, or depthwise (as many as input and output channels); anything else is Unsupported.
//
// Arithmetic and error bounds: as kernels/conv/conv.h says (ConvErrorBound, WinogradErrorBound).
#ifndef ERGO_KERNELS_CONV_NHWC_CONV_NHWC_H_
#define ERGO_KERNELS_CONV_NHWC_CONV_NHWC_H_

#include <span>
#include <string>

#include "kernels/conv/conv.h"

namespace ergo {

struct NhwcConvProblem {
  ConvProblem conv;           // the window's first axis is 1; weights are not null
  bool planar_input = false;  // not for depthwise ones

  bool IsDepthwise() const {
    return conv.groups > 1 && conv.groups == conv.in_channels && conv.groups == conv.out_channels;
  }
  std::string ToString() const;
};

// As CheckConv, and Unsupported for what the contract above leaves out. Every variant's make begins
// with it.
Status CheckNhwcConv(const NhwcConvProblem& problem);

KernelCost CostOf(const NhwcConvProblem& problem);

// Best first, the reference last.
std::span<const KernelVariant<NhwcConvProblem>> NhwcConvVariants();

#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  MadeKernel make(const NhwcConvProblem& problem, const MakeContext& context);
#include "kernels/conv_nhwc/conv_nhwc_variants.inc"
#undef ERGO_KERNEL_VARIANT

}  // namespace ergo

#endif  // ERGO_KERNELS_CONV_NHWC_CONV_NHWC_H_
