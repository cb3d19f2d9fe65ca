// Small operators that place elements by simple rules: OneHot, Trilu and ReverseSequence.
//
//   OneHot:           y[a.., d, b..] = d == indices[a.., b..] ? on : off, the new axis of `depth`
//   Trilu:            y[.., i, j] = x[.., i, j] where j - i >= k (upper) or <= k (lower), else 0
//   ReverseSequence:  y[b, t, ..] = x[b, t < n ? n - 1 - t : t, ..] with n = lengths[b]; b and t
//   are
//                     the batch axis and the time axis, which are axes 0 and 1 in either order
//
// Operands of OneHot: inputs {indices of any real type, values [2] = {off, on} of problem.dtype},
// outputs {y}; indices count from the end when negative, those outside give a row of off, fractions
// are cut off. Of Trilu: inputs {x}, outputs {y}, which may be the same memory. Of ReverseSequence:
// inputs {x, lengths [batch] int64}, outputs {y}; lengths are clamped to the time axis.
// problem.dtype is any type of at least 8 bits.
// Arithmetic: none.
// Thread safety: as every Kernel.
#ifndef ERGO_KERNELS_MOVE_ARRANGE_H_
#define ERGO_KERNELS_MOVE_ARRANGE_H_

#include <span>

#include "kernels/base/kernel.h"

namespace ergo::move {

struct OneHotProblem {
  DType dtype = DType::kUndefined;
  DType index_dtype = DType::kI64;
  Shape indices;
  int axis = 0;  // of the result: [0, rank of indices]
  int64_t depth = 0;
};

struct TriluProblem {
  DType dtype = DType::kUndefined;
  Shape shape;  // at least a matrix
  int64_t k = 0;
  bool upper = true;
};

struct ReverseSequenceProblem {
  DType dtype = DType::kUndefined;
  Shape shape;
  int time_axis = 0;  // 0 or 1; the batch axis is the other one
};

std::span<const KernelVariant<OneHotProblem>> OneHotVariants();
std::span<const KernelVariant<TriluProblem>> TriluVariants();
std::span<const KernelVariant<ReverseSequenceProblem>> ReverseSequenceVariants();

KernelCost CostOf(const OneHotProblem& problem);
KernelCost CostOf(const TriluProblem& problem);
KernelCost CostOf(const ReverseSequenceProblem& problem);

}  // namespace ergo::move

#endif  // ERGO_KERNELS_MOVE_ARRANGE_H_
