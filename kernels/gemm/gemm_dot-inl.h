// Products of few rows with a transposed matrix that is not known ahead of the run: both operands
// are contiguous along k, so D is made of dot products, and B is read once, in place.
// Per-target header.
#if defined(ERGO_KERNELS_GEMM_GEMM_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_GEMM_GEMM_DOT_INL_H_
#undef ERGO_KERNELS_GEMM_GEMM_DOT_INL_H_
#else
#define ERGO_KERNELS_GEMM_GEMM_DOT_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>

#include "kernels/base/simd-inl.h"
#include "kernels/gemm/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr size_t kDotRows = 2;
constexpr size_t kDotColumns = 4;

// out[i][j] = the dot product of row i of A and row j of B, over `depth`. Each lane sums its own
// part of the depth, then the lanes are added: the order does not depend on which rows come along.
template <size_t kRows, size_t kColumns>
HWY_INLINE void DotTile(const float* HWY_RESTRICT a, size_t a_stride, const float* HWY_RESTRICT b,
                        size_t b_stride, size_t depth, float (&out)[kDotRows][kDotColumns]) {
  const GemmTag d;
  GemmVec sums[kRows][kColumns];
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t j = 0; j < kColumns; ++j) sums[i][j] = hn::Zero(d);
  }
  size_t p = 0;
  for (; p + kLanes <= depth; p += kLanes) {
    HWY_UNROLL(16)
    for (size_t j = 0; j < kColumns; ++j) {
      const GemmVec column = hn::LoadU(d, b + j * b_stride + p);
      HWY_UNROLL(16)
      for (size_t i = 0; i < kRows; ++i) {
        sums[i][j] = hn::MulAdd(hn::LoadU(d, a + i * a_stride + p), column, sums[i][j]);
      }
    }
  }
  for (size_t j = 0; p < depth && j < kColumns; ++j) {
    const GemmVec column = LoadTail(d, b + j * b_stride + p, depth - p);
    for (size_t i = 0; i < kRows; ++i) {
      const GemmVec row = LoadTail(d, a + i * a_stride + p, depth - p);
      sums[i][j] = hn::MulAdd(row, column, sums[i][j]);
    }
  }
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t j = 0; j < kColumns; ++j) out[i][j] = hn::GetLane(hn::SumOfLanes(d, sums[i][j]));
  }
}

// D's rows [0, rows) and columns [0, columns), overwritten with alpha times the product.
inline void DotProducts(const float* a, size_t a_stride, const float* b, size_t b_stride,
                        size_t rows, size_t columns, size_t depth, float alpha, float* d,
                        size_t d_stride) {
  float out[kDotRows][kDotColumns];
  for (size_t j = 0; j < columns; j += kDotColumns) {
    const size_t wide = columns - j < kDotColumns ? columns - j : kDotColumns;
    const float* b_rows = b + j * b_stride;
    for (size_t i = 0; i < rows; i += kDotRows) {
      const size_t high = rows - i < kDotRows ? rows - i : kDotRows;
      const float* a_rows = a + i * a_stride;
      if (wide == kDotColumns && high == kDotRows) {
        DotTile<kDotRows, kDotColumns>(a_rows, a_stride, b_rows, b_stride, depth, out);
      } else if (wide == kDotColumns) {
        DotTile<1, kDotColumns>(a_rows, a_stride, b_rows, b_stride, depth, out);
      } else {
        for (size_t k = 0; k < high * wide; ++k) {
          float one[kDotRows][kDotColumns];
          DotTile<1, 1>(a_rows + k / wide * a_stride, a_stride, b_rows + k % wide * b_stride,
                        b_stride, depth, one);
          out[k / wide][k % wide] = one[0][0];
        }
      }
      for (size_t k = 0; k < high * wide; ++k) {
        d[(i + k / wide) * d_stride + j + k % wide] = alpha * out[k / wide][k % wide];
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_GEMM_GEMM_DOT_INL_H_
