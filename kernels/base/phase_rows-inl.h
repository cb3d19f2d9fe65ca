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

#include <cstring>

#include "kernels/base/phase_layout.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Puts elements of an input row, of which `from` is element layout.first, in their places in `row`.
// Columns of padding are left as they are.
HWY_INLINE void SplitRow(const PhaseLayout& layout, const float* HWY_RESTRICT from,
                         float* HWY_RESTRICT row) {
  const int64_t in = layout.UsedIn();
  if (in == 0) return;
  if (layout.stride == 1) {
    std::memcpy(row + layout.pad, from, static_cast<size_t>(in) * sizeof(float));
    return;
  }
  if (layout.stride == 2) {
    const hn::ScalableTag<float> d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    // Even elements of `from` go to the phase of the padding's parity.
    float* HWY_RESTRICT even = row + layout.Offset(layout.pad);
    float* HWY_RESTRICT odd = row + layout.Offset(layout.pad + 1);
    int64_t i = 0;
    for (; i + 2 * lanes <= in; i += 2 * lanes) {
      hn::Vec<decltype(d)> first, second;
      hn::LoadInterleaved2(d, from + i, first, second);
      hn::StoreU(first, d, even + i / 2);
      hn::StoreU(second, d, odd + i / 2);
    }
    for (; i < in; ++i) (i % 2 == 0 ? even : odd)[i / 2] = from[i];
    return;
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
