// Max and average pooling, vectorized along the width. A window is separable: the rows that it
// covers are combined first, element by element over the whole width, and the columns of the
// result after that, in a buffer of one row that stays in the L1 cache.
#include <limits>

#include "kernels/base/parallel_ranges.h"
#include "kernels/base/simd_targets.h"
#include "kernels/pool/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool/pool_simd.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/base/phase_rows-inl.h"
#include "kernels/base/simd-inl.h"

#ifndef ERGO_KERNELS_POOL_POOL_SIMD_SHARED_
#define ERGO_KERNELS_POOL_POOL_SIMD_SHARED_
namespace ergo {

// Outputs of a row that are computed together: their buffer is a part of the L1 cache.
constexpr int64_t kPoolChunk = 512;
// Output rows between writing what they combine and reading it again at other alignments, which has
// to wait until the writes have reached the cache.
constexpr int64_t kPoolBatch = 4;
// Rows combined in one go.
constexpr size_t kPoolRows = 8;

struct PoolRows {
  std::array<const float*, kPoolRows> rows;
  size_t count = 0;
};

// One task's outputs: rows [begin, end) of all output rows of all planes.
struct PoolRange {
  const float* x;
  float* y;
  float* scratch;
  int64_t begin, end;
};

// `column_counts`: divisor of each output column along the width, for averages.
using PoolRangeFn = void (*)(const PoolProblem& problem, const float* column_counts,
                             const PoolRange& range);
using PoolGlobalFn = void (*)(PoolKind kind, const float* x, float* y, int64_t planes,
                              int64_t elements);

}  // namespace ergo
#endif

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

struct MaxOp {
  static constexpr float kIdentity = -std::numeric_limits<float>::infinity();
  static HWY_INLINE V Combine(V a, V b) { return hn::Max(a, b); }
};
struct SumOp {
  static constexpr float kIdentity = 0.0f;
  static HWY_INLINE V Combine(V a, V b) { return hn::Add(a, b); }
};

// to[0, count) = all the rows combined, and with what is there unless `first`.
template <class Op>
void CombineRows(const PoolRows& rows, bool first, int64_t count, float* HWY_RESTRICT to) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    V a = first ? hn::LoadU(d, rows.rows[0] + i) : hn::LoadU(d, to + i);
    V b = first ? hn::LoadU(d, rows.rows[0] + i + lanes) : hn::LoadU(d, to + i + lanes);
    for (size_t r = first ? 1 : 0; r < rows.count; ++r) {
      a = Op::Combine(a, hn::LoadU(d, rows.rows[r] + i));
      b = Op::Combine(b, hn::LoadU(d, rows.rows[r] + i + lanes));
    }
    hn::StoreU(a, d, to + i);
    hn::StoreU(b, d, to + i + lanes);
  }
  for (; i < count; i += lanes) {
    const auto rest = static_cast<size_t>(std::min(lanes, count - i));
    V a = LoadTail(d, first ? rows.rows[0] + i : to + i, rest);
    for (size_t r = first ? 1 : 0; r < rows.count; ++r) {
      a = Op::Combine(a, LoadTail(d, rows.rows[r] + i, rest));
    }
    StoreTail(a, d, to + i, rest);
  }
}

// Combines the rows of the window of output row (od, oh), `count` elements from column `first` on,
// and returns where they are: in `to`, or in the input where there is only one row. Null when no
// row lies inside the input.
template <class Op>
const float* CombineWindowRows(const Window& window, const float* x, int64_t od, int64_t oh,
                               int64_t first, int64_t count, float* to) {
  const Taps depth = window.TapsWithin(0, od), height = window.TapsWithin(1, oh);
  PoolRows rows;
  bool fresh = true;
  for (int64_t kd = depth.begin; kd < depth.end; ++kd) {
    const int64_t z = window.Start(0, od) + kd * window.dilations[0];
    for (int64_t kh = height.begin; kh < height.end; ++kh) {
      const int64_t row = z * window.in[1] + window.Start(1, oh) + kh * window.dilations[1];
      rows.rows[rows.count++] = x + row * window.in[2] + first;
      if (rows.count < kPoolRows) continue;
      CombineRows<Op>(rows, fresh, count, to);
      fresh = false;
      rows.count = 0;
    }
  }
  if (fresh && rows.count <= 1) return rows.count == 1 ? rows.rows[0] : nullptr;
  if (rows.count > 0) CombineRows<Op>(rows, fresh, count, to);
  return to;
}

