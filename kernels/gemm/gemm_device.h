// Device code of products of 16-bit matrices with the matrix instructions of sm_80: panels arrive
// by asynchronous copies while those before are multiplied, and the epilogue is applied to the
// results where they are, in registers.
#ifndef ERGO_KERNELS_GEMM_GEMM_DEVICE_H_
#define ERGO_KERNELS_GEMM_GEMM_DEVICE_H_

#include "kernels/cuda/activation_device.h"
#include "kernels/cuda/kernel_entry.h"
#include "kernels/gemm/gemm_cuda.h"

namespace ergo::cuda {

// Copies a panel of `kRows` rows of `kColumns` elements, 16 bytes at a time; what lies outside of
// [rows, columns) becomes zero. `from` is the first element of the panel.
template <int32_t kRows, int32_t kColumns, int32_t kStride, typename T>
ERGO_DEVICE void LoadPanel(T* panel, const T* from, int64_t row_stride, int32_t rows,
                           int32_t columns) {
  constexpr int32_t kChunk = 16 / sizeof(T), kPerRow = kColumns / kChunk;
  ERGO_UNROLL
  for (int32_t i = 0; i < kRows * kPerRow; i += static_cast<int32_t>(kGemmThreads)) {
    const int32_t chunk = i + static_cast<int32_t>(Thread());
    const int32_t row = chunk / kPerRow, column = chunk % kPerRow * kChunk;
    const bool inside = row < rows && column < columns;
    const T* source = inside ? from + row * row_stride + column : from;
    CopyAsync16(panel + row * kStride + column, source, inside ? 16 : 0);
  }
}

template <typename T, bool kTransB>
struct GemmPanels {
  const GemmMmaParameter& p;
  const T* a;
  const T* b;
  int32_t row, column;  // of the tile
  T* shared;

  ERGO_DEVICE T* A(int32_t stage) const { return shared + stage * 2 * kGemmPanelElements; }
  ERGO_DEVICE T* B(int32_t stage) const { return A(stage) + kGemmPanelElements; }

