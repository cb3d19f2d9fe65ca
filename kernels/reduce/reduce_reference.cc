// Reductions in plain loops, one output at a time.
#include <algorithm>

#include "kernels/base/parallel_ranges.h"
#include "kernels/base/visit_dtype.h"
#include "kernels/elementwise/scalar_math.h"
#include "kernels/reduce/limits.h"
#include "kernels/reduce/reduce.h"
#include "kernels/reduce/reduce_plan.h"

namespace ergo {
namespace {

using scalar::kIsFloat;

// double for floats, 64-bit integers for the others: sums modulo 2^64, cut off to a narrower type,
// are the sums modulo its size.
template <typename T>
using Accumulator = std::conditional_t<kIsFloat<T>, double,
                                       std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;

// Of the narrow type, so that an empty set of int8 gives -128 and not what -2^63 is cut off to.
template <typename T>
Accumulator<T> SmallestOf() {
  if constexpr (kIsFloat<T>) {
    return -std::numeric_limits<double>::infinity();
  } else {
    return std::numeric_limits<T>::lowest();
  }
}
template <typename T>
Accumulator<T> LargestOf() {
  if constexpr (kIsFloat<T>) {
    return std::numeric_limits<double>::infinity();
  } else {
    return std::numeric_limits<T>::max();
  }
}

template <ReduceOp op, typename T>
Accumulator<T> Identity() {
  if constexpr (op == ReduceOp::kProd) return 1;
  if constexpr (op == ReduceOp::kMax) return SmallestOf<T>();
  if constexpr (op == ReduceOp::kMin) return LargestOf<T>();
  return 0;
}

template <ReduceOp op, typename A>
A Combine(A sum, A x) {
  if constexpr (op == ReduceOp::kProd) return scalar::WrapMul(sum, x);
  if constexpr (op == ReduceOp::kMax) return scalar::Larger(sum, x);
  if constexpr (op == ReduceOp::kMin) return scalar::Smaller(sum, x);
  if constexpr (op == ReduceOp::kL1) return scalar::WrapAdd(sum, scalar::Absolute(x));
  if constexpr (op == ReduceOp::kL2 || op == ReduceOp::kSumSquare) {
    return scalar::WrapAdd(sum, scalar::WrapMul(x, x));
  }
  return scalar::WrapAdd(sum, x);
}

template <ReduceOp op, typename A>
A Finish(A sum, int64_t count) {
  if constexpr (op == ReduceOp::kMean) {
    if constexpr (std::is_same_v<A, double>) return sum / static_cast<double>(count);
    return scalar::Quotient(sum, static_cast<A>(count));
  }
  if constexpr (op == ReduceOp::kL2 || op == ReduceOp::kLogSum) {
    const auto exact = static_cast<double>(sum);
    const double result = op == ReduceOp::kL2 ? std::sqrt(exact) : std::log(exact);
    if constexpr (std::is_same_v<A, double>) return result;
    return scalar::SaturatingTruncate<A>(result);
  }
  return sum;
}

// Calls visit(x) with each element of the set at `base`, in order of memory.
template <typename T, typename Visitor>
void ForEachOfSet(const T* base, const StridedAxes& reduced, const Visitor& visit) {
  const int64_t inner = reduced.InnerDim();
  if (reduced.count == 0) return;
  for (int64_t first = 0; first < reduced.count; first += inner) {
    const T* row = base + reduced.Offset(first);
    for (int64_t i = 0; i < inner; ++i) {
      visit(static_cast<Accumulator<T>>(scalar::Widen(row[i * reduced.InnerStride()])));
    }
  }
}

template <typename T>
Accumulator<T> LogSumExp(const T* base, const StridedAxes& reduced) {
  double largest = -INFINITY;
  ForEachOfSet(base, reduced,
               [&](auto x) { largest = scalar::Larger(largest, static_cast<double>(x)); });
  // Shifting by an infinity would make NaN of it.
  const double shift = std::isfinite(largest) ? largest : 0;
  double sum = 0;
  ForEachOfSet(base, reduced, [&](auto x) { sum += std::exp(static_cast<double>(x) - shift); });
  const double result = std::log(sum) + shift;
  if constexpr (kIsFloat<T>) {
    return result;
  } else {
    return scalar::SaturatingTruncate<Accumulator<T>>(result);
  }
}

using RangeFn = void (*)(const ReducePlan& plan, const void* in, void* out, int64_t begin,
                         int64_t end);

template <ReduceOp op, typename T>
void Range(const ReducePlan& plan, const void* in, void* out, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const T* base = static_cast<const T*>(in) + plan.kept.Offset(i);
    Accumulator<T> result = Identity<op, T>();
    if constexpr (op == ReduceOp::kLogSumExp) {
      result = LogSumExp(base, plan.reduced);
    } else {
      ForEachOfSet(base, plan.reduced, [&](auto x) { result = Combine<op>(result, x); });
      result = Finish<op>(result, plan.reduced.count);
    }
    if constexpr (kIsFloat<T>) {
      static_cast<T*>(out)[i] = scalar::Narrow<T>(result);
    } else {
      static_cast<T*>(out)[i] = static_cast<T>(result);
    }
  }
}

template <ReduceOp op>
RangeFn FindRange(DType dtype) {
  return VisitDType(dtype, []<typename T>(TypeTag<T>) -> RangeFn {
    constexpr bool kTakesBool = op == ReduceOp::kMax || op == ReduceOp::kMin;
    if constexpr (std::is_same_v<T, bool> && !kTakesBool) {
      return nullptr;
    } else {
      return Range<op, T>;
    }
  });
}

RangeFn FindRange(ReduceOp op, DType dtype) {
  switch (op) {
    case ReduceOp::kSum: return FindRange<ReduceOp::kSum>(dtype);
    case ReduceOp::kMean: return FindRange<ReduceOp::kMean>(dtype);
    case ReduceOp::kMax: return FindRange<ReduceOp::kMax>(dtype);
    case ReduceOp::kMin: return FindRange<ReduceOp::kMin>(dtype);
    case ReduceOp::kProd: return FindRange<ReduceOp::kProd>(dtype);
    case ReduceOp::kL1: return FindRange<ReduceOp::kL1>(dtype);
    case ReduceOp::kL2: return FindRange<ReduceOp::kL2>(dtype);
    case ReduceOp::kLogSum: return FindRange<ReduceOp::kLogSum>(dtype);
    case ReduceOp::kLogSumExp: return FindRange<ReduceOp::kLogSumExp>(dtype);
    case ReduceOp::kSumSquare: return FindRange<ReduceOp::kSumSquare>(dtype);
  }
  return nullptr;
}

class ReduceReference final : public Kernel {
 public:
  ReduceReference(const ReduceProblem& problem, RangeFn range)
      : plan_(PlanReduce(problem.input, problem.axes)), range_(range) {}

  void Run(const KernelArgs& args) const override {
    const int64_t grain = CeilDiv(kReduceGrain, std::max<int64_t>(plan_.reduced.count, 1));
    ParallelRanges(args.parallel, plan_.kept.count, grain, [&](int64_t begin, int64_t end, int) {
      range_(plan_, args.inputs[0].data, args.outputs[0].data, begin, end);
    });
  }

 private:
  ReducePlan plan_;
  RangeFn range_;
};

}  // namespace

MadeKernel MakeReduceReference(const ReduceProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckReduce(problem));
  const RangeFn range = FindRange(problem.op, problem.dtype);
  if (range == nullptr) {
    return Unsupported("Reduce{} does not take {}", ReduceOpName(problem.op),
                       DTypeName(problem.dtype));
  }
  return MadeKernel(std::make_unique<ReduceReference>(problem, range));
}

}  // namespace ergo
