// Softmax and LogSoftmax on f32 vectors: along contiguous rows, or for many lines side by side.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norm/softmax_simd.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <cmath>

#include "kernels/base/math-inl.h"
#include "kernels/base/parallel_ranges.h"
#include "kernels/base/sum-inl.h"
#include "kernels/norm/limits.h"
#include "kernels/norm/norm.h"
#include "kernels/norm/simd_loops.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// y[i] = map(x[i]) for a row of any length; y may be x.
template <class D, class Map>
HWY_INLINE void MapRow(D d, const float* x, float* y, size_t count, const Map& map) {
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(map(hn::LoadU(d, x + i)), d, y + i);
  if (i < count) StoreTail(map(LoadTail(d, x + i, count - i)), d, y + i, count - i);
}

void SoftmaxRow(bool logarithm, const float* x, float* y, size_t count) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const V largest = hn::Set(d, LargestOf(d, x, count));
  if (logarithm) {
    const double sum =
        SumMapped(d, x, count, [&](V v, size_t) { return Exp(d, hn::Sub(v, largest)); });
    const V shift = hn::Set(d, static_cast<float>(std::log(sum)));
    MapRow(d, x, y, count, [&](V v) { return hn::Sub(hn::Sub(v, largest), shift); });
    return;
  }
  MapRow(d, x, y, count, [&](V v) { return Exp(d, hn::Sub(v, largest)); });
  const double sum = SumMapped(d, y, count, [](V v, size_t) { return v; });
  const V scale = hn::Set(d, static_cast<float>(1 / sum));
  MapRow(d, y, y, count, [&](V v) { return hn::Mul(v, scale); });
}

// Lines side by side, as many as a vector has lanes: element i of line k is x[i * stride + k], and
// its result goes to y at the same place; y may be x.
template <class D>
HWY_INLINE void SoftmaxLanes(D d, bool logarithm, const float* x, float* y, int64_t length,
                             int64_t stride) {
  using V = hn::Vec<D>;
  V largest = hn::Set(d, -std::numeric_limits<float>::infinity());
  for (int64_t i = 0; i < length; ++i) {
    largest = LargerOrNaN(d, largest, hn::LoadU(d, x + i * stride));
  }
  V sum = hn::Zero(d);
  for (int64_t i = 0; i < length; ++i) {
    const V shifted = hn::Sub(hn::LoadU(d, x + i * stride), largest);
    const V e = Exp(d, shifted);
    sum = hn::Add(sum, e);
    hn::StoreU(logarithm ? shifted : e, d, y + i * stride);
  }
  if (logarithm) {
    HWY_ALIGN float sums[HWY_MAX_BYTES / sizeof(float)];
    hn::Store(sum, d, sums);
    for (size_t k = 0; k < hn::Lanes(d); ++k) sums[k] = std::log(sums[k]);
    sum = hn::Load(d, sums);
  }
  for (int64_t i = 0; i < length; ++i) {
    const V v = hn::LoadU(d, y + i * stride);
    hn::StoreU(logarithm ? hn::Sub(v, sum) : hn::Div(v, sum), d, y + i * stride);
  }
}

// Lines [begin, end) of a tensor [outer, length, inner]. Where the neighbours of a line are less
// than a vector of them, they go by way of `block`, length * lanes floats.
void SoftmaxLines(bool logarithm, const float* x, float* y, int64_t length, int64_t inner,
                  int64_t begin, int64_t end, float* block) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto offset = [&](int64_t line) { return line / inner * length * inner + line % inner; };
  int64_t count;
  for (int64_t line = begin; line < end; line += count) {
    count = std::min(lanes, end - line);
    const int64_t first = offset(line);
    if (count == lanes && line % inner + lanes <= inner) {
      SoftmaxLanes(d, logarithm, x + first, y + first, length, inner);
      continue;
    }
    std::fill_n(block, length * lanes, 0.0f);
    for (int64_t k = 0; k < count; ++k) {
      const float* from = x + offset(line + k);
      for (int64_t i = 0; i < length; ++i) block[i * lanes + k] = from[i * inner];
    }
    SoftmaxLanes(d, logarithm, block, block, length, lanes);
    for (int64_t k = 0; k < count; ++k) {
      float* to = y + offset(line + k);
      for (int64_t i = 0; i < length; ++i) to[i * inner] = block[i * lanes + k];
    }
  }
}

SoftmaxLoops GetSoftmaxLoops() {
  return {SoftmaxRow, SoftmaxLines, static_cast<int64_t>(hn::Lanes(hn::ScalableTag<float>()))};
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(GetSoftmaxLoops);

class SoftmaxSimd final : public Kernel {
 public:
  SoftmaxSimd(const SoftmaxProblem& problem, int max_workers)
      : problem_(problem),
        by_rows_(problem.inner == 1 && problem.length >= kShortSoftmax),
        max_workers_(max_workers),
        loops_(HWY_DYNAMIC_DISPATCH(GetSoftmaxLoops)()) {}

  size_t WorkspaceBytes() const override {
    return by_rows_ ? 0 : static_cast<size_t>(max_workers_ * BlockSize()) * sizeof(float);
  }
  bool MayRunInPlace(int) const override { return true; }

  void Run(const KernelArgs& args) const override {
    const auto* x = args.inputs[0].As<float>();
    auto* y = args.outputs[0].As<float>();
    const bool logarithm = problem_.op == SoftmaxOp::kLogSoftmax;
    const int64_t length = problem_.length;
    const int64_t grain =
        RoundUp(CeilDiv(kNormGrain, std::max<int64_t>(length, 1)), by_rows_ ? 1 : loops_.lanes);
    ParallelRanges(args.parallel, problem_.outer * problem_.inner, grain,
                   [&](int64_t begin, int64_t end, int worker) {
                     if (!by_rows_) {
                       auto* blocks = reinterpret_cast<float*>(args.workspace.data());
                       loops_.lines(logarithm, x, y, length, problem_.inner, begin, end,
                                    blocks + worker * BlockSize());
                       return;
                     }
                     for (int64_t row = begin; row < end; ++row) {
                       loops_.row(logarithm, x + row * length, y + row * length,
                                  static_cast<size_t>(length));
                     }
                   });
  }

 private:
  int64_t BlockSize() const { return problem_.length * loops_.lanes; }

  SoftmaxProblem problem_;
  bool by_rows_;
  int64_t max_workers_;
  SoftmaxLoops loops_;
};

}  // namespace

MadeKernel MakeNormSimd(const SoftmaxProblem& problem, const MakeContext& context) {
  if (problem.dtype != DType::kF32) {
    return Unsupported("takes float32, not {}", DTypeName(problem.dtype));
  }
  if (problem.op == SoftmaxOp::kHardmax) return Unsupported("Hardmax has no vector form");
  return MadeKernel(std::make_unique<SoftmaxSimd>(problem, context.max_workers));
}

}  // namespace ergo
#endif  // HWY_ONCE
