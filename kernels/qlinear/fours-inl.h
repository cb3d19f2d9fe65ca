// Fills the input of a block of a direct quantized convolution (kernels/qlinear/direct_qconv.h says
// how it lies). Per-target header: include it below <hwy/highway.h>, inside the files that
// foreach_target.h compiles again and again.
#if defined(ERGO_KERNELS_QLINEAR_FOURS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_QLINEAR_FOURS_INL_H_
#undef ERGO_KERNELS_QLINEAR_FOURS_INL_H_
#else
#define ERGO_KERNELS_QLINEAR_FOURS_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/base/checked_math.h"
#include "kernels/qlinear/direct_qconv.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR

// Columns that may be written beyond the last.
inline constexpr size_t kFourSlack = 32;
inline constexpr size_t kFourLanes = 16;

class FourWriter {
 public:
  using Channels = std::array<const uint8_t*, 4>;

  // `flip` is what makes the bytes of x unsigned, `zero_x` as they are then. Nothing at `end` or
  // behind it is read.
  FourWriter(const DirectQConv& conv, uint8_t flip, uint8_t zero_x, const uint8_t* end)
      : conv_(conv), flip_(flip), zero_x_(zero_x), end_(end) {}

  // Output rows [begin, begin + rows) of a window, or positions of a pointwise convolution, of four
  // channels, each the plane of the input.
  void FillRows(const Channels& planes, size_t begin, size_t rows, uint8_t* to) const {
    const Window& window = conv_.problem.window;
    const auto stride = static_cast<size_t>(window.strides[1]);
    const auto width = static_cast<size_t>(window.in[2]);
    for (size_t p = 0; p < conv_.phase_rows * stride; ++p) {
      const size_t phase = p % stride;
      if (conv_.row_phases[phase] < 0) continue;
      const size_t column_phases = conv_.column_phases_kept;
      uint8_t* row = to + 4 * (static_cast<size_t>(conv_.row_phases[phase]) * column_phases *
                                   conv_.phase_columns +
                               p / stride * conv_.pitch);
      const int64_t in_row = window.Start(1, static_cast<int64_t>(begin)) + static_cast<int64_t>(p);
      const size_t wanted = (rows - 1) * stride + static_cast<size_t>(window.Extent(1));
      if (p >= wanted || in_row < 0 || in_row >= window.in[1]) {
        for (size_t b = 0; b < column_phases; ++b) {
          FillZero(row + 4 * b * conv_.phase_columns, conv_.pitch + conv_.shared_pad);
        }
        continue;
      }
      Channels from = planes;
      for (const uint8_t*& channel : from) channel += static_cast<size_t>(in_row) * width;
      FillRow(from, width, row);
    }
  }

  // `count` columns as they are.
  void Interleave(const Channels& from, size_t count, uint8_t* HWY_RESTRICT to) const {
    const hn::ScalableTag<uint8_t> whole;
    const hn::CappedTag<uint8_t, kFourLanes> part;
    size_t i = 0;
    for (; i + hn::Lanes(whole) <= count; i += hn::Lanes(whole)) Interleave(whole, from, i, to);
    for (; i + hn::Lanes(part) <= count; i += hn::Lanes(part)) Interleave(part, from, i, to);
    if (i == count) return;
    const bool inside = std::ranges::all_of(from, [&](const uint8_t* channel) {
      return static_cast<size_t>(end_ - channel) >= i + hn::Lanes(part);
    });
    if (inside) return Interleave(part, from, i, to);
    HWY_ALIGN uint8_t rest[4][kFourLanes] = {};
    for (size_t c = 0; c < 4; ++c) std::memcpy(rest[c], from[c] + i, count - i);
    Interleave(part, {rest[0], rest[1], rest[2], rest[3]}, 0, to + 4 * i);
  }

 private:
  template <class D>
  HWY_INLINE void Interleave(D d, const Channels& from, size_t i, uint8_t* HWY_RESTRICT to) const {
    const auto flip = hn::Set(d, flip_);
    const auto load = [&](size_t c) HWY_ATTR { return hn::Xor(hn::LoadU(d, from[c] + i), flip); };
    hn::StoreInterleaved4(load(0), load(1), load(2), load(3), d, to + 4 * i);
  }

