// Pooling with channels in the lanes: the taps of an output one after the other, some vectors of
// channels at a time.
#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "kernels/base/checked_math.h"
#include "kernels/base/parallel_ranges.h"
#include "kernels/base/simd_targets.h"
#include "kernels/pool/pool_nhwc.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool/pool_nhwc_simd.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/base/simd-inl.h"

#ifndef ERGO_KERNELS_POOL_POOL_NHWC_SIMD_CC_ONCE_
#define ERGO_KERNELS_POOL_POOL_NHWC_SIMD_CC_ONCE_
namespace ergo {
namespace {

// Where the taps of one output lie, as far as they are inside the input.
struct PoolTaps {
  const float* first = nullptr;
  int64_t rows = 0, columns = 0;
  int64_t row_step = 0, column_step = 0;
  float scale = 1;  // of the sum
};

}  // namespace
}  // namespace ergo
#endif

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

struct MaxOp {
  static constexpr float kIdentity = -std::numeric_limits<float>::infinity();
  static HWY_INLINE V Combine(V a, V b) { return hn::Max(a, b); }
  static HWY_INLINE V Finish(V v, float) { return v; }
};
struct MeanOp {
  static constexpr float kIdentity = 0.0f;
  static HWY_INLINE V Combine(V a, V b) { return hn::Add(a, b); }
  static HWY_INLINE V Finish(V v, float scale) { return hn::Mul(v, hn::Set(D(), scale)); }
};

template <class Op, size_t kVectors>
HWY_INLINE void PoolVectors(const PoolTaps& taps, int64_t c, float* HWY_RESTRICT y) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  V v[kVectors];
  for (size_t j = 0; j < kVectors; ++j) v[j] = hn::Set(d, Op::kIdentity);
  for (int64_t row = 0; row < taps.rows; ++row) {
    const float* HWY_RESTRICT x = taps.first + row * taps.row_step + c;
    for (int64_t column = 0; column < taps.columns; ++column, x += taps.column_step) {
      for (size_t j = 0; j < kVectors; ++j) v[j] = Op::Combine(v[j], hn::LoadU(d, x + j * lanes));
    }
  }
  for (size_t j = 0; j < kVectors; ++j) {
    hn::StoreU(Op::Finish(v[j], taps.scale), d, y + c + static_cast<int64_t>(j * lanes));
  }
}

template <class Op>
void PoolOutputOf(const PoolTaps& taps, int64_t channels, float* HWY_RESTRICT y) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + 4 * lanes <= channels; c += 4 * lanes) PoolVectors<Op, 4>(taps, c, y);
  for (; c + lanes <= channels; c += lanes) PoolVectors<Op, 1>(taps, c, y);
  if (c == channels) return;
  const auto rest = static_cast<size_t>(channels - c);
  V v = hn::Set(d, Op::kIdentity);
  for (int64_t row = 0; row < taps.rows; ++row) {
    const float* HWY_RESTRICT x = taps.first + row * taps.row_step + c;
    for (int64_t column = 0; column < taps.columns; ++column, x += taps.column_step) {
      v = Op::Combine(v, LoadTail(d, x, rest));
    }
  }
  StoreTail(Op::Finish(v, taps.scale), d, y + c, rest);
}

void PoolOutput(PoolKind kind, const PoolTaps& taps, int64_t channels, float* y) {
  if (kind == PoolKind::kMax) return PoolOutputOf<MaxOp>(taps, channels, y);
  PoolOutputOf<MeanOp>(taps, channels, y);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(PoolOutput);

// Elements read that make a task worth handing to another thread.
constexpr int64_t kGrainElements = 32768;

class NhwcPoolSimd final : public Kernel {
 public:
  explicit NhwcPoolSimd(const NhwcPoolProblem& problem)
      : problem_(problem), run_(HWY_DYNAMIC_DISPATCH(PoolOutput)) {}

  void Run(const KernelArgs& args) const override {
    const Window& w = problem_.pool.window;
    const int64_t row_elements = w.out[2] * w.KernelElements() * problem_.channels;
    ParallelRanges(args.parallel, problem_.Images() * w.out[1],
                   CeilDiv(kGrainElements, std::max<int64_t>(row_elements, 1)),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t row = begin; row < end; ++row) RunRow(args, row);
                   });
  }

 private:
  void RunRow(const KernelArgs& args, int64_t row) const {
    const PoolProblem& p = problem_.pool;
    const Window& w = p.window;
    const int64_t oy = row % w.out[1], channels = problem_.channels;
    const float* x = args.inputs[0].As<float>() + row / w.out[1] * w.InElements() * channels;
    float* y = args.outputs[0].As<float>() + row * w.out[2] * channels;
    const Taps height = w.TapsWithin(1, oy);
    for (int64_t ox = 0; ox < w.out[2]; ++ox) {
      const Taps width = w.TapsWithin(2, ox);
      const int64_t top = w.Start(1, oy) + height.begin * w.dilations[1];
      const int64_t left = w.Start(2, ox) + width.begin * w.dilations[2];
      PoolTaps taps;
      taps.first = x + (top * w.in[2] + left) * channels;
      taps.rows = height.Count();
      taps.columns = width.Count();
      taps.row_step = w.dilations[1] * w.in[2] * channels;
      taps.column_step = w.dilations[2] * channels;
      if (p.kind == PoolKind::kAverage) {
        taps.scale = 1 / static_cast<float>(std::max<int64_t>(NhwcPoolCount(p, oy, ox), 1));
      }
      run_(p.kind, taps, channels, y + ox * channels);
    }
  }

  NhwcPoolProblem problem_;
  void (*run_)(PoolKind kind, const PoolTaps& taps, int64_t channels, float* y);
};

}  // namespace

MadeKernel MakeNhwcPoolSimd(const NhwcPoolProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckNhwcPool(problem));
  ChooseSimdTarget();
  return MadeKernel(std::make_unique<NhwcPoolSimd>(problem));
}

}  // namespace ergo
#endif  // HWY_ONCE
