#include "kernels/move/gather.h"

#include <array>
#include <cstring>

#include "kernels/base/parallel_ranges.h"
#include "kernels/move/element.h"
#include "kernels/move/variants_cuda.h"

namespace ergo::move {
namespace {

// Data as [outer][dim][run of bytes], result as [outer][count][run of bytes].
struct GatherLayout {
  int64_t element_bytes = 0;
  int64_t outer = 0, dim = 0, run = 0, count = 0;
};

Result<GatherLayout> LayoutOf(const GatherProblem& problem) {
  GatherLayout layout;
  ERGO_ASSIGN_OR_RETURN(layout.element_bytes, ElementBytes(problem.dtype));
  ERGO_RETURN_IF_ERROR(CheckIndexType(problem.index_dtype));
  const Shape& data = problem.data;
  if (problem.axis < 0 || problem.axis >= data.Rank()) {
    return InvalidArgument("axis {} of {}", problem.axis, data.ToString());
  }
  layout.outer = data.Elements(0, problem.axis);
  layout.dim = data[problem.axis];
  layout.run = data.Elements(problem.axis + 1, data.Rank()) * layout.element_bytes;
  layout.count = problem.indices.Elements();
  return layout;
}

template <size_t kRun>
void GatherFixed(const std::byte* from, const IndexReader& indices, int64_t begin, int64_t end,
                 int64_t dim, std::byte* to) {
  constexpr auto kStep = static_cast<int64_t>(kRun);
  for (int64_t i = begin; i < end; ++i, to += kStep) {
    const int64_t index = WrapIndex(indices[i], dim);
    if (index < 0) {
      std::memset(to, 0, kRun);
    } else {
      std::memcpy(to, from + index * kStep, kRun);
    }
  }
}

void GatherRuns(const std::byte* from, const IndexReader& indices, int64_t begin, int64_t end,
                const GatherLayout& layout, std::byte* to) {
  switch (layout.run) {
    case 1: return GatherFixed<1>(from, indices, begin, end, layout.dim, to);
    case 2: return GatherFixed<2>(from, indices, begin, end, layout.dim, to);
    case 4: return GatherFixed<4>(from, indices, begin, end, layout.dim, to);
    case 8: return GatherFixed<8>(from, indices, begin, end, layout.dim, to);
    default: break;
  }
  for (int64_t i = begin; i < end; ++i, to += layout.run) {
    const int64_t index = WrapIndex(indices[i], layout.dim);
    if (index < 0) {
      std::memset(to, 0, static_cast<size_t>(layout.run));
    } else {
      std::memcpy(to, from + index * layout.run, static_cast<size_t>(layout.run));
    }
  }
}

class RowsGather final : public Kernel {
 public:
  explicit RowsGather(const GatherLayout& layout) : layout_(layout) {}

  void Run(const KernelArgs& args) const override {
    const IndexReader indices(args.inputs[1]);
    const auto* from = static_cast<const std::byte*>(args.inputs[0].data);
    auto* to = static_cast<std::byte*>(args.outputs[0].data);
    const int64_t count = layout_.count, run = layout_.run;
    if (run == 0) return;
    ParallelRanges(args.parallel, layout_.outer * count, GrainFor(run),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t item = begin; item < end;) {
                       const int64_t outer = item / count, first = item % count;
                       const int64_t last = std::min(count, first + end - item);
                       GatherRuns(from + outer * layout_.dim * run, indices, first, last, layout_,
                                  to + item * run);
                       item += last - first;
                     }
                   });
  }

 private:
  GatherLayout layout_;
};

class ReferenceGather final : public Kernel {
 public:
  explicit ReferenceGather(const GatherLayout& layout) : layout_(layout) {}

  void Run(const KernelArgs& args) const override {
    const IndexReader indices(args.inputs[1]);
    const auto* from = static_cast<const std::byte*>(args.inputs[0].data);
    auto* to = static_cast<std::byte*>(args.outputs[0].data);
    for (int64_t outer = 0; outer < layout_.outer; ++outer) {
      for (int64_t i = 0; i < layout_.count; ++i) {
        const int64_t index = WrapIndex(indices[i], layout_.dim);
        for (int64_t byte = 0; byte < layout_.run; ++byte) {
          *to++ =
              index < 0 ? std::byte{0} : from[(outer * layout_.dim + index) * layout_.run + byte];
        }
      }
    }
  }