// How sums become averages: divided by columns[o] * rows.
struct Divisor {
  const float* columns;  // null: not at all
  float rows;
};

// The columns of kVectors vectors of windows from output `i` on, combined.
template <class Op, size_t kVectors>
HWY_INLINE void CombineVectors(const PhaseLayout& layout, int64_t kernel,
                               const float* HWY_RESTRICT row, V (&v)[kVectors]) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  for (size_t j = 0; j < kVectors; ++j) v[j] = hn::LoadU(d, row + j * lanes);
  TapWalk walk(layout);
  for (int64_t k = 1; k < kernel; ++k) {
    walk.Next();
    const float* HWY_RESTRICT tap = row + walk.Offset();
    for (size_t j = 0; j < kVectors; ++j) v[j] = Op::Combine(v[j], hn::LoadU(d, tap + j * lanes));
  }
}

HWY_INLINE V Divide(V sum, V columns, float rows) {
  const D d;
  return hn::Div(sum, hn::Max(hn::Mul(columns, hn::Set(d, rows)), hn::Set(d, 1.0f)));
}

// y[0, count) = the columns of each window combined, and divided.
template <class Op>
void CombineColumns(const PhaseLayout& layout, int64_t kernel, const float* HWY_RESTRICT row,
                    int64_t count, const Divisor& divisor, float* HWY_RESTRICT y) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  constexpr size_t kVectors = 4;
  int64_t i = 0;
  for (; i + static_cast<int64_t>(kVectors) * lanes <= count;) {
    V v[kVectors];
    CombineVectors<Op>(layout, kernel, row + i, v);
    for (size_t j = 0; j < kVectors; ++j, i += lanes) {
      if (divisor.columns != nullptr) {
        v[j] = Divide(v[j], hn::LoadU(d, divisor.columns + i), divisor.rows);
      }
      hn::StoreU(v[j], d, y + i);
    }
  }
  for (; i < count; i += lanes) {
    const auto rest = static_cast<size_t>(std::min(lanes, count - i));
    V v[1];
    CombineVectors<Op>(layout, kernel, row + i, v);
    if (divisor.columns != nullptr) {
      v[0] = Divide(v[0], LoadTail(d, divisor.columns + i, rest), divisor.rows);
    }
    StoreTail(v[0], d, y + i, rest);
  }
}

// What the rows of a window count for an average.
float RowCount(const PoolProblem& problem, int64_t od, int64_t oh) {
  const Window& window = problem.window;
  const Spatial none{0, 0, 0};
  const Spatial& begin = problem.count_include_pad ? window.pads_begin : none;
  const Spatial& end = problem.count_include_pad ? window.pads_end : none;
  return static_cast<float>(window.TapsWithin(0, od, begin[0], end[0]).Count() *
                            window.TapsWithin(1, oh, begin[1], end[1]).Count());
}

// Which row of the output a number among all rows of all planes is.
struct OutputRow {
  int64_t plane, depth, height;

  OutputRow(const Window& window, int64_t row)
      : plane(row / window.out[1] / window.out[0]),
        depth(row / window.out[1] % window.out[0]),
        height(row % window.out[1]) {}
  void Next(const Window& window) {
    if (++height < window.out[1]) return;
    height = 0;
    if (++depth < window.out[0]) return;
    depth = 0;
    ++plane;
  }
};

