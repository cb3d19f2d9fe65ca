// Reductions of f32 on vectors: along contiguous rows, or of columns side by side.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reduce/reduce_simd.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <cmath>

#include "kernels/base/math-inl.h"
#include "kernels/base/parallel_ranges.h"
#include "kernels/base/sum-inl.h"
#include "kernels/reduce/limits.h"
#include "kernels/reduce/reduce.h"
#include "kernels/reduce/simd_loops.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// What is summed.
struct AsIs {
  template <class V>
  V operator()(V v) const {
    return v;
  }
};
struct Absolute {
  template <class V>
  V operator()(V v) const {
    return hn::Abs(v);
  }
};
struct Squared {
  template <class V>
  V operator()(V v) const {
    return hn::Mul(v, v);
  }
};
struct Negated {
  template <class V>
  V operator()(V v) const {
    return hn::Neg(v);
  }
};

// How mapped elements come together.
struct SumOf {
  static constexpr double kNone = 0;
  template <class D, class V>
  V operator()(D, V a, V b) const {
    return hn::Add(a, b);
  }
  static double Scalar(double a, double b) { return a + b; }
};
struct LargestIn {
  static constexpr double kNone = -std::numeric_limits<double>::infinity();
  template <class D, class V>
  V operator()(D d, V a, V b) const {
    return LargerOrNaN(d, a, b);
  }
  static double Scalar(double a, double b) { return a < b || std::isnan(b) ? b : a; }
};

template <class Map>
double SumRow(const float* x, size_t count) {
  const hn::ScalableTag<float> d;
  return SumMapped(d, x, count, [](auto v, size_t) { return Map()(v); });
}

// The largest mapped element, mapped back: the smallest is the largest of the negated.
template <class Map>
double ExtremeRow(const float* x, size_t count) {
  const hn::ScalableTag<float> d;
  const double largest = LargestMapped(d, x, count, Map());
  return std::is_same_v<Map, Negated> ? -largest : largest;
}

double LogSumExpRow(const float* x, size_t count) {
  const hn::ScalableTag<float> d;
  const float largest = LargestOf(d, x, count);
  // Shifting by an infinity would make NaN of it.
  const float shift = std::isfinite(largest) ? largest : 0;
  const auto vshift = hn::Set(d, shift);
  const double sum =
      SumMapped(d, x, count, [&](auto v, size_t) { return Exp(d, hn::Sub(v, vshift)); });
  return std::log(sum) + static_cast<double>(shift);
}

// kVectors vectors of columns side by side, or with kTail the first `count` lanes of one.
template <class Map, class Combine, size_t kVectors, bool kTail>
HWY_INLINE void ColumnGroup(const float* x, const StridedAxes& reduced, size_t count,
                            double* result) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const size_t lanes = hn::Lanes(d);
  const V none = hn::Set(d, static_cast<float>(Combine::kNone));
  V partial[kVectors];
  for (V& v : partial) v = none;
  const auto flush = [&] {
    HWY_ALIGN float values[kVectors * HWY_MAX_BYTES / sizeof(float)] = {};
    for (size_t v = 0; v < kVectors; ++v) {
      hn::Store(partial[v], d, values + v * lanes);
      partial[v] = none;
    }
    const size_t columns = kTail ? count : kVectors * lanes;
    for (size_t k = 0; k < columns; ++k) {
      result[k] = Combine::Scalar(result[k], static_cast<double>(values[k]));
    }
  };
  const int64_t inner = reduced.InnerDim();
  const int64_t stride = reduced.InnerStride();
  size_t pending = 0;
  for (int64_t first = 0; first < reduced.count; first += inner) {
    const float* row = x + reduced.Offset(first);
    for (int64_t i = 0; i < inner; ++i, row += stride) {
      for (size_t v = 0; v < kVectors; ++v) {
        const V loaded = kTail ? LoadTail(d, row, count) : hn::LoadU(d, row + v * lanes);
        partial[v] = Combine()(d, partial[v], Map()(loaded));
      }
      if (++pending == kSumBlock / 4) {
        flush();
        pending = 0;
      }
    }
  }
  flush();
}

template <class Map, class Combine>
void Columns(const float* x, const StridedAxes& reduced, size_t count, double* result) {
  const size_t lanes = hn::Lanes(hn::ScalableTag<float>());
  for (size_t k = 0; k < count; ++k) result[k] = Combine::kNone;
  size_t k = 0;
  for (; k + 4 * lanes <= count; k += 4 * lanes) {
    ColumnGroup<Map, Combine, 4, false>(x + k, reduced, 0, result + k);
  }
  for (; k + lanes <= count; k += lanes) {
    ColumnGroup<Map, Combine, 1, false>(x + k, reduced, 0, result + k);
  }
  if (k < count) ColumnGroup<Map, Combine, 1, true>(x + k, reduced, count - k, result + k);
  if constexpr (std::is_same_v<Map, Negated>) {
    for (size_t i = 0; i < count; ++i) result[i] = -result[i];
  }
}

