// CopyPlan: a checked StridedCopyProblem in bytes, and in its simplest form. Shared by the variants
// of strided copy only.
#ifndef ERGO_KERNELS_MOVE_COPY_PLAN_H_
#define ERGO_KERNELS_MOVE_COPY_PLAN_H_

#include <vector>

#include "kernels/move/strided_copy.h"

namespace ergo::move {

MadeKernel MakeReferenceStridedCopy(const StridedCopyProblem& problem, const MakeContext& context);
MadeKernel MakeBlockedStridedCopy(const StridedCopyProblem& problem, const MakeContext& context);

struct PlannedAxis {
  int64_t count = 1;
  int64_t from_stride = 0;  // bytes
  int64_t to_stride = 0;
};

struct CopyPlan {
  int64_t element_bytes = 0;
  int64_t offset_bytes = 0;
  std::vector<PlannedAxis> axes;  // outermost first
  bool empty = false;             // nothing to copy
};

// InvalidArgument when the problem would read outside the input or its counts do not make the
// output.
Result<CopyPlan> PlanCopy(const StridedCopyProblem& problem);

// Drops axes of one step, merges axes that one longer axis describes as well, and takes a
// contiguous innermost axis into the element, which then is a longer run of bytes.
CopyPlan Simplify(CopyPlan plan);

}  // namespace ergo::move

#endif  // ERGO_KERNELS_MOVE_COPY_PLAN_H_