 private:
  GatherLayout layout_;
};

class GatherElementsKernel final : public Kernel {
 public:
  GatherElementsKernel(const GatherElementsProblem& problem, int64_t element_bytes)
      : problem_(problem), element_bytes_(element_bytes) {}

  void Run(const KernelArgs& args) const override {
    const IndexReader indices(args.inputs[1]);
    const auto* from = static_cast<const std::byte*>(args.inputs[0].data);
    auto* to = static_cast<std::byte*>(args.outputs[0].data);
    const Shape& shape = problem_.indices;
    const auto strides = problem_.data.RowMajorStrides();
    const auto axis_stride = strides[static_cast<size_t>(problem_.axis)];
    ParallelRanges(args.parallel, shape.Elements(), GrainFor(element_bytes_),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end; ++i) {
                       int64_t rest = i, place = 0;
                       for (int axis = shape.Rank() - 1; axis >= 0; --axis) {
                         if (axis != problem_.axis)
                           place += rest % shape[axis] * strides[static_cast<size_t>(axis)];
                         rest /= shape[axis];
                       }
                       const int64_t index = WrapIndex(indices[i], problem_.data[problem_.axis]);
                       std::byte* element = to + i * element_bytes_;
                       if (index < 0) {
                         std::memset(element, 0, static_cast<size_t>(element_bytes_));
                       } else {
                         std::memcpy(element, from + (place + index * axis_stride) * element_bytes_,
                                     static_cast<size_t>(element_bytes_));
                       }
                     }
                   });
  }

 private:
  GatherElementsProblem problem_;
  int64_t element_bytes_;
};

class GatherNdKernel final : public Kernel {
 public:
  GatherNdKernel(const GatherNdProblem& problem, int64_t element_bytes) : problem_(problem) {
    const Shape &data = problem.data, &indices = problem.indices;
    const int batch = problem.batch_dims;
    tuple_ = static_cast<int>(indices[indices.Rank() - 1]);
    rows_ = indices.Elements(0, indices.Rank() - 1);
    rows_per_batch_ = indices.Elements(batch, indices.Rank() - 1);
    batch_bytes_ = data.Elements(batch, data.Rank()) * element_bytes;
    run_ = data.Elements(batch + tuple_, data.Rank()) * element_bytes;
    for (int k = 0; k < tuple_; ++k) {
      strides_[static_cast<size_t>(k)] = data.Elements(batch + k + 1, data.Rank()) * element_bytes;
    }
  }

  void Run(const KernelArgs& args) const override {
    const IndexReader indices(args.inputs[1]);
    const auto* from = static_cast<const std::byte*>(args.inputs[0].data);
    auto* to = static_cast<std::byte*>(args.outputs[0].data);
    if (run_ == 0) return;
    ParallelRanges(args.parallel, rows_, GrainFor(run_), [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row) {
        int64_t place = row / rows_per_batch_ * batch_bytes_;
        bool inside = true;
        for (int k = 0; k < tuple_; ++k) {
          const int64_t index =
              WrapIndex(indices[row * tuple_ + k], problem_.data[problem_.batch_dims + k]);
          inside = inside && index >= 0;
          place += index * strides_[static_cast<size_t>(k)];
        }
        if (inside) {
          std::memcpy(to + row * run_, from + place, static_cast<size_t>(run_));
        } else {
          std::memset(to + row * run_, 0, static_cast<size_t>(run_));
        }
      }
    });
  }

 private:
  GatherNdProblem problem_;
  int tuple_ = 0;
  int64_t rows_ = 0, rows_per_batch_ = 0, batch_bytes_ = 0, run_ = 0;
  std::array<int64_t, kMaxRank> strides_{};
};

