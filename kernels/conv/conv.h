// Convolution, in one, two and three dimensions:
//
//   Y[n, m, o] = activation( B[m] + Z[n, m, o]
//                            + sum over c, k of X[n, g(m) * C/G + c, position(o, k)] * W[m, c, k] )
//
// with G groups, c in [0, C/G), k over the taps of the window (kernels/base/window.h; padding is
// zero), g(m) = m / (M/G). It is ONNX's Conv (a cross-correlation: the kernel is not flipped) with
// an epilogue. C == G is the depthwise case, M may be a multiple of it.
//
// Operands, dense and row-major, all of the problem's dtype:
//   inputs  0: X [N, C, in...]            1: W [M, C/G, kernel...]
//           2: B [M], absent without bias 3: Z [N, M, out...], absent without residual
//   outputs 0: Y [N, M, out...]; may be the very same memory as Z
// Kernels take sizes from the problem, never from the views: a 1-D or 2-D tensor needs no reshape.
//
// dtypes: the reference takes f32, f64, f16 and bf16; the SIMD and oneDNN variants f32.
//
// Arithmetic: f32 and f64 accumulate in the dtype (the reference in f64), f16 and bf16 in f32 and
// round once, after the epilogue. The order of the sum differs from variant to variant, so that
// variants agree within ConvErrorBound only, Winograd's (winograd_plan.h) within its own; one
// variant on one SIMD target gives the same bits whatever the number of workers.
#ifndef ERGO_KERNELS_CONV_CONV_H_
#define ERGO_KERNELS_CONV_CONV_H_

#include <span>
#include <string>

#include "kernels/base/activation.h"
#include "kernels/base/kernel.h"
#include "kernels/base/window.h"

namespace ergo {

struct ConvProblem {
  DType dtype = DType::kF32;
  int64_t batch = 1;
  int64_t groups = 1;
  int64_t in_channels = 1;   // a multiple of groups
  int64_t out_channels = 1;  // a multiple of groups
  Window window;             // out == FittingOut on each axis
  bool has_bias = false;
  bool has_residual = false;
  ActivationSpec activation;
  // W, where it is known ahead of time: it is packed when the kernel is made and lives, unchanged,
  // as long as the kernel. Null: known only when the kernel runs.
  const void* weights = nullptr;

  int64_t GroupInChannels() const { return in_channels / groups; }
  int64_t GroupOutChannels() const { return out_channels / groups; }
  // Products summed for one output element.
  int64_t Depth() const { return GroupInChannels() * window.KernelElements(); }
  int64_t WeightElements() const { return out_channels * Depth(); }
  int64_t InputElements() const { return batch * in_channels * window.InElements(); }
  int64_t OutputElements() const { return batch * out_channels * window.OutElements(); }

  // "n1 g1 c64 m64 1x56x56 k 1x3x3 ...", for messages and benchmarks.
  std::string ToString() const;
};

// InvalidArgument, Unsupported or ResourceExhausted for a problem that does not make sense, has a
// dtype that no variant takes, or passes a limit. Every variant's make begins with it.
Status CheckConv(const ConvProblem& problem);

KernelCost CostOf(const ConvProblem& problem);

// Best first, the reference last.
std::span<const KernelVariant<ConvProblem>> ConvVariants();

// |error| of one element of Y against exact arithmetic, for every variant but Winograd's, where
// `magnitude` is the same convolution of absolute values: |B| + |Z| + sum |X| |W| of that element:
//   slope (depth + 8) u magnitude + the activation's own error + rounding to the dtype,
// u the unit roundoff of the accumulator, since a sum of n terms in any order, with or without
// fused multiply-add, errs by at most n u / (1 - n u) of it (Higham, Accuracy and Stability of
// Numerical Algorithms, 2nd ed., section 4.2).
double ConvErrorBound(const ConvProblem& problem, double magnitude);

#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  MadeKernel make(const ConvProblem& problem, const MakeContext& context);
#include "kernels/conv/conv_variants.inc"
#undef ERGO_KERNEL_VARIANT

}  // namespace ergo

#endif  // ERGO_KERNELS_CONV_CONV_H_