  ERGO_DEVICE void Load(int32_t step) const {
    const int32_t depth = step * kGemmTileDepth, stage = step % kGemmStages;
    if (depth < p.k) {
      LoadPanel<kGemmTileRows, kGemmTileDepth, kGemmDeepStride>(
          A(stage), a + row * p.a_row_stride + depth, p.a_row_stride, p.m - row, p.k - depth);
      if constexpr (kTransB) {
        LoadPanel<kGemmTileColumns, kGemmTileDepth, kGemmDeepStride>(
            B(stage), b + column * p.b_row_stride + depth, p.b_row_stride, p.n - column,
            p.k - depth);
      } else {
        LoadPanel<kGemmTileDepth, kGemmTileColumns, kGemmWideStride>(
            B(stage), b + depth * p.b_row_stride + column, p.b_row_stride, p.k - depth,
            p.n - column);
      }
    }
    CommitCopies();
  }
};

// One panel's worth of products for the 32 x 32 results of this warp.
template <typename T, bool kTransB>
ERGO_DEVICE void MultiplyPanels(const T* a, const T* b, int32_t warp_row, int32_t warp_column,
                                float (&sums)[2][4][4]) {
  const auto lane = static_cast<int32_t>(Thread() % kWarp);
  ERGO_UNROLL
  for (int32_t depth = 0; depth < kGemmTileDepth; depth += 16) {
    uint32_t of_a[2][4], of_b[2][4];
    ERGO_UNROLL
    for (int32_t i = 0; i < 2; ++i) {
      const int32_t row = warp_row + i * 16 + lane % 16;
      LoadMatrices<false>(of_a[i], a + row * kGemmDeepStride + depth + lane / 16 * 8);
      const int32_t column = warp_column + i * 16;
      if constexpr (kTransB) {
        const int32_t at = column + lane / 16 * 8 + lane % 8;
        LoadMatrices<false>(of_b[i], b + at * kGemmDeepStride + depth + lane / 8 % 2 * 8);
      } else {
        LoadMatrices<true>(of_b[i],
                           b + (depth + lane % 16) * kGemmWideStride + column + lane / 16 * 8);
      }
    }
    ERGO_UNROLL
    for (int32_t i = 0; i < 2; ++i) {
      ERGO_UNROLL
      for (int32_t j = 0; j < 4; ++j) {
        const uint32_t pair[2] = {of_b[j / 2][j % 2 * 2], of_b[j / 2][j % 2 * 2 + 1]};
        MultiplyAdd16x8x16<T>(sums[i][j], of_a[i], pair);
      }
    }
  }
}

template <typename T>
ERGO_DEVICE void StoreResult(const GemmMmaParameter& p, int32_t row, int32_t column, float sum) {
  if (row >= p.m || column >= p.n) return;
  const T* bias = static_cast<const T*>(p.bias);
  float value = p.alpha * sum;
  switch (p.bias_kind) {
    case GemmBias::kNone: break;
    case GemmBias::kScalar: value += p.beta * ToFloat(bias[0]); break;
    case GemmBias::kPerColumn: value += p.beta * ToFloat(bias[column]); break;
    case GemmBias::kPerRow: value += p.beta * ToFloat(bias[row]); break;
    case GemmBias::kFull: value += p.beta * ToFloat(bias[int64_t{row} * p.n + column]); break;
  }
  const int64_t at = (int64_t{static_cast<int32_t>(BlockZ())} * p.m + row) * p.n + column;
  if (p.residual != nullptr) value += ToFloat(static_cast<const T*>(p.residual)[at]);
  static_cast<T*>(p.d)[at] = FromFloat<T>(ActivateOnDevice(p.activation, value));
}

template <typename T, bool kTransB>
ERGO_DEVICE void RunGemm(const GemmMmaParameter& p, std::byte* shared) {
  const auto batch = static_cast<int64_t>(BlockZ());
  const GemmPanels<T, kTransB> panels{p,
                                      static_cast<const T*>(p.a) + batch * p.a_batch_stride,
                                      static_cast<const T*>(p.b) + batch * p.b_batch_stride,
                                      static_cast<int32_t>(BlockY()) * kGemmTileRows,
                                      static_cast<int32_t>(BlockX()) * kGemmTileColumns,
                                      reinterpret_cast<T*>(shared)};
  const auto warp = static_cast<int32_t>(Thread() / kWarp);
  const int32_t warp_row = warp / 2 * 32, warp_column = warp % 2 * 32;
  float sums[2][4][4] = {};
  for (int32_t step = 0; step < kGemmStages - 1; ++step) panels.Load(step);
  const int32_t steps = (p.k + kGemmTileDepth - 1) / kGemmTileDepth;
  for (int32_t step = 0; step < steps; ++step) {
    WaitForCopies<kGemmStages - 2>();
    // All copies of this stage have arrived, and nobody reads the stage that is loaded next.
    SyncThreads();
    panels.Load(step + kGemmStages - 1);
    const int32_t stage = step % kGemmStages;
    MultiplyPanels<T, kTransB>(panels.A(stage), panels.B(stage), warp_row, warp_column, sums);
  }
  const auto lane = static_cast<int32_t>(Thread() % kWarp);
  ERGO_UNROLL
  for (int32_t i = 0; i < 2; ++i) {
    ERGO_UNROLL
    for (int32_t j = 0; j < 4; ++j) {
      ERGO_UNROLL
      for (int32_t e = 0; e < 4; ++e) {
        StoreResult<T>(p, panels.row + warp_row + i * 16 + lane / 4 + e / 2 * 8,
                       panels.column + warp_column + j * 8 + lane % 4 * 2 + e % 2, sums[i][j][e]);
      }
    }
  }
}

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_GEMM_GEMM_DEVICE_H_
