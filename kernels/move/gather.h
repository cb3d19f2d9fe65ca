// Gather, GatherElements and GatherND: elements picked by index tensors.
//
//   Gather:          y[a.., q.., b..] = data[a.., indices[q..], b..]       a: axes before `axis`
//   GatherElements:  y[c..] = data[c.. with c[axis] = indices[c..]]
//   GatherND:        y[b.., q.., r..] = data[b.., indices[b.., q..][0], [1], .., r..]
//
// Operands: inputs {data [problem.data], indices [problem.indices]}, outputs {y}. Data of any type
// of at least 8 bits, indices int32 or int64. The output must not overlap an input. Indices count
// from the end when negative. An index outside the dimension is a mistake in a request's data that
// a run cannot report: its elements of the result are 0. Arithmetic: none, so all variants give the
// same bytes. Thread safety: as every Kernel.
#ifndef ERGO_KERNELS_MOVE_GATHER_H_
#define ERGO_KERNELS_MOVE_GATHER_H_

#include <span>

#include "kernels/base/kernel.h"

namespace ergo::move {

struct GatherProblem {
  DType dtype = DType::kUndefined;
  DType index_dtype = DType::kI64;
  Shape data;
  Shape indices;
  int axis = 0;
};

struct GatherElementsProblem {
  DType dtype = DType::kUndefined;
  DType index_dtype = DType::kI64;
  Shape data;
  Shape indices;  // of the data's rank; no dimension but `axis` larger than the data's
  int axis = 0;
};

struct GatherNdProblem {
  DType dtype = DType::kUndefined;
  DType index_dtype = DType::kI64;
  Shape data;
  Shape indices;  // the last dimension is the length of an index
  int batch_dims = 0;
};

std::span<const KernelVariant<GatherProblem>> GatherVariants();
std::span<const KernelVariant<GatherElementsProblem>> GatherElementsVariants();
std::span<const KernelVariant<GatherNdProblem>> GatherNdVariants();

KernelCost CostOf(const GatherProblem& problem);
KernelCost CostOf(const GatherElementsProblem& problem);
KernelCost CostOf(const GatherNdProblem& problem);

}  // namespace ergo::move

#endif  // ERGO_KERNELS_MOVE_GATHER_H_
