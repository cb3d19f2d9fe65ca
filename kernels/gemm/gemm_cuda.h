// What host and device agree on to multiply with matrix instructions: tile sizes, the layout of
// shared memory, the parameter.
#ifndef ERGO_KERNELS_GEMM_GEMM_CUDA_H_
#define ERGO_KERNELS_GEMM_GEMM_CUDA_H_

#include <cstdint>

#include "kernels/base/activation.h"
#include "kernels/gemm/gemm.h"

namespace ergo::cuda {

// A block computes a tile of D from panels of A and B that pass through shared memory, kGemmStages
// of them on their way at once.
inline constexpr int32_t kGemmTileRows = 64, kGemmTileColumns = 64, kGemmTileDepth = 32;
inline constexpr int32_t kGemmStages = 3;
inline constexpr uint32_t kGemmThreads = 128;  // 2 x 2 warps of 32 x 32 results

// Elements between rows in shared memory: so many that the eight rows of 16 bytes which one matrix
// load reads lie in different banks.
inline constexpr int32_t kGemmDeepStride = kGemmTileDepth + 8;    // of panels [rows][depth]
inline constexpr int32_t kGemmWideStride = kGemmTileColumns + 8;  // of B [depth][columns]
inline constexpr int32_t kGemmPanelElements = kGemmTileRows * kGemmDeepStride;
inline constexpr uint32_t kGemmSharedBytes = kGemmStages * 2 * kGemmPanelElements * 2;
static_assert(kGemmTileDepth * kGemmWideStride <= kGemmPanelElements);

struct GemmMmaParameter {
  const void* a = nullptr;
  const void* b = nullptr;
  const void* bias = nullptr;
  const void* residual = nullptr;  // null: none
  void* d = nullptr;
  int32_t m = 0, n = 0, k = 0;
  int64_t a_row_stride = 0, b_row_stride = 0, a_batch_stride = 0, b_batch_stride = 0;
  float alpha = 1, beta = 1;
  GemmBias bias_kind = GemmBias::kNone;
  ActivationSpec activation;
};

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_GEMM_GEMM_CUDA_H_