// Output rows [row, row + count) from `begin` to `end` of the width.
template <class Op>
void PoolBatch(const PoolProblem& problem, const float* column_counts, const PoolRange& range,
               const PhaseLayout& layout, int64_t begin, int64_t end, int64_t row, int64_t count) {
  const Window& window = problem.window;
  float* combined = range.scratch + kPoolBatch * layout.Elements();
  bool empty[kPoolBatch] = {};
  float row_counts[kPoolBatch] = {};
  OutputRow at(window, row);
  for (int64_t i = 0; i < count; ++i, at.Next(window)) {
    const float* rows =
        CombineWindowRows<Op>(window, range.x + at.plane * window.InElements(), at.depth, at.height,
                              layout.first, layout.UsedIn(), combined);
    empty[i] = rows == nullptr;
    if (empty[i]) continue;
    SplitRow(layout, rows, range.scratch + i * layout.Elements());
    if (column_counts != nullptr) row_counts[i] = RowCount(problem, at.depth, at.height);
  }
  for (int64_t i = 0; i < count; ++i) {
    float* y = range.y + (row + i) * window.out[2] + begin;
    if (empty[i]) {
      std::fill_n(y, end - begin, Op::kIdentity);
      continue;
    }
    const Divisor divisor{column_counts == nullptr ? nullptr : column_counts + begin,
                          row_counts[i]};
    CombineColumns<Op>(layout, window.kernel[2], range.scratch + i * layout.Elements(), end - begin,
                       divisor, y);
  }
}

template <class Op>
void PoolRangeOf(const PoolProblem& problem, const float* column_counts, const PoolRange& range) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t width = problem.window.out[2];
  for (int64_t begin = 0; begin < width; begin += kPoolChunk) {
    const int64_t end = std::min(begin + kPoolChunk, width);
    const PhaseLayout layout = PhaseLayout::ForOutputs(problem.window, begin, end, lanes);
    std::fill_n(range.scratch, kPoolBatch * layout.Elements(), Op::kIdentity);
    for (int64_t row = range.begin; row < range.end; row += kPoolBatch) {
      const int64_t count = std::min(kPoolBatch, range.end - row);
      PoolBatch<Op>(problem, column_counts, range, layout, begin, end, row, count);
    }
  }
}

void PoolRangeSimd(const PoolProblem& problem, const float* column_counts, const PoolRange& range) {
  if (problem.kind == PoolKind::kMax) return PoolRangeOf<MaxOp>(problem, nullptr, range);
  PoolRangeOf<SumOp>(problem, column_counts, range);
}

template <class Op>
V ReducePlane(const float* HWY_RESTRICT x, int64_t elements) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V identity = hn::Set(d, Op::kIdentity);
  V a0 = identity, a1 = identity, a2 = identity, a3 = identity;
  int64_t i = 0;
  for (; i + 4 * lanes <= elements; i += 4 * lanes) {
    a0 = Op::Combine(a0, hn::LoadU(d, x + i));
    a1 = Op::Combine(a1, hn::LoadU(d, x + i + lanes));
    a2 = Op::Combine(a2, hn::LoadU(d, x + i + 2 * lanes));
    a3 = Op::Combine(a3, hn::LoadU(d, x + i + 3 * lanes));
  }
  for (; i + lanes <= elements; i += lanes) a0 = Op::Combine(a0, hn::LoadU(d, x + i));
  if (i < elements) {
    const auto rest = static_cast<size_t>(elements - i);
    const V tail = LoadTail(d, x + i, rest);
    a1 = Op::Combine(a1, hn::IfThenElse(hn::FirstN(d, rest), tail, identity));
  }
  return Op::Combine(Op::Combine(a0, a1), Op::Combine(a2, a3));
}

void PoolGlobalSimd(PoolKind kind, const float* x, float* y, int64_t planes, int64_t elements) {
  const D d;
  for (int64_t plane = 0; plane < planes; ++plane, x += elements) {
    if (kind == PoolKind::kMax) {
      y[plane] = hn::GetLane(hn::MaxOfLanes(d, ReducePlane<MaxOp>(x, elements)));
    } else {
      const float sum = hn::GetLane(hn::SumOfLanes(d, ReducePlane<SumOp>(x, elements)));
      y[plane] = sum / static_cast<float>(elements);
    }
  }
}

