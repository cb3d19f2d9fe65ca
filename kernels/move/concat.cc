#include "kernels/move/concat.h"

#include <cstring>

#include "kernels/base/parallel_ranges.h"
#include "kernels/move/element.h"
#include "kernels/move/variants_cuda.h"

namespace ergo::move {
namespace {

// The whole tensor as [outer][rows of `row_bytes`]; part k owns bytes [starts[k], starts[k + 1]) of
// each row.
struct Layout {
  int64_t outer = 1;
  int64_t element_bytes = 0;
  std::vector<int64_t> starts{0};
  int64_t RowBytes() const { return starts.back(); }
  int64_t PartBytes(size_t k) const { return starts[k + 1] - starts[k]; }
};

Result<Layout> MakeLayout(DType dtype, const Shape& shape, int axis,
                          std::span<const int64_t> sizes) {
  Layout layout;
  ERGO_ASSIGN_OR_RETURN(layout.element_bytes, ElementBytes(dtype));
  if (axis < 0 || axis >= shape.Rank()) {
    return InvalidArgument("axis {} of {}", axis, shape.ToString());
  }
  layout.outer = shape.Elements(0, axis);
  const int64_t step_bytes = shape.Elements(axis + 1, shape.Rank()) * layout.element_bytes;
  for (const int64_t size : sizes) layout.starts.push_back(layout.RowBytes() + size * step_bytes);
  return layout;
}

Result<Layout> LayoutOf(const ConcatProblem& problem) {
  if (problem.inputs.empty()) return InvalidArgument("nothing to concatenate");
  std::vector<int64_t> sizes;
  for (const Shape& input : problem.inputs) {
    if (input.Rank() <= problem.axis) {
      return InvalidArgument("axis {} of {}", problem.axis, input.ToString());
    }
    Shape like_first = input;
    like_first[problem.axis] = problem.inputs[0][problem.axis];
    if (!(like_first == problem.inputs[0])) {
      return InvalidArgument("{} and {} do not join along axis {}", problem.inputs[0].ToString(),
                             input.ToString(), problem.axis);
    }
    sizes.push_back(input[problem.axis]);
  }
  return MakeLayout(problem.dtype, problem.inputs[0], problem.axis, sizes);
}

Result<Layout> LayoutOf(const SplitProblem& problem) {
  int64_t total = 0;
  for (const int64_t size : problem.sizes) total += size;
  ERGO_ASSIGN_OR_RETURN(Layout layout,
                        MakeLayout(problem.dtype, problem.input, problem.axis, problem.sizes));
  if (total != problem.input[problem.axis]) {
    return InvalidArgument("parts of {} elements for {}", total, problem.input.ToString());
  }
  return layout;
}

class Joining : public Kernel {
 protected:
  explicit Joining(Layout layout) : layout_(std::move(layout)) {}
  size_t Parts() const { return layout_.starts.size() - 1; }
  const Layout layout_;
};

class RunsConcat final : public Joining {
 public:
  explicit RunsConcat(Layout layout) : Joining(std::move(layout)) {}
  void Run(const KernelArgs& args) const override {
    auto* to = static_cast<std::byte*>(args.outputs[0].data);
    const int64_t row = layout_.RowBytes();
    ParallelRanges(args.parallel, layout_.outer, GrainFor(row),
                   [&](int64_t begin, int64_t end, int) {
                     for (size_t k = 0; k < Parts(); ++k) {
                       const int64_t bytes = layout_.PartBytes(k);
                       const auto* from = static_cast<const std::byte*>(args.inputs[k].data);
                       if (bytes == 0) continue;
                       CopyRuns(from + begin * bytes, bytes, to + begin * row + layout_.starts[k],
                                row, bytes, end - begin);
                     }
                   });
  }
};

class RunsSplit final : public Joining {
 public:
  explicit RunsSplit(Layout layout) : Joining(std::move(layout)) {}
  void Run(const KernelArgs& args) const override {
    const auto* from = static_cast<const std::byte*>(args.inputs[0].data);
    const int64_t row = layout_.RowBytes();
    ParallelRanges(args.parallel, layout_.outer, GrainFor(row),
                   [&](int64_t begin, int64_t end, int) {
                     for (size_t k = 0; k < Parts(); ++k) {
                       const int64_t bytes = layout_.PartBytes(k);
                       auto* to = static_cast<std::byte*>(args.outputs[k].data);
                       if (to == nullptr || bytes == 0) continue;
                       CopyRuns(from + begin * row + layout_.starts[k], row, to + begin * bytes,
                                bytes, bytes, end - begin);
                     }
                   });
  }
};

// Calls visit(k, i, j) for every element: byte offset i within part k is byte offset j of the
// whole.
template <typename Visit>
void ForElements(const Layout& layout, const Visit& visit) {
  for (int64_t row = 0; row < layout.outer; ++row) {
    for (size_t k = 0; k + 1 < layout.starts.size(); ++k) {
      const int64_t bytes = layout.PartBytes(k);
      for (int64_t i = 0; i < bytes; i += layout.element_bytes) {
        visit(k, row * bytes + i, row * layout.RowBytes() + layout.starts[k] + i);
      }
    }
  }
}

class ReferenceConcat final : public Joining {
 public:
  explicit ReferenceConcat(Layout layout) : Joining(std::move(layout)) {}
  void Run(const KernelArgs& args) const override {
    ForElements(layout_, [&](size_t k, int64_t part, int64_t whole) {
      std::memcpy(static_cast<std::byte*>(args.outputs[0].data) + whole,
                  static_cast<const std::byte*>(args.inputs[k].data) + part,
                  static_cast<size_t>(layout_.element_bytes));
    });
  }
};

class ReferenceSplit final : public Joining {
 public:
  explicit ReferenceSplit(Layout layout) : Joining(std::move(layout)) {}
  void Run(const KernelArgs& args) const override {
    ForElements(layout_, [&](size_t k, int64_t part, int64_t whole) {
      if (args.outputs[k].data == nullptr) return;
      std::memcpy(static_cast<std::byte*>(args.outputs[k].data) + part,
                  static_cast<const std::byte*>(args.inputs[0].data) + whole,
                  static_cast<size_t>(layout_.element_bytes));
    });
  }
};

template <typename KernelType, typename Problem>
MadeKernel MakeJoining(const Problem& problem, const MakeContext&) {
  ERGO_ASSIGN_OR_RETURN(Layout layout, LayoutOf(problem));
  return MadeKernel(std::make_unique<KernelType>(std::move(layout)));
}

constexpr KernelVariant<ConcatProblem> kConcatVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"concat", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/move/concat_variants.inc"
#undef ERGO_KERNEL_VARIANT
};
constexpr KernelVariant<SplitProblem> kSplitVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"split", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/move/split_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

}  // namespace

Status CheckConcat(const ConcatProblem& problem) {
  return LayoutOf(problem).status();
}
Status CheckSplit(const SplitProblem& problem) {
  return LayoutOf(problem).status();
}

std::span<const KernelVariant<ConcatProblem>> ConcatVariants() {
  return kConcatVariants;
}
std::span<const KernelVariant<SplitProblem>> SplitVariants() {
  return kSplitVariants;
}

KernelCost CostOf(const ConcatProblem& problem) {
  KernelCost cost;
  for (const Shape& input : problem.inputs) {
    cost.bytes_read += DTypeBytes(problem.dtype, input.Elements());
  }
  cost.bytes_written = cost.bytes_read;
  return cost;
}

KernelCost CostOf(const SplitProblem& problem) {
  const int64_t bytes = DTypeBytes(problem.dtype, problem.input.Elements());
  return {0, bytes, bytes};
}

}  // namespace ergo::move
