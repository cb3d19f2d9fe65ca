// Strided copies, Concat, Split and Gather on a GPU.
#include "kernels/move/move_cuda.h"

#include <numeric>

#include "kernels/base/checked_math.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/index_plan.h"
#include "kernels/move/concat.h"
#include "kernels/move/copy_plan.h"
#include "kernels/move/element.h"
#include "kernels/move/gather.h"
#include "kernels/move/variants_cuda.h"

namespace ergo::move {
namespace {

using cuda::CopyParameter;
using cuda::kMoveThreads;

// One copy between strided places, in elements.
struct Region {
  int64_t element_bytes = 0;
  std::vector<int64_t> dims;
  std::vector<std::vector<int64_t>> strides{2};  // from, to
  int64_t from_offset = 0, to_offset = 0;
};

// In units as wide as alignment allows: where the innermost axis is dense on both sides.
void Widen(Region& region) {
  constexpr int64_t kWidest = 16;
  std::vector<int64_t>&from = region.strides[0], &to = region.strides[1];
  if (region.dims.empty() || from.back() != 1 || to.back() != 1) return;
  const auto all_even = [&] {
    bool even =
        region.dims.back() % 2 == 0 && region.from_offset % 2 == 0 && region.to_offset % 2 == 0;
    for (size_t axis = 0; axis + 1 < region.dims.size(); ++axis) {
      even = even && from[axis] % 2 == 0 && to[axis] % 2 == 0;
    }
    return even;
  };
  while (region.element_bytes < kWidest && region.dims.back() > 1 && all_even()) {
    region.element_bytes *= 2;
    region.dims.back() /= 2;
    region.from_offset /= 2;
    region.to_offset /= 2;
    for (size_t axis = 0; axis + 1 < region.dims.size(); ++axis) {
      from[axis] /= 2;
      to[axis] /= 2;
    }
  }
}

// A copy as the device does it; `from` and `to` are offsets in bytes until it runs.
struct PlannedCopy {
  CopyParameter parameter;
  int64_t from_bytes = 0, to_bytes = 0;

  void Run(cuda::FunctionHandle function, const void* from, void* to, cuda::Stream& stream) const {
    if (parameter.elements == 0) return;
    CopyParameter bound = parameter;
    bound.from = static_cast<const std::byte*>(from) + from_bytes;
    bound.to = static_cast<std::byte*>(to) + to_bytes;
    stream.Run(function, {CeilDiv(bound.elements, kMoveThreads)}, kMoveThreads, bound);
  }
};

Result<PlannedCopy> PlanRegion(Region region) {
  Widen(region);
  ERGO_ASSIGN_OR_RETURN(const cuda::IndexPlan plan, cuda::PlanIndex(region.dims, region.strides));
  PlannedCopy copy;
  copy.parameter.elements = plan.elements;
  copy.parameter.unit_bytes = static_cast<uint32_t>(region.element_bytes);
  copy.parameter.axes = plan.axes;
  copy.parameter.from_strides = plan.operands[0];
  copy.parameter.to_strides = plan.operands[1];
  copy.from_bytes = region.from_offset * region.element_bytes;
  copy.to_bytes = region.to_offset * region.element_bytes;
  return copy;
}

Result<cuda::FunctionHandle> FindCopy(const MakeContext& context) {
  if (context.gpu == nullptr) return Unsupported("no GPU was given");
  return context.gpu->Find("move", "ergo_copy");
}

class StridedCopyCuda final : public Kernel {
 public:
  StridedCopyCuda(const PlannedCopy& copy, cuda::FunctionHandle function)
      : copy_(copy), function_(function) {}
  void Run(const KernelArgs& args) const override {
    copy_.Run(function_, args.inputs[0].data, args.outputs[0].data, *args.stream);
  }

 private:
  PlannedCopy copy_;
  cuda::FunctionHandle function_;
};

// Concat and Split: a copy for each part, between it and its place in the whole.
class JoiningCuda final : public Kernel {
 public:
  JoiningCuda(std::vector<PlannedCopy> parts, bool split, cuda::FunctionHandle function)
      : parts_(std::move(parts)), split_(split), function_(function) {}
  void Run(const KernelArgs& args) const override {
    for (size_t k = 0; k < parts_.size(); ++k) {
      void* to = args.outputs[split_ ? k : 0].data;
      const void* from = args.inputs[split_ ? 0 : k].data;
      if (to != nullptr) parts_[k].Run(function_, from, to, *args.stream);
    }
  }

