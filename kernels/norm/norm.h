// Norm: operators that scale elements by what their neighbours are: softmax, and the normalizations
// by mean and variance or by a norm.
//
// Operands are dense and row-major; a problem sees its tensor as [outer, length, inner] or the
// like, whatever the rank. Output 0 may be the memory of input 0; no other overlap is allowed.
//
// Arithmetic: the reference computes in double and rounds once to the dtype. The SIMD variant
// computes float in float, sums as kernels/base/sum-inl.h does, in an order that depends on the
// SIMD width; the functions below bound its error. No result depends on the number of workers.
// Variances are of the population (divided by the count), summed from squared deviations.
#ifndef ERGO_KERNELS_NORM_NORM_H_
#define ERGO_KERNELS_NORM_NORM_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/base/dtype.h"
#include "kernels/base/kernel.h"

namespace ergo {

enum class SoftmaxOp : uint8_t {
  kSoftmax,     // e^x / sum e^x
  kLogSoftmax,  // x - log(sum e^x)
  kHardmax,     // 1 for the first of the largest, 0 for the others
};

// Input 0, output 0: `dtype` [outer, length, inner], floating point, normalized along `length`.
struct SoftmaxProblem {
  SoftmaxOp op = SoftmaxOp::kSoftmax;
  DType dtype = DType::kF32;
  int64_t outer = 1, length = 1, inner = 1;
};

// y = (x - mean) / sqrt(variance + epsilon) * scale + bias, each channel with its own.
// Inputs: 0 x `dtype` [batch, channels, spatial]; 1 scale, 2 bias, 3 mean, 4 variance [channels],
// of any floating-point types. Output 0: as x.
struct BatchNormProblem {
  DType dtype = DType::kF32;
  int64_t batch = 1, channels = 1, spatial = 1;
  float epsilon = 1e-5f;
  DType param_dtype = DType::kF32;    // of scale and bias
  DType moments_dtype = DType::kF32;  // of mean and variance
};

// Each row by its own moments: y = (x - mean) * inv_std * scale + bias with
// inv_std = 1 / sqrt(variance + epsilon); or, for `rms`, y = x / sqrt(mean(x^2) + epsilon) * scale.
// Inputs: 0 x `dtype` [rows, length]; 1 scale `dtype` [length], or absent; 2 bias likewise.
// Outputs: 0 y as x; 1 mean and 2 inv_std, float [rows], or absent (always, for `rms`).
struct LayerNormProblem {
  DType dtype = DType::kF32;
  int64_t rows = 1, length = 1;
  float epsilon = 1e-5f;
  bool rms = false;
};

// Each group of channels of each image by its own moments; InstanceNormalization has as many groups
// as channels. Inputs: 0 x `dtype` [batch, groups, channels_per_group, spatial]; 1 scale and 2 bias
// `dtype` [groups, channels_per_group], or [groups] if `params_per_group`. Output 0: as x.
struct GroupNormProblem {
  DType dtype = DType::kF32;
  int64_t batch = 1, groups = 1, channels_per_group = 1, spatial = 1;
  float epsilon = 1e-5f;
  bool params_per_group = false;
};

// y = x / norm along `length`, with the norm of order p: 1 or 2; 0 where the norm is 0.
// Input 0, output 0: `dtype` [outer, length, inner].
struct LpNormProblem {
  DType dtype = DType::kF32;
  int64_t outer = 1, length = 1, inner = 1;
  int p = 2;
};

// Local response normalization across channels:
// y = x / (bias + alpha / size * sum of x^2 over the channels from c - floor((size - 1) / 2) to
// c + ceil((size - 1) / 2))^beta. Input 0, output 0: `dtype` [batch, channels, spatial]; not in
// place.
struct LrnProblem {
  DType dtype = DType::kF32;
  int64_t batch = 1, channels = 1, spatial = 1;
  int64_t size = 1;
  float alpha = 1e-4f, beta = 0.75f, bias = 1.0f;
};

std::string_view SoftmaxOpName(SoftmaxOp op);

KernelCost CostOf(const SoftmaxProblem& problem);
KernelCost CostOf(const BatchNormProblem& problem);
KernelCost CostOf(const LayerNormProblem& problem);
KernelCost CostOf(const GroupNormProblem& problem);
KernelCost CostOf(const LpNormProblem& problem);
KernelCost CostOf(const LrnProblem& problem);

// |difference| of a variant's f32 result from the exact one, `exact`.
double SoftmaxErrorBound(const SoftmaxProblem& problem, double exact);
// The same for y = (x - mean) * inv_std * scale + bias with the moments of a row of `length`
// elements of absolute value <= `largest`.
double RowNormErrorBound(int64_t length, double largest, double inv_std, double scale, double bias);
// The same where mean and inv_std are given, as for BatchNormProblem.
double AffineErrorBound(double deviation, double inv_std, double scale, double bias);

std::span<const KernelVariant<SoftmaxProblem>> SoftmaxVariants();
std::span<const KernelVariant<BatchNormProblem>> BatchNormVariants();
std::span<const KernelVariant<LayerNormProblem>> LayerNormVariants();
std::span<const KernelVariant<GroupNormProblem>> GroupNormVariants();
std::span<const KernelVariant<LpNormProblem>> LpNormVariants();
std::span<const KernelVariant<LrnProblem>> LrnVariants();

#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make)          \
  MadeKernel make(const SoftmaxProblem& problem, const MakeContext& context);   \
  MadeKernel make(const BatchNormProblem& problem, const MakeContext& context); \
  MadeKernel make(const LayerNormProblem& problem, const MakeContext& context); \
  MadeKernel make(const GroupNormProblem& problem, const MakeContext& context); \
  MadeKernel make(const LpNormProblem& problem, const MakeContext& context);    \
  MadeKernel make(const LrnProblem& problem, const MakeContext& context);
#include "kernels/norm/norm_variants.inc"
#undef ERGO_KERNEL_VARIANT

}  // namespace ergo

#endif  // ERGO_KERNELS_NORM_NORM_H_
