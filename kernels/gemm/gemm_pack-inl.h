// Packing the operands of single-precision matrix products into the layouts of gemm_tile-inl.h.
// Per-target header.
#if defined(ERGO_KERNELS_GEMM_GEMM_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_GEMM_GEMM_PACK_INL_H_
#undef ERGO_KERNELS_GEMM_GEMM_PACK_INL_H_
#else
#define ERGO_KERNELS_GEMM_GEMM_PACK_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "kernels/base/simd-inl.h"
#include "kernels/gemm/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A matrix as it lies in memory.
struct StoredMatrix {
  const float* data = nullptr;
  size_t row_stride = 0;
  bool transposed = false;  // element (i, j) is at data[j * row_stride + i]

  const float* At(size_t i, size_t j) const {
    return data + (transposed ? j * row_stride + i : i * row_stride + j);
  }
};

// to[i] = scale * from[i] for i in [0, count).
HWY_INLINE void ScaleRow(const float* HWY_RESTRICT from, size_t count, float scale,
                         float* HWY_RESTRICT to) {
  const GemmTag d;
  const GemmVec factor = hn::Set(d, scale);
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    hn::StoreU(hn::Mul(hn::LoadU(d, from + i), factor), d, to + i);
  }
  if (i < count) {
    StoreTail(hn::Mul(LoadTail(d, from + i, count - i), factor), d, to + i, count - i);
  }
}

#if HWY_TARGET != HWY_SCALAR
// A 4 x 4 transposition in registers.
HWY_INLINE void Transpose4x4(const float* HWY_RESTRICT from, size_t from_stride, float scale,
                             float* HWY_RESTRICT to, size_t to_stride) {
  const hn::Full128<float> d;
  const hn::Full128<uint64_t> pairs;
  const auto factor = hn::Set(d, scale);
  const auto row0 = hn::Mul(hn::LoadU(d, from), factor);
  const auto row1 = hn::Mul(hn::LoadU(d, from + from_stride), factor);
  const auto row2 = hn::Mul(hn::LoadU(d, from + 2 * from_stride), factor);
  const auto row3 = hn::Mul(hn::LoadU(d, from + 3 * from_stride), factor);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, row0, row1));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, row2, row3));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, row0, row1));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, row2, row3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)), d, to);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)), d, to + to_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)), d, to + 2 * to_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23)), d, to + 3 * to_stride);
}
#endif

// to[j * to_stride + i] = scale * from[i * from_stride + j] for i < rows, j < columns.
inline void TransposeScaled(const float* HWY_RESTRICT from, size_t from_stride, size_t rows,
                            size_t columns, float scale, float* HWY_RESTRICT to, size_t to_stride) {
  size_t whole_rows = 0, whole_columns = 0;
#if HWY_TARGET != HWY_SCALAR
  whole_rows = rows / 4 * 4;
  whole_columns = columns / 4 * 4;
  for (size_t i = 0; i < whole_rows; i += 4) {
    for (size_t j = 0; j < whole_columns; j += 4) {
      Transpose4x4(from + i * from_stride + j, from_stride, scale, to + j * to_stride + i,
                   to_stride);
    }
  }
#endif
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = i < whole_rows ? whole_columns : 0; j < columns; ++j) {
      to[j * to_stride + i] = scale * from[i * from_stride + j];
    }
  }
}

// Rows [i, i + rows) and depth [p, p + depth) of A, times `scale`, kRowStride floats a row.
inline void PackA(const StoredMatrix& a, size_t i, size_t rows, size_t p, size_t depth, float scale,
                  float* HWY_RESTRICT to) {
  if (a.transposed) {
    TransposeScaled(a.At(i, p), a.row_stride, depth, rows, scale, to, kRowStride);
    return;
  }
  for (size_t row = 0; row < rows; ++row) {
    ScaleRow(a.At(i + row, p), depth, scale, to + row * kRowStride);
  }
}

// Depth [p, p + depth) and columns [j, j + columns) of B, columns <= kPanelWidth, as a panel of
// kPanelWidth floats a step; zero beyond the columns.
inline void PackPanel(const StoredMatrix& b, size_t p, size_t depth, size_t j, size_t columns,
                      float* HWY_RESTRICT to) {
  if (b.transposed) {
    if (columns < kPanelWidth) std::memset(to, 0, depth * kPanelWidth * sizeof(float));
    TransposeScaled(b.At(p, j), b.row_stride, columns, depth, 1.0f, to, kPanelWidth);
    return;
  }
  const GemmTag d;
  for (size_t step = 0; step < depth; ++step) {
    const float* HWY_RESTRICT from = b.At(p + step, j);
    float* HWY_RESTRICT row = to + step * kPanelWidth;
    for (size_t c = 0; c < kPanelWidth; c += kLanes) {
      const size_t left = columns > c ? columns - c : 0;
      hn::StoreU(left >= kLanes ? hn::LoadU(d, from + c) : LoadTail(d, from + c, left), d, row + c);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_GEMM_GEMM_PACK_INL_H_
