// What host and device agree on to move elements: their parameters. Elements are `unit_bytes` wide,
// whatever their type: 1, 2, 4, 8 or 16.
#ifndef ERGO_KERNELS_MOVE_MOVE_CUDA_H_
#define ERGO_KERNELS_MOVE_MOVE_CUDA_H_

#include <cstdint>

#include "kernels/cuda/strided_index.h"

namespace ergo::cuda {

inline constexpr uint32_t kMoveThreads = 256;

struct CopyParameter {
  const void* from = nullptr;
  void* to = nullptr;
  uint32_t elements = 0, unit_bytes = 4;
  IndexAxes axes;
  IndexStrides from_strides, to_strides;
};

// to [outer, count, run] = from [outer, dim, run] at indices [count]; 0 where an index is outside.
struct GatherParameter {
  const void* from = nullptr;
  const void* indices = nullptr;
  void* to = nullptr;
  uint32_t elements = 0, unit_bytes = 4;
  uint32_t dim = 0;
  FastDivide count, run;
  bool wide_indices = true;  // int64, else int32
};

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_MOVE_MOVE_CUDA_H_
