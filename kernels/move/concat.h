// Concat and Split: joining tensors along an axis, and cutting one into parts.
//
//   Concat: output[..., i, ...] = inputs[k][..., i - start_k, ...]   start_k the sizes before input
//   k Split:  output_k[..., i, ...] = input[..., start_k + i, ...]
//
// Operands of Concat: inputs {x0 .. xn-1 [problem.inputs]}, outputs {y}; of Split: inputs {x
// [problem.input]}, outputs {y0 .. yn-1}, of which any may be absent. All of problem.dtype, any
// type of at least 8 bits; sizes along the axis may be 0. No output may overlap an input.
// Arithmetic: none, so all variants give the same bytes.
// Thread safety: as every Kernel.
#ifndef ERGO_KERNELS_MOVE_CONCAT_H_
#define ERGO_KERNELS_MOVE_CONCAT_H_

#include <span>
#include <vector>

#include "kernels/base/kernel.h"

namespace ergo::move {

struct ConcatProblem {
  DType dtype = DType::kUndefined;
  std::vector<Shape> inputs;  // equal but for the dimension `axis`
  int axis = 0;
};

struct SplitProblem {
  DType dtype = DType::kUndefined;
  Shape input;
  int axis = 0;
  std::vector<int64_t> sizes;  // add up to input[axis]
};

std::span<const KernelVariant<ConcatProblem>> ConcatVariants();
std::span<const KernelVariant<SplitProblem>> SplitVariants();

KernelCost CostOf(const ConcatProblem& problem);
KernelCost CostOf(const SplitProblem& problem);

}  // namespace ergo::move

#endif  // ERGO_KERNELS_MOVE_CONCAT_H_