ReduceLoops GetReduceLoops(ReduceOp op) {
  switch (op) {
    case ReduceOp::kSum:
    case ReduceOp::kMean:
    case ReduceOp::kLogSum: return {SumRow<AsIs>, Columns<AsIs, SumOf>};
    case ReduceOp::kL1: return {SumRow<Absolute>, Columns<Absolute, SumOf>};
    case ReduceOp::kL2:
    case ReduceOp::kSumSquare: return {SumRow<Squared>, Columns<Squared, SumOf>};
    case ReduceOp::kMax: return {ExtremeRow<AsIs>, Columns<AsIs, LargestIn>};
    case ReduceOp::kMin: return {ExtremeRow<Negated>, Columns<Negated, LargestIn>};
    case ReduceOp::kLogSumExp: return {LogSumExpRow, nullptr};
    case ReduceOp::kProd: return {nullptr, nullptr};
  }
  return {nullptr, nullptr};
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(GetReduceLoops);

class ReduceSimd final : public Kernel {
 public:
  ReduceSimd(ReduceOp op, const ReducePlan& plan, const ReduceLoops& loops)
      : op_(op), plan_(plan), loops_(loops) {}

  void Run(const KernelArgs& args) const override {
    const auto* x = args.inputs[0].As<float>();
    auto* y = args.outputs[0].As<float>();
    const int64_t set = std::max<int64_t>(plan_.reduced.count, 1);
    if (plan_.InnerIsReduced()) {
      ParallelRanges(args.parallel, plan_.kept.count, CeilDiv(kReduceGrain, set),
                     [&](int64_t begin, int64_t end, int) {
                       for (int64_t i = begin; i < end; ++i) y[i] = ReduceRows(x, i);
                     });
      return;
    }
    // The innermost kept axis, cut into groups of columns.
    const int64_t columns = plan_.kept.InnerDim();
    if (columns == 0) return;
    const int64_t groups = CeilDiv(columns, kReduceColumns);
    const int64_t grain = CeilDiv(kReduceGrain, set * std::min(columns, kReduceColumns));
    ParallelRanges(args.parallel, plan_.kept.count / columns * groups, grain,
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end; ++i) {
                       const int64_t column = i % groups * kReduceColumns;
                       ReduceColumns(x, y, i / groups * columns + column,
                                     std::min(kReduceColumns, columns - column));
                     }
                   });
  }

 private:
  float ReduceRows(const float* x, int64_t output) const {
    const float* base = x + plan_.kept.Offset(output);
    const int64_t inner = plan_.reduced.InnerDim();
    const auto size = static_cast<size_t>(inner);
    double result = loops_.row(base, plan_.reduced.count == 0 ? 0 : size);
    for (int64_t first = inner; first < plan_.reduced.count; first += inner) {
      result = Combine(result, loops_.row(base + plan_.reduced.Offset(first), size));
    }
    return Finish(result);
  }

  void ReduceColumns(const float* x, float* y, int64_t output, int64_t count) const {
    double results[kReduceColumns];
    loops_.columns(x + plan_.kept.Offset(output), plan_.reduced, static_cast<size_t>(count),
                   results);
    for (int64_t k = 0; k < count; ++k) y[output + k] = Finish(results[k]);
  }

  double Combine(double a, double b) const {
    if (std::isnan(b)) return b;
    if (op_ == ReduceOp::kMax) return a < b ? b : a;
    if (op_ == ReduceOp::kMin) return b < a ? b : a;
    return a + b;
  }

  float Finish(double result) const {
    if (op_ == ReduceOp::kMean) result /= static_cast<double>(plan_.reduced.count);
    if (op_ == ReduceOp::kL2) result = std::sqrt(result);
    if (op_ == ReduceOp::kLogSum) result = std::log(result);
    return static_cast<float>(result);
  }

  ReduceOp op_;
  ReducePlan plan_;
  ReduceLoops loops_;
};

}  // namespace

MadeKernel MakeReduceSimd(const ReduceProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckReduce(problem));
  if (problem.dtype != DType::kF32) {
    return Unsupported("takes float32, not {}", DTypeName(problem.dtype));
  }
  const ReducePlan plan = PlanReduce(problem.input, problem.axes);
  const ReduceLoops loops = HWY_DYNAMIC_DISPATCH(GetReduceLoops)(problem.op);
  if (loops.row == nullptr) {
    return Unsupported("Reduce{} has no vector form", ReduceOpName(problem.op));
  }
  if (loops.columns == nullptr && (!plan.InnerIsReduced() || plan.reduced.rank > 1)) {
    return Unsupported("Reduce{} has a vector form for the innermost axes only",
                       ReduceOpName(problem.op));
  }
  return MadeKernel(std::make_unique<ReduceSimd>(problem.op, plan, loops));
}

MadeKernel MakeReduceSimd(const ArgReduceProblem&, const MakeContext&) {
  return Unsupported("ArgMax has no vector form");
}

MadeKernel MakeReduceSimd(const CumulativeProblem&, const MakeContext&) {
  return Unsupported("cumulative sums have no vector form: each needs the one before");
}

}  // namespace ergo
#endif  // HWY_ONCE
