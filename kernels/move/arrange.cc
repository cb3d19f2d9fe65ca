#include "kernels/move/arrange.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/base/checked_math.h"
#include "kernels/base/function_kernel.h"
#include "kernels/base/parallel_ranges.h"
#include "kernels/base/real_access.h"
#include "kernels/move/element.h"

namespace ergo::move {
namespace {

MadeKernel MakeReferenceArrange(const OneHotProblem& problem, const MakeContext&) {
  ERGO_ASSIGN_OR_RETURN(const int64_t bytes, ElementBytes(problem.dtype));
  if (!HasRealAccess(problem.index_dtype)) {
    return Unsupported("indices of {}", DTypeName(problem.index_dtype));
  }
  if (problem.axis < 0 || problem.axis > problem.indices.Rank() || problem.depth < 0) {
    return InvalidArgument("axis {} and depth {} for {}", problem.axis, problem.depth,
                           problem.indices.ToString());
  }
  const int64_t outer = problem.indices.Elements(0, problem.axis), depth = problem.depth;
  const int64_t inner = problem.indices.Elements(problem.axis, problem.indices.Rank());
  return MadeKernel(MakeFunctionKernel([=](const KernelArgs& args) {
    const auto* off = static_cast<const std::byte*>(args.inputs[1].data);
    auto* to = static_cast<std::byte*>(args.outputs[0].data);
    const int64_t row = depth * inner;
    ParallelRanges(args.parallel, outer, GrainFor(row * bytes),
                   [&](int64_t begin, int64_t end, int) {
                     FillElements(to + begin * row * bytes, off, bytes, (end - begin) * row);
                     for (int64_t i = begin * inner; i < end * inner; ++i) {
                       const double index = std::trunc(ReadReal(args.inputs[0], i));
                       const double hot = index < 0 ? index + static_cast<double>(depth) : index;
                       if (!(hot >= 0 && hot < static_cast<double>(depth))) continue;
                       const int64_t place =
                           (i / inner * depth + static_cast<int64_t>(hot)) * inner + i % inner;
                       std::memcpy(to + place * bytes, off + bytes, static_cast<size_t>(bytes));
                     }
                   });
  }));
}

class TriluKernel final : public Kernel {
 public:
  TriluKernel(const TriluProblem& problem, int64_t element_bytes)
      : upper_(problem.upper), bytes_(element_bytes) {
    const int rank = problem.shape.Rank();
    rows_ = problem.shape[rank - 2];
    columns_ = problem.shape[rank - 1];
    matrices_ = problem.shape.Elements(0, rank - 2);
    // Beyond the corners k changes nothing, and sums with it cannot overflow.
    k_ = std::clamp(problem.k, -rows_ - 1, columns_ + 1);
  }

  bool MayRunInPlace(int) const override { return true; }

  void Run(const KernelArgs& args) const override {
    const auto* from = static_cast<const std::byte*>(args.inputs[0].data);
    auto* to = static_cast<std::byte*>(args.outputs[0].data);
    const int64_t row_bytes = columns_ * bytes_;
    if (row_bytes == 0) return;
    ParallelRanges(args.parallel, matrices_ * rows_, GrainFor(row_bytes),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t row = begin; row < end; ++row) {
                       KeepRow(from + row * row_bytes, to + row * row_bytes, row % rows_);
                     }
                   });
  }

 private:
  void KeepRow(const std::byte* from, std::byte* to, int64_t i) const {
    // The upper part is kept from `edge` on, the lower part up to it.
    const int64_t edge = std::clamp<int64_t>(upper_ ? i + k_ : i + k_ + 1, 0, columns_) * bytes_;
    const int64_t end = columns_ * bytes_;
    const int64_t keep = upper_ ? edge : 0, kept = upper_ ? end - edge : edge;
    const int64_t clear = upper_ ? 0 : edge;
    if (to != from && kept > 0) std::memcpy(to + keep, from + keep, static_cast<size_t>(kept));
    std::memset(to + clear, 0, static_cast<size_t>(end - kept));
  }

