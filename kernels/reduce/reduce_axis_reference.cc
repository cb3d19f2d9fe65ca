// Operators that walk along one axis: ArgMax, ArgMin, CumSum, CumProd.
#include <algorithm>

#include "kernels/base/parallel_ranges.h"
#include "kernels/base/visit_dtype.h"
#include "kernels/elementwise/scalar_math.h"
#include "kernels/reduce/limits.h"
#include "kernels/reduce/reduce.h"

namespace ergo {
namespace {

// The tensor seen as [outer, length, inner] around the axis; a line is the elements along it.
struct Lines {
  int64_t outer, length, inner;

  Lines(const Shape& shape, int axis)
      : outer(shape.Elements(0, axis)),
        length(shape[axis]),
        inner(shape.Elements(axis + 1, shape.Rank())) {}
  int64_t Count() const { return outer * inner; }
  int64_t Offset(int64_t line) const { return line / inner * length * inner + line % inner; }
  int64_t Grain() const { return CeilDiv(kReduceGrain, std::max<int64_t>(length, 1)); }
};

template <typename T>
bool Beats(T candidate, T best, bool largest, bool last) {
  if constexpr (scalar::kIsFloat<T>) {
    if (std::isnan(candidate) || std::isnan(best)) {
      return std::isnan(candidate) && (last || !std::isnan(best));
    }
  }
  if (candidate == best) return last;
  return (candidate > best) == largest;
}

using ArgFn = void (*)(const ArgReduceProblem& problem, const Lines& lines, const void* in,
                       int64_t* out, int64_t begin, int64_t end);

template <typename T>
void ArgRange(const ArgReduceProblem& problem, const Lines& lines, const void* in, int64_t* out,
              int64_t begin, int64_t end) {
  for (int64_t line = begin; line < end; ++line) {
    const T* first = static_cast<const T*>(in) + lines.Offset(line);
    auto best = scalar::Widen(*first);
    int64_t best_index = 0;
    for (int64_t i = 1; i < lines.length; ++i) {
      const auto x = scalar::Widen(first[i * lines.inner]);
      if (!Beats(x, best, problem.largest, problem.last)) continue;
      best = x;
      best_index = i;
    }
    out[line] = best_index;
  }
}

class ArgReduceReference final : public Kernel {
 public:
  ArgReduceReference(const ArgReduceProblem& problem, ArgFn range)
      : problem_(problem), lines_(problem.input, problem.axis), range_(range) {}

  void Run(const KernelArgs& args) const override {
    auto* out = args.outputs[0].As<int64_t>();
    ParallelRanges(args.parallel, lines_.Count(), lines_.Grain(),
                   [&](int64_t begin, int64_t end, int) {
                     range_(problem_, lines_, args.inputs[0].data, out, begin, end);
                   });
  }

 private:
  ArgReduceProblem problem_;
  Lines lines_;
  ArgFn range_;
};

using CumulativeFn = void (*)(const CumulativeProblem& problem, const Lines& lines, const void* in,
                              void* out, int64_t begin, int64_t end);

template <typename T>
void CumulativeRange(const CumulativeProblem& problem, const Lines& lines, const void* in,
                     void* out, int64_t begin, int64_t end) {
  const bool product = problem.op == CumulativeOp::kProduct;
  for (int64_t line = begin; line < end; ++line) {
    const T* from = static_cast<const T*>(in) + lines.Offset(line);
    T* to = static_cast<T*>(out) + lines.Offset(line);
    scalar::ComputeType<T> total(product ? 1 : 0);
    for (int64_t step = 0; step < lines.length; ++step) {
      const int64_t at = (problem.reverse ? lines.length - 1 - step : step) * lines.inner;
      const auto x = scalar::Widen(from[at]);
      const auto next = product ? scalar::WrapMul(total, x) : scalar::WrapAdd(total, x);
      to[at] = scalar::Narrow<T>(problem.exclusive ? total : next);
      total = next;
    }
  }
}

class CumulativeReference final : public Kernel {
 public:
  CumulativeReference(const CumulativeProblem& problem, CumulativeFn range)
      : problem_(problem), lines_(problem.input, problem.axis), range_(range) {}

  bool MayRunInPlace(int) const override { return true; }

  void Run(const KernelArgs& args) const override {
    ParallelRanges(
        args.parallel, lines_.Count(), lines_.Grain(), [&](int64_t begin, int64_t end, int) {
          range_(problem_, lines_, args.inputs[0].data, args.outputs[0].data, begin, end);
        });
  }

 private:
  CumulativeProblem problem_;
  Lines lines_;
  CumulativeFn range_;
};

Status CheckAxis(const Shape& shape, int axis) {
  if (axis >= 0 && axis < shape.Rank()) return {};
  return InvalidArgument("axis {} of a tensor of rank {}", axis, shape.Rank());
}

}  // namespace

MadeKernel MakeReduceReference(const ArgReduceProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckAxis(problem.input, problem.axis));
  if (problem.input[problem.axis] == 0) {
    return InvalidArgument("there is no largest element along an axis of length 0");
  }
  const ArgFn range =
      VisitDType(problem.dtype, []<typename T>(TypeTag<T>) -> ArgFn { return ArgRange<T>; });
  if (range == nullptr) return Unsupported("ArgMax does not take {}", DTypeName(problem.dtype));
  return MadeKernel(std::make_unique<ArgReduceReference>(problem, range));
}

MadeKernel MakeReduceReference(const CumulativeProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckAxis(problem.input, problem.axis));
  const CumulativeFn range = VisitDType(problem.dtype, []<typename T>(TypeTag<T>) -> CumulativeFn {
    if constexpr (std::is_same_v<T, bool>) {
      return nullptr;
    } else {
      return CumulativeRange<T>;
    }
  });
  if (range == nullptr)
    return Unsupported("cumulative operators do not take {}", DTypeName(problem.dtype));
  return MadeKernel(std::make_unique<CumulativeReference>(problem, range));
}

}  // namespace ergo
