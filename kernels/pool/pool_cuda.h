// What host and device agree on to pool: the parameter.
#ifndef ERGO_KERNELS_POOL_POOL_CUDA_H_
#define ERGO_KERNELS_POOL_POOL_CUDA_H_

#include "kernels/cuda/strided_index.h"
#include "kernels/pool/pool.h"

namespace ergo::cuda {

inline constexpr uint32_t kPoolThreads = 256;

struct PoolParameter {
  const void* in = nullptr;
  void* out = nullptr;
  int64_t* indices = nullptr;
  uint32_t outputs = 0;
  FastDivide plane, depth_step, row;  // output elements of a plane, of a slice, of a row
  int32_t in_size[3] = {}, out_size[3] = {}, kernel[3] = {}, strides[3] = {}, dilations[3] = {},
          pads_begin[3] = {}, pads_end[3] = {};
  PoolKind kind = PoolKind::kMax;
  DType dtype = DType::kF32;
  bool count_include_pad = false, column_major = false;
  float p = 2;
};

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_POOL_POOL_CUDA_H_
