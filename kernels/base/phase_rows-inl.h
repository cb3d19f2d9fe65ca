// Rows laid out for windows that slide along them: padded, and split by the stride, so that a tap
// of a run of consecutive output positions is a run of consecutive memory whatever the stride is.
// Column i of a row (i = 0 is the first padded one) stands in phase i % stride at slot i / stride;
// tap k of output o is column o * stride + k * dilation: phase (k * dilation) % stride, slot
// o + (k * dilation) / stride.
//
// Per-target header, as simd-inl.h. f32 only.
#if defined(ERGO_KERNELS_BASE_PHASE_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_BASE_PHASE_ROWS_INL_H_
#undef ERGO_KERNELS_BASE_PHASE_ROWS_INL_H_
#else
#define ERGO_KERNELS_BASE_PHASE_ROWS_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>

#include "kernels/base/phase_layout.h"
#include "kernels/base/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// to[0, count) = from[0, count): std::memcpy for rows too short for its call to pay.
HWY_INLINE void CopyFloats(const float* HWY_RESTRICT from, int64_t count, float* HWY_RESTRICT to) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  if (i < count) {
    const auto rest = static_cast<size_t>(count - i);
    StoreTail(LoadTail(d, from + i, rest), d, to + i, rest);
  }
}

// even[i] = from[2 i], odd[i] = from[2 i + 1], as far as `count` elements of `from` go.
HWY_INLINE void Deinterleave(const float* HWY_RESTRICT from, int64_t count,
                             float* HWY_RESTRICT even, float* HWY_RESTRICT odd) {
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto low = hn::LoadU(d, from + i), high = hn::LoadU(d, from + i + lanes);
    hn::StoreU(hn::ConcatEven(d, high, low), d, even + i / 2);
    hn::StoreU(hn::ConcatOdd(d, high, low), d, odd + i / 2);
  }
  if (i < count) {
    const int64_t rest = count - i;
    const auto low = LoadTail(d, from + i, static_cast<size_t>(std::min(rest, lanes)));
    const auto high = LoadTail(d, from + i + std::min(rest, lanes),
                               static_cast<size_t>(std::max(rest - lanes, int64_t{0})));
    StoreTail(hn::ConcatEven(d, high, low), d, even + i / 2, static_cast<size_t>((rest + 1) / 2));
    StoreTail(hn::ConcatOdd(d, high, low), d, odd + i / 2, static_cast<size_t>(rest / 2));
  }
#else
  for (; i < count; ++i) (i % 2 == 0 ? even : odd)[i / 2] = from[i];
#endif
}

// Puts elements of an input row, of which `from` is element layout.first, in their places in `row`.
// Columns of padding are left as they are.
HWY_INLINE void SplitRow(const PhaseLayout& layout, const float* HWY_RESTRICT from,
                         float* HWY_RESTRICT row) {
  const int64_t in = layout.UsedIn();
  if (in == 0) return;
  if (layout.stride == 1) return CopyFloats(from, in, row + layout.pad);
  if (layout.stride == 2) {
    // Even elements of `from` go to the phase of the padding's parity.
    return Deinterleave(from, in, row + layout.Offset(layout.pad),
                        row + layout.Offset(layout.pad + 1));
  }
  for (int64_t phase = 0; phase < layout.stride; ++phase) {
    float* HWY_RESTRICT to = row + layout.Offset(layout.pad + phase);
    for (int64_t i = phase; i < in; i += layout.stride) *to++ = from[i];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_BASE_PHASE_ROWS_INL_H_
