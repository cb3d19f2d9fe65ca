// Transposed convolution: the gradient of a convolution with respect to its input. ONNX
// ConvTranspose, any opset, one to three spatial dimensions (window.h says how they are held).
//
//   inputs    x `dtype` [batch, in_channels, spatial...]; w [in_channels, out_channels / groups,
//             kernel...]; bias [out_channels] or absent
//   output    `dtype` [batch, out_channels, window.in...]
// `window` is that of the convolution whose gradient this is: window.in are the output's spatial
// dimensions and window.out the input's.
// Arithmetic: the reference sums in double and rounds once.
#ifndef ERGO_KERNELS_CONV_TRANSPOSE_CONV_TRANSPOSE_H_
#define ERGO_KERNELS_CONV_TRANSPOSE_CONV_TRANSPOSE_H_

#include <span>

#include "kernels/base/kernel.h"
#include "kernels/base/window.h"

namespace ergo {

struct ConvTransposeProblem {
  DType dtype = DType::kF32;
  int64_t batch = 0, in_channels = 0, out_channels = 0, groups = 1;
  Window window;
  bool bias = false;
};

KernelCost CostOf(const ConvTransposeProblem& problem);
std::span<const KernelVariant<ConvTransposeProblem>> ConvTransposeVariants();

}  // namespace ergo

#endif  // ERGO_KERNELS_CONV_TRANSPOSE_CONV_TRANSPOSE_H_
