#include "kernels/reduce/reduce_plan.h"

namespace ergo {

ReducePlan PlanReduce(const Shape& input, uint32_t reduced_axes) {
  ReducePlan plan;
  const auto strides = input.RowMajorStrides();
  StridedAxes* previous = nullptr;
  for (int axis = 0; axis < input.Rank(); ++axis) {
    if (input[axis] == 1) continue;
    StridedAxes& axes = (reduced_axes >> axis & 1) != 0 ? plan.reduced : plan.kept;
    if (&axes != previous) ++axes.rank;
    const size_t at = static_cast<size_t>(axes.rank) - 1;
    axes.dims[at] = &axes == previous ? axes.dims[at] * input[axis] : input[axis];
    axes.strides[at] = strides[static_cast<size_t>(axis)];
    axes.count *= input[axis];
    previous = &axes;
  }
  return plan;
}

}  // namespace ergo
