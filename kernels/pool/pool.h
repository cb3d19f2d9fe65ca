// Pooling in one, two and three dimensions, with the window of kernels/base/window.h:
//
//   max      Y[n, c, o] = the largest X[n, c, position(o, k)] over the taps k inside the input
//   average  Y[n, c, o] = their sum / the number of taps inside the input, or, with
//                         count_include_pad, inside the input and its stated padding
//   lp       Y[n, c, o] = (sum of |X|^p over the taps inside the input) ^ (1 / p)
//
// These are ONNX's MaxPool, AveragePool and LpPool. Global pooling is a window as large as the
// input. `out` is free: with ceil_mode a window may reach beyond the padding; such taps never
// count. A window without a tap inside the input gives the dtype's lowest value (-infinity for
// floating point) for max, and 0 otherwise.
//
// Operands, dense and row-major, channels after batch, which are one here:
//   inputs  0: X [N*C, in...]
//   outputs 0: Y [N*C, out...]
//           1: Indices, int64, of Y's shape, absent unless has_indices: where in all of X the
//              largest element is, the first of equals in row-major order of the window. With
//              column_major the spatial part of the index is counted in column-major order.
//
// dtypes: the reference takes f32, f64, f16 and bf16, and for max i8 and u8; SIMD variants
// f32, and for max i8 and u8.
// Arithmetic: max is exact; which operand a window with a NaN gives is not specified. Sums of f16
// and bf16 are in f32, those of f64 in f64, those of f32 in f64 (reference) or f32 (the rest),
// which agree within PoolErrorBound.
#ifndef ERGO_KERNELS_POOL_POOL_H_
#define ERGO_KERNELS_POOL_POOL_H_

#include <span>
#include <string>

#include "kernels/base/kernel.h"
#include "kernels/base/window.h"

namespace ergo {

enum class PoolKind : uint8_t { kMax, kAverage, kLp };

struct PoolProblem {
  PoolKind kind = PoolKind::kMax;
  DType dtype = DType::kF32;
  int64_t planes = 1;  // batch times channels
  Window window;
  bool count_include_pad = false;  // average
  int64_t p = 2;                   // lp, at least 1
  bool has_indices = false;        // max
  bool column_major = false;       // max with indices

  bool IsGlobal() const { return window.OutElements() == 1 && window.kernel == window.in; }
  // "max 64 planes 1x112x112 k 1x3x3 ...", for messages and benchmarks.
  std::string ToString() const;
};

// InvalidArgument, Unsupported or ResourceExhausted for a problem that does not make sense, has a
// dtype that no variant takes, or passes a limit. Every variant's make begins with it.
Status CheckPool(const PoolProblem& problem);

KernelCost CostOf(const PoolProblem& problem);

// Best first, the reference last.
std::span<const KernelVariant<PoolProblem>> PoolVariants();

// How far an f32 result may be from the exact one, given `magnitude`, the same pooling of absolute
// values. Zero for max. A sum of n terms errs by at most n u / (1 - n u), u = 2^-24 (Higham,
// Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2).
double PoolErrorBound(const PoolProblem& problem, double magnitude);

#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  MadeKernel make(const PoolProblem& problem, const MakeContext& context);
#include "kernels/pool/pool_variants.inc"
#undef ERGO_KERNEL_VARIANT

}  // namespace ergo

#endif  // ERGO_KERNELS_POOL_POOL_H_