  // Every second column goes to `even`, the others to `odd`; either may be null.
  void Split(const Channels& from, size_t count, uint8_t* even, uint8_t* odd) const {
    const hn::CappedTag<uint8_t, kFourLanes> d;
    constexpr size_t kColumns = 2 * hn::MaxLanes(d);
    const auto flip = hn::Set(d, flip_);
    for (size_t i = 0; i < count; i += kColumns) {
      hn::Vec<decltype(d)> halves[2][4];
      for (size_t c = 0; c < 4; ++c) {
        const uint8_t* at = from[c] + i;
        HWY_ALIGN uint8_t rest[kColumns] = {};
        if (count - i < kColumns) at = std::copy_n(at, count - i, rest) - (count - i);
        hn::LoadInterleaved2(d, at, halves[0][c], halves[1][c]);
        for (auto& half : halves) half[c] = hn::Xor(half[c], flip);
      }
      uint8_t* const to[2] = {even, odd};
      for (size_t b = 0; b < 2; ++b) {
        if (to[b] == nullptr) continue;
        const auto& half = halves[b];
        hn::StoreInterleaved4(half[0], half[1], half[2], half[3], d, to[b] + 2 * i);
      }
    }
  }

  void FillRow(const Channels& from, size_t width, uint8_t* row) const {
    const size_t phases = conv_.column_phases.size();
    if (phases > 2) return FillRowSlowly(from, width, row);
    uint8_t* to[2] = {nullptr, nullptr};  // of even and of odd columns of the input
    size_t slots[2] = {0, 0}, counts[2] = {0, 0};
    for (size_t b = 0; b < phases; ++b) {
      const size_t phase = (conv_.pad + b) % phases;
      slots[b] = std::min((conv_.pad + b) / phases, conv_.pitch);
      counts[b] = std::min(CeilDiv(width - std::min(b, width), phases), conv_.pitch - slots[b]);
      if (conv_.column_phases[phase] < 0) continue;
      to[b] = ColumnPhase(row, phase);
      FillZero(to[b], slots[b]);
    }
    if (phases == 1) {
      Interleave(from, counts[0], to[0] + 4 * slots[0]);
    } else {
      const auto first = [&](size_t b) {
        return to[b] == nullptr ? nullptr : to[b] + 4 * slots[b];
      };
      Split(from, std::min(width, 2 * std::max(counts[0], counts[1])), first(0), first(1));
    }
    for (size_t b = 0; b < phases; ++b) {
      if (to[b] == nullptr) continue;
      const size_t used = slots[b] + counts[b];
      const size_t end = std::max(conv_.pitch + conv_.shared_pad, used);
      FillZero(to[b] + 4 * used, end - used);
    }
  }

  void FillRowSlowly(const Channels& from, size_t width, uint8_t* row) const {
    const size_t phases = conv_.column_phases.size();
    for (size_t b = 0; b < phases; ++b) {
      if (conv_.column_phases[b] < 0) continue;
      uint8_t* to = ColumnPhase(row, b);
      for (size_t slot = 0; slot < conv_.pitch; ++slot) {
        const size_t column = slot * phases + b;
        const bool inside = column >= conv_.pad && column - conv_.pad < width;
        for (size_t c = 0; c < 4; ++c) {
          *to++ = inside ? from[c][column - conv_.pad] ^ flip_ : zero_x_;
        }
      }
    }
  }

  uint8_t* ColumnPhase(uint8_t* row, size_t phase) const {
    return row + 4 * static_cast<size_t>(conv_.column_phases[phase]) * conv_.phase_columns;
  }

  void FillZero(uint8_t* to, size_t columns) const { std::memset(to, zero_x_, 4 * columns); }

  const DirectQConv& conv_;
  const uint8_t flip_, zero_x_;
  const uint8_t* const end_;
};

#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_QLINEAR_FOURS_INL_H_
