// ScatterElements and ScatterND: a copy of data with elements replaced by, or combined with,
// updates.
//
//   ScatterElements:  y[c.. with c[axis] = indices[c..]] <- updates[c..]
//   ScatterND:        y[indices[q..][0], [1], .., r..]   <- updates[q.., r..]
//
// in the row-major order of the updates, so that of several updates of one element the last one
// replaces the others, and sums are added up in a fixed order.
//
// Operands: inputs {data [problem.data], indices [problem.indices], updates}, outputs {y
// [problem.data]}. Data and updates of any type of at least 8 bits; to combine them, of a
// floating-point or integer type. Indices int32 or int64. y may be the memory of data.
// Indices count from the end when negative. An index outside the dimension is a mistake in a
// request's data that a run cannot report: its update is left out.
// Arithmetic: integers wrap around; 16-bit floats are widened and rounded for every update; min and
// max pass NaN on.
// Thread safety: as every Kernel.
#ifndef ERGO_KERNELS_MOVE_SCATTER_H_
#define ERGO_KERNELS_MOVE_SCATTER_H_

#include <span>

#include "kernels/base/kernel.h"

namespace ergo::move {

enum class ScatterReduction : uint8_t { kNone, kAdd, kMul, kMin, kMax };

struct ScatterElementsProblem {
  DType dtype = DType::kUndefined;
  DType index_dtype = DType::kI64;
  Shape data;
  Shape indices;  // also of the updates; of the data's rank, no dimension but `axis` larger
  int axis = 0;
  ScatterReduction reduction = ScatterReduction::kNone;
};

struct ScatterNdProblem {
  DType dtype = DType::kUndefined;
  DType index_dtype = DType::kI64;
  Shape data;
  Shape indices;  // the last dimension is the length of an index
  Shape updates;  // indices without it, then the data's dimensions that an index leaves open
  ScatterReduction reduction = ScatterReduction::kNone;
};

std::span<const KernelVariant<ScatterElementsProblem>> ScatterElementsVariants();
std::span<const KernelVariant<ScatterNdProblem>> ScatterNdVariants();

KernelCost CostOf(const ScatterElementsProblem& problem);
KernelCost CostOf(const ScatterNdProblem& problem);

}  // namespace ergo::move

#endif  // ERGO_KERNELS_MOVE_SCATTER_H_
