// What host and device agree on to reduce: their parameters.
#ifndef ERGO_KERNELS_REDUCE_REDUCE_CUDA_H_
#define ERGO_KERNELS_REDUCE_REDUCE_CUDA_H_

#include "kernels/cuda/strided_index.h"
#include "kernels/reduce/reduce.h"

namespace ergo::cuda {

inline constexpr uint32_t kReduceThreads = 256;

// Output o is made of the elements at kept(o) + reduced(i) for i < count.
struct ReduceParameter {
  const void* in = nullptr;
  void* out = nullptr;
  uint32_t outputs = 0, count = 0;
  IndexAxes kept_axes, reduced_axes;
  IndexStrides kept, reduced;
  ReduceOp op = ReduceOp::kSum;
  DType dtype = DType::kF32;
};

// Lines of [outer, length, inner].
struct ArgReduceParameter {
  const void* in = nullptr;
  int64_t* out = nullptr;
  uint32_t lines = 0, length = 0, inner = 1;
  DType dtype = DType::kF32;
  bool largest = true, last = false;
};

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_REDUCE_REDUCE_CUDA_H_