template <typename KernelType>
MadeKernel MakeGather(const GatherProblem& problem, const MakeContext&) {
  ERGO_ASSIGN_OR_RETURN(const GatherLayout layout, LayoutOf(problem));
  return MadeKernel(std::make_unique<KernelType>(layout));
}

MadeKernel MakeReferenceGatherElements(const GatherElementsProblem& problem, const MakeContext&) {
  ERGO_ASSIGN_OR_RETURN(const int64_t element_bytes, ElementBytes(problem.dtype));
  ERGO_RETURN_IF_ERROR(CheckIndexType(problem.index_dtype));
  const Shape &data = problem.data, &indices = problem.indices;
  bool fits = data.Rank() == indices.Rank() && problem.axis >= 0 && problem.axis < data.Rank();
  for (int axis = 0; fits && axis < data.Rank(); ++axis) {
    fits = axis == problem.axis || indices[axis] <= data[axis];
  }
  if (!fits) {
    return InvalidArgument("indices {} into {} along axis {}", indices.ToString(), data.ToString(),
                           problem.axis);
  }
  return MadeKernel(std::make_unique<GatherElementsKernel>(problem, element_bytes));
}

MadeKernel MakeReferenceGatherNd(const GatherNdProblem& problem, const MakeContext&) {
  ERGO_ASSIGN_OR_RETURN(const int64_t element_bytes, ElementBytes(problem.dtype));
  ERGO_RETURN_IF_ERROR(CheckIndexType(problem.index_dtype));
  const Shape &data = problem.data, &indices = problem.indices;
  const int batch = problem.batch_dims;
  bool fits = batch >= 0 && batch < indices.Rank() && batch < data.Rank() &&
              indices[indices.Rank() - 1] <= data.Rank() - batch;
  for (int axis = 0; fits && axis < batch; ++axis) fits = indices[axis] == data[axis];
  if (!fits) {
    return InvalidArgument("indices {} into {} with batch_dims {}", indices.ToString(),
                           data.ToString(), batch);
  }
  return MadeKernel(std::make_unique<GatherNdKernel>(problem, element_bytes));
}

constexpr KernelVariant<GatherProblem> kGatherVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"gather", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/move/gather_variants.inc"
#undef ERGO_KERNEL_VARIANT
};
constexpr KernelVariant<GatherElementsProblem> kGatherElementsVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"gather_elements", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/move/gather_elements_variants.inc"
#undef ERGO_KERNEL_VARIANT
};
constexpr KernelVariant<GatherNdProblem> kGatherNdVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"gather_nd", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/move/gather_nd_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

KernelCost CostOfPicking(DType dtype, DType index_dtype, int64_t picked, int64_t indices) {
  const int64_t bytes = DTypeBytes(dtype, picked);
  return {0, bytes + DTypeBytes(index_dtype, indices), bytes};
}

}  // namespace

std::span<const KernelVariant<GatherProblem>> GatherVariants() {
  return kGatherVariants;
}
std::span<const KernelVariant<GatherElementsProblem>> GatherElementsVariants() {
  return kGatherElementsVariants;
}
std::span<const KernelVariant<GatherNdProblem>> GatherNdVariants() {
  return kGatherNdVariants;
}

KernelCost CostOf(const GatherProblem& problem) {
  const Shape& data = problem.data;
  const int64_t indices = problem.indices.Elements();
  return CostOfPicking(
      problem.dtype, problem.index_dtype,
      data.Elements(0, problem.axis) * indices * data.Elements(problem.axis + 1, data.Rank()),
      indices);
}

KernelCost CostOf(const GatherElementsProblem& problem) {
  const int64_t indices = problem.indices.Elements();
  return CostOfPicking(problem.dtype, problem.index_dtype, indices, indices);
}

KernelCost CostOf(const GatherNdProblem& problem) {
  const Shape& indices = problem.indices;
  const auto tuple = static_cast<int>(indices[indices.Rank() - 1]);
  const int64_t run = problem.data.Elements(problem.batch_dims + tuple, problem.data.Rank());
  return CostOfPicking(problem.dtype, problem.index_dtype,
                       indices.Elements(0, indices.Rank() - 1) * run, indices.Elements());
}

}  // namespace ergo::move
