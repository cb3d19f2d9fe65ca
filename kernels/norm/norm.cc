#include "kernels/norm/norm.h"

#include <cmath>

#include "kernels/base/sum_error.h"

namespace ergo {
namespace {

template <typename Problem>
std::span<const KernelVariant<Problem>> Variants() {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"norm", #name, Device::device, dtypes, layout, needs}, make},
  static constexpr KernelVariant<Problem> kVariants[] = {
#include "kernels/norm/norm_variants.inc"
  };
#undef ERGO_KERNEL_VARIANT
  return kVariants;
}

// x is read and y written once, and `parameters` numbers are read.
KernelCost Cost(DType dtype, int64_t elements, int64_t flops_per_element, int64_t parameters) {
  return {elements * flops_per_element, DTypeBytes(dtype, elements + parameters),
          DTypeBytes(dtype, elements)};
}

}  // namespace

std::string_view SoftmaxOpName(SoftmaxOp op) {
  switch (op) {
    case SoftmaxOp::kSoftmax: return "Softmax";
    case SoftmaxOp::kLogSoftmax: return "LogSoftmax";
    case SoftmaxOp::kHardmax: return "Hardmax";
  }
  return "?";
}

// Operations an element: compare, subtract, exp, add, scale.
KernelCost CostOf(const SoftmaxProblem& problem) {
  return Cost(problem.dtype, problem.outer * problem.length * problem.inner, 5, 0);
}

// One multiply-add.
KernelCost CostOf(const BatchNormProblem& problem) {
  return Cost(problem.dtype, problem.batch * problem.channels * problem.spatial, 2,
              4 * problem.channels);
}

// Sum, deviation, its square and sum, scale and shift.
KernelCost CostOf(const LayerNormProblem& problem) {
  return Cost(problem.dtype, problem.rows * problem.length, problem.rms ? 4 : 7,
              2 * problem.length);
}

KernelCost CostOf(const GroupNormProblem& problem) {
  const int64_t channels = problem.groups * problem.channels_per_group;
  return Cost(problem.dtype, problem.batch * channels * problem.spatial, 7, 2 * channels);
}

KernelCost CostOf(const LpNormProblem& problem) {
  return Cost(problem.dtype, problem.outer * problem.length * problem.inner, 3, 0);
}

// Squares of the window, their sum, one power and one division.
KernelCost CostOf(const LrnProblem& problem) {
  return Cost(problem.dtype, problem.batch * problem.channels * problem.spatial,
              2 * problem.size + 4, 0);
}

// exp is off by 2 ulp and, its argument having been rounded, by that argument times 2^-24, of which
// the result's smallness leaves at most 2^-24 / e.
double SoftmaxErrorBound(const SoftmaxProblem& problem, double exact) {
  const double terms = SumTerms(problem.length) + 10;
  if (problem.op == SoftmaxOp::kLogSoftmax) return 0x1p-24 * (terms + 3 * std::fabs(exact));
  return 0x1p-24 * (terms * std::fabs(exact) + 1);
}

double RowNormErrorBound(int64_t length, double largest, double inv_std, double scale,
                         double bias) {
  const double terms = SumTerms(length) + 10;
  return 0x1p-24 * (2 * terms * largest * inv_std * std::fabs(scale) + std::fabs(bias));
}

double AffineErrorBound(double deviation, double inv_std, double scale, double bias) {
  return 0x1p-22 * (std::fabs(deviation * inv_std * scale) + std::fabs(bias));
}

std::span<const KernelVariant<SoftmaxProblem>> SoftmaxVariants() {
  return Variants<SoftmaxProblem>();
}
std::span<const KernelVariant<BatchNormProblem>> BatchNormVariants() {
  return Variants<BatchNormProblem>();
}
std::span<const KernelVariant<LayerNormProblem>> LayerNormVariants() {
  return Variants<LayerNormProblem>();
}
std::span<const KernelVariant<GroupNormProblem>> GroupNormVariants() {
  return Variants<GroupNormProblem>();
}
std::span<const KernelVariant<LpNormProblem>> LpNormVariants() {
  return Variants<LpNormProblem>();
}
std::span<const KernelVariant<LrnProblem>> LrnVariants() {
  return Variants<LrnProblem>();
}

}  // namespace ergo
