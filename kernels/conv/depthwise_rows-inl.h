// Depthwise convolution down the rows of a patch, for small kernels known at compile time. An input
// row is loaded once for all the output rows that it is part of, whose sums travel through the
// registers: with 3x3 taps, three loads an output vector in place of nine.
//
// Per-target header: include it below <hwy/highway.h>.
#if defined(ERGO_KERNELS_CONV_DEPTHWISE_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_CONV_DEPTHWISE_ROWS_INL_H_
#undef ERGO_KERNELS_CONV_DEPTHWISE_ROWS_INL_H_
#else
#define ERGO_KERNELS_CONV_DEPTHWISE_ROWS_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/base/simd-inl.h"
#include "kernels/conv/patch_plan.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The outputs of one channel of one block.
struct DepthwiseRows {
  const float* patch;
  int64_t pitch;           // of the patch's rows
  int64_t row_phase;       // elements from one row phase to the next
  const int32_t* columns;  // offsets of the kernel's columns
  const float* weights;    // [kernel height][kernel width]
  float bias;
  int64_t rows, width;
  const float* residual;  // as y, or null
  float* y;
  int64_t y_row;
  bool clamp;
  float low, high;
};

template <class D, class V = hn::Vec<D>>
HWY_INLINE V ClampVector(D d, V v, float low, float high) {
  const V lowest = hn::Set(d, low), highest = hn::Set(d, high);
  v = hn::IfThenElse(hn::Lt(v, lowest), lowest, v);  // a NaN stays
  return hn::IfThenElse(hn::Gt(v, highest), highest, v);
}

// The `count` (up to kVectors vectors of) columns from `column` on, all rows. Sums slot j belongs
// to the output row that still lacks j row steps.
template <int kHeight, int kWidth, int kStride, size_t kVectors>
void DepthwiseColumns(const DepthwiseRows& r, int64_t column, size_t count) {
  using D = hn::ScalableTag<float>;
  using V = hn::Vec<D>;
  const D d;
  const size_t lanes = hn::Lanes(d);
  constexpr int kSlots = (kHeight + kStride - 1) / kStride;
  V weights[kHeight * kWidth];
  for (int k = 0; k < kHeight * kWidth; ++k) weights[k] = hn::Set(d, r.weights[k]);
  V sums[kSlots][kVectors];
  for (int slot = 0; slot < kSlots; ++slot) {
    for (size_t j = 0; j < kVectors; ++j) sums[slot][j] = hn::Set(d, r.bias);
  }
  const float* row = r.patch + column;
  for (int64_t step = 1 - kSlots; step < r.rows; ++step, row += r.pitch) {
    for (int phase = 0; phase < kStride; ++phase) {
      for (int kw = 0; kw < kWidth; ++kw) {
        const float* from = row + phase * r.row_phase + r.columns[kw];
        for (size_t j = 0; j < kVectors; ++j) {
          const V x = hn::LoadU(d, from + j * lanes);
          for (int kh = phase; kh < kHeight; kh += kStride) {
            V& sum = sums[kSlots - 1 - kh / kStride][j];
            sum = hn::MulAdd(weights[kh * kWidth + kw], x, sum);
          }
        }
      }
    }
    if (step >= 0) {
      const int64_t at = step * r.y_row + column;
      for (size_t j = 0; j < kVectors; ++j) {
        const size_t rest = std::min(count - j * lanes, lanes);
        V sum = sums[0][j];
        if (r.residual != nullptr) {
          sum = hn::Add(sum, LoadTail(d, r.residual + at + j * lanes, rest));
        }
        if (r.clamp) sum = ClampVector(d, sum, r.low, r.high);
        if (rest == lanes) {
          hn::StoreU(sum, d, r.y + at + j * lanes);
        } else {
          StoreTail(sum, d, r.y + at + j * lanes, rest);
        }
      }
    }
    for (size_t j = 0; j < kVectors; ++j) {
      for (int slot = 0; slot + 1 < kSlots; ++slot) sums[slot][j] = sums[slot + 1][j];
      sums[kSlots - 1][j] = hn::Set(d, r.bias);
    }
  }
}

template <int kHeight, int kWidth, int kStride>
void DepthwiseAll(const DepthwiseRows& r) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<float>()));
  for (int64_t column = 0; column < r.width;) {
    const int64_t rest = r.width - column;
    if (rest > lanes) {
      const int64_t count = std::min(rest, 2 * lanes);
      DepthwiseColumns<kHeight, kWidth, kStride, 2>(r, column, static_cast<size_t>(count));
      column += count;
    } else {
      DepthwiseColumns<kHeight, kWidth, kStride, 1>(r, column, static_cast<size_t>(rest));
      column += rest;
    }
  }
}

using DepthwiseFn = void (*)(const DepthwiseRows& rows);

// Null where there is none for the window.
inline DepthwiseFn FindDepthwise(const Window& window) {
  if (window.kernel[0] != 1 || window.dilations[1] != 1) return nullptr;
  const int64_t stride = window.strides[1];
  if (window.kernel[1] == 3 && window.kernel[2] == 3) {
    if (stride == 1) return DepthwiseAll<3, 3, 1>;
    if (stride == 2) return DepthwiseAll<3, 3, 2>;
  }
  if (window.kernel[1] == 5 && window.kernel[2] == 5) {
    if (stride == 1) return DepthwiseAll<5, 5, 1>;
    if (stride == 2) return DepthwiseAll<5, 5, 2>;
  }
  return nullptr;
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_CONV_DEPTHWISE_ROWS_INL_H_