size_t PoolLanes() {
  return hn::Lanes(D());
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(PoolRangeSimd);
HWY_EXPORT(PoolGlobalSimd);
HWY_EXPORT(PoolLanes);

// Elements that make a task worth handing to another thread.
constexpr int64_t kPoolGrainElements = 8192;

class PoolGlobal final : public Kernel {
 public:
  explicit PoolGlobal(const PoolProblem& problem)
      : problem_(problem), reduce_(HWY_DYNAMIC_DISPATCH(PoolGlobalSimd)) {}

  void Run(const KernelArgs& args) const override {
    const float* x = args.inputs[0].As<float>();
    float* y = args.outputs[0].As<float>();
    const int64_t elements = problem_.window.InElements();
    ParallelRanges(args.parallel, problem_.planes, CeilDiv(kPoolGrainElements, elements),
                   [&](int64_t begin, int64_t end, int) {
                     reduce_(problem_.kind, x + begin * elements, y + begin, end - begin, elements);
                   });
  }

 private:
  PoolProblem problem_;
  PoolGlobalFn reduce_;
};

class PoolSimd final : public Kernel {
 public:
  PoolSimd(const PoolProblem& problem, int max_workers)
      : problem_(problem), max_workers_(max_workers), run_(HWY_DYNAMIC_DISPATCH(PoolRangeSimd)) {
    const Window& window = problem.window;
    const auto lanes = static_cast<int64_t>(HWY_DYNAMIC_DISPATCH(PoolLanes)());
    const int64_t chunk = std::min(kPoolChunk, window.out[2]);
    // The first chunk has the most padding, and none is longer.
    const PhaseLayout layout = PhaseLayout::ForOutputs(window, 0, chunk, lanes);
    const int64_t combined = std::min(window.in[2], layout.Elements());
    scratch_elements_ =
        RoundUp<int64_t>(kPoolBatch * layout.Elements() + combined, kTensorAlignment);
    if (problem.kind == PoolKind::kAverage) CountColumns();
  }

  size_t WorkspaceBytes() const override {
    return static_cast<size_t>(max_workers_ * scratch_elements_) * sizeof(float);
  }

  void Run(const KernelArgs& args) const override {
    const Window& window = problem_.window;
    const int64_t row_elements = window.out[2] * window.KernelElements();
    auto* scratch = reinterpret_cast<float*>(args.workspace.data());
    PoolRange range{args.inputs[0].As<float>(), args.outputs[0].As<float>(), scratch, 0, 0};
    ParallelRanges(args.parallel, problem_.planes * window.out[0] * window.out[1],
                   CeilDiv(kPoolGrainElements, std::max<int64_t>(row_elements, 1)),
                   [&](int64_t begin, int64_t end, int worker) {
                     PoolRange mine = range;
                     mine.scratch += worker * scratch_elements_;
                     mine.begin = begin;
                     mine.end = end;
                     run_(problem_, column_counts_.data(), mine);
                   });
  }

 private:
  void CountColumns() {
    const Window& window = problem_.window;
    const int64_t begin = problem_.count_include_pad ? window.pads_begin[2] : 0;
    const int64_t end = problem_.count_include_pad ? window.pads_end[2] : 0;
    for (int64_t o = 0; o < window.out[2]; ++o) {
      column_counts_.push_back(static_cast<float>(window.TapsWithin(2, o, begin, end).Count()));
    }
  }

  PoolProblem problem_;
  int max_workers_;
  PoolRangeFn run_;
  int64_t scratch_elements_ = 0;
  std::vector<float> column_counts_;
};

Status CheckPoolSimd(const PoolProblem& problem) {
  ERGO_RETURN_IF_ERROR(CheckPool(problem));
  if (problem.dtype != DType::kF32) return Unsupported("{} tensors", DTypeName(problem.dtype));
  if (problem.kind == PoolKind::kLp) return Unsupported("lp pooling");
  if (problem.has_indices) return Unsupported("indices");
  return {};
}

}  // namespace

MadeKernel MakePoolGlobal(const PoolProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckPoolSimd(problem));
  if (!problem.IsGlobal()) return Unsupported("the window is not the whole input");
  ChooseSimdTarget();
  return std::unique_ptr<Kernel>(new PoolGlobal(problem));
}

MadeKernel MakePoolSimd(const PoolProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckPoolSimd(problem));
  ChooseSimdTarget();
  return std::unique_ptr<Kernel>(new PoolSimd(problem, context.max_workers));
}

}  // namespace ergo
#endif  // HWY_ONCE
