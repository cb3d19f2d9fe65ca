// What host and device agree on to run the norm family: their parameters.
#ifndef ERGO_KERNELS_NORM_NORM_CUDA_H_
#define ERGO_KERNELS_NORM_NORM_CUDA_H_

#include <cstdint>

#include "kernels/base/dtype.h"

namespace ergo::cuda {

enum class LineOp : uint8_t { kSoftmax, kLogSoftmax, kHardmax, kNorm1, kNorm2 };

// Lines of [outer, length, inner] along `length`.
struct LineParameter {
  const void* in = nullptr;
  void* out = nullptr;
  uint32_t lines = 0, length = 0, inner = 1;
  LineOp op = LineOp::kSoftmax;
};

// Rows normalized by their own moments. Element i of row r is scaled and shifted by numbers of
// group r % groups: number group * group_params + i / spatial, or that of the group alone where
// spatial is the row's length.
struct MomentsParameter {
  const void* in = nullptr;
  const void* scale = nullptr;  // null: 1
  const void* bias = nullptr;   // null: 0
  void* out = nullptr;
  float* mean = nullptr;     // null: not wanted
  float* inv_std = nullptr;  // null: not wanted
  uint32_t rows = 0, length = 0, groups = 1, group_params = 0, spatial = 1;
  float epsilon = 0;
  bool rms = false;
};

struct BatchNormParameter {
  const void* in = nullptr;
  const void* scale = nullptr;
  const void* bias = nullptr;
  const void* mean = nullptr;
  const void* variance = nullptr;
  void* out = nullptr;
  uint32_t elements = 0, channels = 1, spatial = 1;
  float epsilon = 0;
  DType dtype = DType::kF32, param_dtype = DType::kF32, moments_dtype = DType::kF32;
};

struct LrnParameter {
  const void* in = nullptr;
  void* out = nullptr;
  uint32_t elements = 0, channels = 1, spatial = 1, size = 1;
  float alpha = 0, beta = 0, bias = 0;
  DType dtype = DType::kF32;
};

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_NORM_NORM_CUDA_H_