 private:
  std::vector<PlannedCopy> parts_;
  bool split_;
  cuda::FunctionHandle function_;
};

MadeKernel MakeJoiningCuda(DType dtype, const Shape& shape, int axis,
                           std::span<const int64_t> sizes, bool split, const MakeContext& context) {
  ERGO_ASSIGN_OR_RETURN(const cuda::FunctionHandle function, FindCopy(context));
  ERGO_ASSIGN_OR_RETURN(const int64_t element_bytes, ElementBytes(dtype));
  const int64_t outer = shape.Elements(0, axis), step = shape.Elements(axis + 1, shape.Rank());
  const int64_t row = std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) * step;
  std::vector<PlannedCopy> parts;
  int64_t begin = 0;
  for (const int64_t size : sizes) {
    Region region;
    region.element_bytes = element_bytes;
    region.dims = {outer, size * step};
    region.strides = {{size * step, 1}, {row, 1}};
    region.to_offset = begin;
    if (split) {
      std::swap(region.strides[0], region.strides[1]);
      std::swap(region.from_offset, region.to_offset);
    }
    begin += size * step;
    ERGO_ASSIGN_OR_RETURN(const PlannedCopy copy, PlanRegion(std::move(region)));
    parts.push_back(copy);
  }
  return MadeKernel(std::make_unique<JoiningCuda>(std::move(parts), split, function));
}

class GatherCuda final : public Kernel {
 public:
  GatherCuda(const cuda::GatherParameter& parameter, cuda::FunctionHandle function)
      : parameter_(parameter), function_(function) {}
  void Run(const KernelArgs& args) const override {
    if (parameter_.elements == 0) return;
    cuda::GatherParameter parameter = parameter_;
    parameter.from = args.inputs[0].data;
    parameter.indices = args.inputs[1].data;
    parameter.to = args.outputs[0].data;
    args.stream->Run(function_, {CeilDiv(parameter.elements, kMoveThreads)}, kMoveThreads,
                     parameter);
  }

 private:
  cuda::GatherParameter parameter_;
  cuda::FunctionHandle function_;
};

}  // namespace

MadeKernel MakeStridedCopyCuda(const StridedCopyProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(PlanCopy(problem).status());
  ERGO_ASSIGN_OR_RETURN(const cuda::FunctionHandle function, FindCopy(context));
  Region region;
  ERGO_ASSIGN_OR_RETURN(region.element_bytes, ElementBytes(problem.dtype));
  region.from_offset = problem.offset;
  int64_t to = problem.output.Elements();
  if (to == 0) region.from_offset = 0;
  for (const CopyAxis& axis : problem.axes) {
    to = axis.count == 0 ? 0 : to / axis.count;
    region.dims.push_back(axis.count);
    region.strides[0].push_back(axis.stride);
    region.strides[1].push_back(to);
  }
  ERGO_ASSIGN_OR_RETURN(const PlannedCopy copy, PlanRegion(std::move(region)));
  return MadeKernel(std::make_unique<StridedCopyCuda>(copy, function));
}

MadeKernel MakeConcatCuda(const ConcatProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckConcat(problem));
  std::vector<int64_t> sizes;
  for (const Shape& input : problem.inputs) sizes.push_back(input[problem.axis]);
  return MakeJoiningCuda(problem.dtype, problem.inputs[0], problem.axis, sizes, false, context);
}

MadeKernel MakeSplitCuda(const SplitProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckSplit(problem));
  return MakeJoiningCuda(problem.dtype, problem.input, problem.axis, problem.sizes, true, context);
}

MadeKernel MakeGatherCuda(const GatherProblem& problem, const MakeContext& context) {
  if (context.gpu == nullptr) return Unsupported("no GPU was given");
  constexpr int64_t kMostElements = int64_t{1} << 31;
  constexpr int64_t kWidest = 16;
  ERGO_ASSIGN_OR_RETURN(const cuda::FunctionHandle function,
                        context.gpu->Find("move", "ergo_gather"));
  ERGO_ASSIGN_OR_RETURN(int64_t unit_bytes, ElementBytes(problem.dtype));
  ERGO_RETURN_IF_ERROR(CheckIndexType(problem.index_dtype));
  const Shape& data = problem.data;
  if (problem.axis < 0 || problem.axis >= data.Rank()) {
    return InvalidArgument("axis {} of {}", problem.axis, data.ToString());
  }
  int64_t run = data.Elements(problem.axis + 1, data.Rank());
  while (run > 1 && run % 2 == 0 && unit_bytes < kWidest) {
    run /= 2;
    unit_bytes *= 2;
  }
  const int64_t count = problem.indices.Elements();
  const int64_t outer = data.Elements(0, problem.axis);
  if (SaturatingProduct({outer, count, run}) >= kMostElements ||
      SaturatingProduct({outer, data[problem.axis]}) >= kMostElements) {
    return Unsupported("gather of {} x {} x {} needs 64-bit indices", outer, count, run);
  }
  cuda::GatherParameter parameter;
  parameter.elements = static_cast<uint32_t>(outer * count * run);
  parameter.unit_bytes = static_cast<uint32_t>(unit_bytes);
  parameter.dim = static_cast<uint32_t>(data[problem.axis]);
  parameter.wide_indices = problem.index_dtype == DType::kI64;
  if (parameter.elements > 0) {
    parameter.count = cuda::FastDivide::By(static_cast<uint32_t>(count));
    parameter.run = cuda::FastDivide::By(static_cast<uint32_t>(run));
  }
  return MadeKernel(std::make_unique<GatherCuda>(parameter, function));
}

}  // namespace ergo::move
