#include "kernels/move/strided_copy.h"

#include <algorithm>

#include "kernels/base/checked_math.h"
#include "kernels/move/copy_plan.h"
#include "kernels/move/element.h"
#include "kernels/move/variants_cuda.h"

namespace ergo::move {
namespace {

constexpr KernelVariant<StridedCopyProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"strided_copy", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/move/strided_copy_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

StridedCopyProblem StartProblem(DType dtype, const Shape& input, const Shape& output) {
  StridedCopyProblem problem;
  problem.dtype = dtype;
  problem.input = input;
  problem.output = output;
  return problem;
}

}  // namespace

std::span<const KernelVariant<StridedCopyProblem>> StridedCopyVariants() {
  return kVariants;
}

KernelCost CostOf(const StridedCopyProblem& problem) {
  const int64_t written = DTypeBytes(problem.dtype, problem.output.Elements());
  // What is repeated is read once; what is skipped is not read.
  return {0, std::min(written, DTypeBytes(problem.dtype, problem.input.Elements())), written};
}

bool KeepsEveryByte(const StridedCopyProblem& problem) {
  if (problem.input.Elements() != problem.output.Elements()) return false;
  Result<CopyPlan> checked = PlanCopy(problem);
  if (!checked.ok()) return false;
  const CopyPlan plan = Simplify(std::move(checked).value());
  return plan.empty || (plan.axes.empty() && plan.offset_bytes == 0);
}

StridedCopyProblem PlainCopy(DType dtype, const Shape& shape) {
  StridedCopyProblem problem = StartProblem(dtype, shape, shape);
  problem.axes.push_back({shape.Elements(), 1});
  return problem;
}

StridedCopyProblem TransposeCopy(DType dtype, const Shape& input, std::span<const int> perm) {
  Shape output;
  for (const int axis : perm) output.Append(input[axis]);
  StridedCopyProblem problem = StartProblem(dtype, input, output);
  const auto strides = input.RowMajorStrides();
  for (const int axis : perm) {
    problem.axes.push_back({input[axis], strides[static_cast<size_t>(axis)]});
  }
  return problem;
}

StridedCopyProblem SliceCopy(DType dtype, const Shape& input, std::span<const AxisSlice> slices) {
  Shape output;
  for (const AxisSlice& slice : slices) output.Append(slice.count);
  StridedCopyProblem problem = StartProblem(dtype, input, output);
  const auto strides = input.RowMajorStrides();
  for (size_t axis = 0; axis < slices.size(); ++axis) {
    problem.offset += slices[axis].start * strides[axis];
    problem.axes.push_back({slices[axis].count, slices[axis].step * strides[axis]});
  }
  return problem;
}

StridedCopyProblem ExpandCopy(DType dtype, const Shape& input, const Shape& output) {
  StridedCopyProblem problem = StartProblem(dtype, input, output);
  const auto strides = input.RowMajorStrides();
  const int added = output.Rank() - input.Rank();
  for (int axis = 0; axis < output.Rank(); ++axis) {
    const int from = axis - added;
    const bool repeated = from < 0 || input[from] == 1;
    problem.axes.push_back({output[axis], repeated ? 0 : strides[static_cast<size_t>(from)]});
  }
  return problem;
}

StridedCopyProblem TileCopy(DType dtype, const Shape& input, std::span<const int64_t> repeats) {
  Shape output = input;
  for (int axis = 0; axis < input.Rank(); ++axis) {
    output[axis] *= repeats[static_cast<size_t>(axis)];
  }
  StridedCopyProblem problem = StartProblem(dtype, input, output);
  const auto strides = input.RowMajorStrides();
  for (int axis = 0; axis < input.Rank(); ++axis) {
    problem.axes.push_back({repeats[static_cast<size_t>(axis)], 0});
    problem.axes.push_back({input[axis], strides[static_cast<size_t>(axis)]});
  }
  return problem;
}

StridedCopyProblem DepthToSpaceCopy(DType dtype, const Shape& input, int64_t block,
                                    DepthOrder order) {
  const int64_t depth = input[1] / (block * block), height = input[2], width = input[3];
  const int64_t plane = height * width;
  StridedCopyProblem problem =
      StartProblem(dtype, input, Shape{input[0], depth, height * block, width * block});
  const bool dcr = order == DepthOrder::kDcr;
  const CopyAxis batch{input[0], input[1] * plane};
  const CopyAxis channel{depth, dcr ? plane : block * block * plane};
  const CopyAxis block_row{block, dcr ? block * depth * plane : block * plane};
  const CopyAxis block_column{block, dcr ? depth * plane : plane};
  problem.axes = {batch, channel, {height, width}, block_row, {width, 1}, block_column};
  return problem;
}

StridedCopyProblem SpaceToDepthCopy(DType dtype, const Shape& input, int64_t block,
                                    DepthOrder order) {
  const int64_t height = input[2] / block, width = input[3] / block;
  const int64_t plane = input[2] * input[3];
  StridedCopyProblem problem =
      StartProblem(dtype, input, Shape{input[0], input[1] * block * block, height, width});
  const CopyAxis batch{input[0], input[1] * plane}, channel{input[1], plane};
  const CopyAxis block_row{block, input[3]}, block_column{block, 1};
  const CopyAxis row{height, block * input[3]}, column{width, block};
  if (order == DepthOrder::kDcr) {
    problem.axes = {batch, block_row, block_column, channel, row, column};
  } else {
    problem.axes = {batch, channel, block_row, block_column, row, column};
  }
  return problem;
}

Result<CopyPlan> PlanCopy(const StridedCopyProblem& problem) {
  CopyPlan plan;
  ERGO_ASSIGN_OR_RETURN(plan.element_bytes, ElementBytes(problem.dtype));
  int64_t elements = 1, lowest = problem.offset, highest = problem.offset;
  for (const CopyAxis& axis : problem.axes) {
    const auto product = CheckedMul(elements, axis.count);
    const auto reach = CheckedMul(axis.count - 1, axis.stride);
    if (axis.count < 0 || !product || !reach) return InvalidArgument("the copy is too large");
    elements = *product;
    if (axis.count > 0) (*reach < 0 ? lowest : highest) += *reach;
    plan.axes.push_back({axis.count, axis.stride * plan.element_bytes, 0});
  }
  if (elements != problem.output.Elements()) {
    return InvalidArgument("{} elements for an output {}", elements, problem.output.ToString());
  }
  plan.empty = elements == 0;
  if (!plan.empty && (lowest < 0 || highest >= problem.input.Elements())) {
    return InvalidArgument("elements {} to {} of an input {}", lowest, highest,
                           problem.input.ToString());
  }
  plan.offset_bytes = problem.offset * plan.element_bytes;
  int64_t to_stride = plan.element_bytes;
  for (auto axis = plan.axes.rbegin(); axis != plan.axes.rend(); ++axis) {
    axis->to_stride = to_stride;
    to_stride *= axis->count;
  }
  return plan;
}

CopyPlan Simplify(CopyPlan plan) {
  std::vector<PlannedAxis> axes;
  for (const PlannedAxis& axis : plan.axes) {
    if (axis.count == 1) continue;
    // The strides of the output always fit together, so only those of the input decide.
    if (!axes.empty() && axes.back().from_stride == axis.from_stride * axis.count) {
      axes.back() = {axes.back().count * axis.count, axis.from_stride, axis.to_stride};
    } else {
      axes.push_back(axis);
    }
  }
  if (!axes.empty() && axes.back().from_stride == plan.element_bytes) {
    plan.element_bytes *= axes.back().count;
    axes.pop_back();
  }
  plan.axes = std::move(axes);
  return plan;
}

}  // namespace ergo::move
