// Sorting: the k largest or smallest elements along an axis. ONNX TopK.
//
// Operands are dense and row-major: input 0 is `dtype` [outer, extent, inner]; output 0 the values,
// `dtype` [outer, k, inner]; output 1 their positions along the axis, int64 of the same shape.
// Always sorted (the standard leaves the order open when `sorted` is 0). Of equal elements the one
// at the lower position comes first; NaN counts as larger than every number. Results do not depend
// on the number of workers.
#ifndef ERGO_KERNELS_SORT_SORT_H_
#define ERGO_KERNELS_SORT_SORT_H_

#include <span>

#include "kernels/base/kernel.h"

namespace ergo {

struct TopKProblem {
  DType dtype = DType::kF32;
  int64_t outer = 0, extent = 0, inner = 0;
  int64_t k = 0;  // at most extent: InvalidArgument otherwise
  bool largest = true;
};

KernelCost CostOf(const TopKProblem& problem);
std::span<const KernelVariant<TopKProblem>> TopKVariants();

}  // namespace ergo

#endif  // ERGO_KERNELS_SORT_SORT_H_
