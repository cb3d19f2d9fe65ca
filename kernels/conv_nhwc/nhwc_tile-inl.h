// The micro-kernel of convolutions with channels innermost: some positions, each broadcast from
// memory, times vectors of packed weights, the sums in registers from the bias to the store.
// Per-target header.
#if defined(ERGO_KERNELS_CONV_NHWC_NHWC_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_CONV_NHWC_NHWC_TILE_INL_H_
#undef ERGO_KERNELS_CONV_NHWC_NHWC_TILE_INL_H_
#else
#define ERGO_KERNELS_CONV_NHWC_NHWC_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "kernels/base/activation-inl.h"
#include "kernels/base/simd-inl.h"
#include "kernels/conv/channel_panels.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using NhwcTag = hn::ScalableTag<float>;
using NhwcVec = hn::Vec<NhwcTag>;

// Sums, weights and one broadcast fill the registers: 32 of them, or 16.
constexpr bool kNhwcManyRegisters =
    HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON;
constexpr size_t kNhwcRows[kMaxPanelVectors] = {
    kNhwcManyRegisters ? 16 : 8, kNhwcManyRegisters ? 12 : 6, kNhwcManyRegisters ? 8 : 4};

struct NhwcTileCall {
  const float* x;                // of the first position
  int64_t x_step;                // from one position to the next
  const DepthSegment* segments;  // the products, in the order of the weights
  int64_t segment_count;
  const float* weights;   // [depth][vectors]
  const float* bias;      // [vectors], whole vectors
  const float* residual;  // as y, or null
  float* y;               // of the first position, `y_step` from one to the next
  int64_t y_step;
  size_t tail;  // channels in the last vector
  const ActivationSpec* activation;
};

template <size_t kRows, size_t kVectors>
HWY_INLINE void FinishTile(const NhwcTileCall& call, NhwcVec (&sums)[kRows][kVectors]) {
  const NhwcTag d;
  const size_t lanes = hn::Lanes(d);
  const bool whole = call.tail == lanes;
  if (call.residual != nullptr) {
    for (size_t i = 0; i < kRows; ++i) {
      const float* HWY_RESTRICT z = call.residual + static_cast<int64_t>(i) * call.y_step;
      for (size_t j = 0; j < kVectors; ++j) {
        const bool full = j + 1 < kVectors || whole;
        const NhwcVec add =
            full ? hn::LoadU(d, z + j * lanes) : LoadTail(d, z + j * lanes, call.tail);
        sums[i][j] = hn::Add(sums[i][j], add);
      }
    }
  }
  const ActivationSpec& spec = *call.activation;
  const bool clamps = spec.kind == Activation::kRelu || spec.kind == Activation::kClip;
  if (clamps) {
    const bool relu = spec.kind == Activation::kRelu;
    const NhwcVec low = hn::Set(d, relu ? 0.0f : spec.alpha);
    const NhwcVec high = hn::Set(d, relu ? std::numeric_limits<float>::infinity() : spec.beta);
    for (size_t i = 0; i < kRows; ++i) {
      for (size_t j = 0; j < kVectors; ++j) sums[i][j] = ClampVector(sums[i][j], low, high);
    }
  }
  for (size_t i = 0; i < kRows; ++i) {
    float* HWY_RESTRICT y = call.y + static_cast<int64_t>(i) * call.y_step;
    for (size_t j = 0; j < kVectors; ++j) {
      if (j + 1 < kVectors || whole) {
        hn::StoreU(sums[i][j], d, y + j * lanes);
      } else {
        StoreTail(sums[i][j], d, y + j * lanes, call.tail);
      }
    }
  }
  if (clamps || spec.kind == Activation::kNone) return;
  for (size_t i = 0; i < kRows; ++i) {
    ActivateRow(spec, call.y + static_cast<int64_t>(i) * call.y_step,
                (kVectors - 1) * lanes + call.tail);
  }
}

template <size_t kRows, size_t kVectors>
HWY_NOINLINE void MultiplyTile(const NhwcTileCall& call) {
  const NhwcTag d;
  const size_t lanes = hn::Lanes(d);
  NhwcVec sums[kRows][kVectors];
  for (size_t j = 0; j < kVectors; ++j) {
    const NhwcVec bias = hn::LoadU(d, call.bias + j * lanes);
    for (size_t i = 0; i < kRows; ++i) sums[i][j] = bias;
  }
  const float* HWY_RESTRICT weights = call.weights;
  const int64_t step = call.x_step;
  for (int64_t s = 0; s < call.segment_count; ++s) {
    const float* HWY_RESTRICT x = call.x + call.segments[s].offset;
    const float* const end = x + call.segments[s].depth;
    for (; x != end; ++x, weights += kVectors * lanes) {
      NhwcVec w[kVectors];
      for (size_t j = 0; j < kVectors; ++j) w[j] = hn::LoadU(d, weights + j * lanes);
      for (size_t i = 0; i < kRows; ++i) {
        const NhwcVec value = hn::Set(d, x[static_cast<int64_t>(i) * step]);
        for (size_t j = 0; j < kVectors; ++j) sums[i][j] = hn::MulAdd(value, w[j], sums[i][j]);
      }
    }
  }
  FinishTile<kRows, kVectors>(call, sums);
}

using NhwcTileFn = void (*)(const NhwcTileCall& call);

template <size_t kVectors, size_t... kIndex>
NhwcTileFn FindTileOf(int64_t rows, std::index_sequence<kIndex...>) {
  static constexpr NhwcTileFn kTiles[] = {MultiplyTile<kIndex + 1, kVectors>...};
  return kTiles[rows - 1];
}

// `rows` is at most kNhwcRows[vectors - 1].
HWY_INLINE NhwcTileFn FindTile(int64_t rows, int64_t vectors) {
  switch (vectors) {
    case 1: return FindTileOf<1>(rows, std::make_index_sequence<kNhwcRows[0]>());
    case 2: return FindTileOf<2>(rows, std::make_index_sequence<kNhwcRows[1]>());
    default: return FindTileOf<3>(rows, std::make_index_sequence<kNhwcRows[2]>());
  }
}

// `count` positions with the same panel, in tiles as even as can be; `call` is the first one's.
HWY_INLINE void RunTiles(NhwcTileCall call, int64_t count, int64_t vectors) {
  int64_t tiles = (count - 1) / static_cast<int64_t>(kNhwcRows[vectors - 1]) + 1;
  for (int64_t rows = 0; count > 0; count -= rows, --tiles) {
    rows = (count - 1) / tiles + 1;
    FindTile(rows, vectors)(call);
    call.x += rows * call.x_step;
    call.y += rows * call.y_step;
    if (call.residual != nullptr) call.residual += rows * call.y_step;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_CONV_NHWC_NHWC_TILE_INL_H_