  bool upper_;
  int64_t bytes_;
  int64_t rows_ = 0, columns_ = 0, matrices_ = 0, k_ = 0;
};

MadeKernel MakeReferenceArrange(const TriluProblem& problem, const MakeContext&) {
  ERGO_ASSIGN_OR_RETURN(const int64_t bytes, ElementBytes(problem.dtype));
  if (problem.shape.Rank() < 2) {
    return InvalidArgument("{} is not a matrix", problem.shape.ToString());
  }
  return MadeKernel(std::make_unique<TriluKernel>(problem, bytes));
}

MadeKernel MakeReferenceArrange(const ReverseSequenceProblem& problem, const MakeContext&) {
  ERGO_ASSIGN_OR_RETURN(const int64_t bytes, ElementBytes(problem.dtype));
  if (problem.shape.Rank() < 2 || problem.time_axis < 0 || problem.time_axis > 1) {
    return InvalidArgument("time axis {} of {}", problem.time_axis, problem.shape.ToString());
  }
  const bool time_first = problem.time_axis == 0;
  const int64_t first = problem.shape[0], second = problem.shape[1];
  const int64_t time = time_first ? first : second;
  const int64_t run = problem.shape.Elements(2, problem.shape.Rank()) * bytes;
  return MadeKernel(MakeFunctionKernel([=](const KernelArgs& args) {
    const auto* from = static_cast<const std::byte*>(args.inputs[0].data);
    const auto lengths = args.inputs[1].Span<int64_t>();
    auto* to = static_cast<std::byte*>(args.outputs[0].data);
    if (run == 0) return;
    ParallelRanges(
        args.parallel, first * second, GrainFor(run), [&](int64_t begin, int64_t end, int) {
          for (int64_t i = begin; i < end; ++i) {
            const int64_t t = time_first ? i / second : i % second;
            const int64_t b = time_first ? i % second : i / second;
            const int64_t length = std::clamp<int64_t>(lengths[static_cast<size_t>(b)], 0, time);
            const int64_t source = t < length ? length - 1 - t : t;
            const int64_t step = time_first ? second : 1;
            std::memcpy(to + i * run, from + (i + (source - t) * step) * run,
                        static_cast<size_t>(run));
          }
        });
  }));
}

template <typename Problem>
struct Table {
  static constexpr std::string_view kFamily = std::is_same_v<Problem, OneHotProblem> ? "one_hot"
                                              : std::is_same_v<Problem, TriluProblem>
                                                  ? "trilu"
                                                  : "reverse_sequence";
  static constexpr KernelVariant<Problem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{kFamily, #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/move/arrange_variants.inc"
#undef ERGO_KERNEL_VARIANT
  };
};

}  // namespace

std::span<const KernelVariant<OneHotProblem>> OneHotVariants() {
  return Table<OneHotProblem>::kVariants;
}
std::span<const KernelVariant<TriluProblem>> TriluVariants() {
  return Table<TriluProblem>::kVariants;
}
std::span<const KernelVariant<ReverseSequenceProblem>> ReverseSequenceVariants() {
  return Table<ReverseSequenceProblem>::kVariants;
}

KernelCost CostOf(const OneHotProblem& problem) {
  const int64_t indices = problem.indices.Elements();
  return {0, DTypeBytes(problem.index_dtype, indices) + DTypeBytes(problem.dtype, 2),
          DTypeBytes(problem.dtype, indices * problem.depth)};
}

KernelCost CostOf(const TriluProblem& problem) {
  const int64_t bytes = DTypeBytes(problem.dtype, problem.shape.Elements());
  return {0, bytes / 2, bytes};
}

KernelCost CostOf(const ReverseSequenceProblem& problem) {
  const int64_t bytes = DTypeBytes(problem.dtype, problem.shape.Elements());
  return {0, bytes, bytes};
}

}  // namespace ergo::move
