// IndexPlan: the axes of a dense tensor and the strides of operands along them, in as few axes as
// there can be; made at plan time for kernels/cuda/strided_index.h.
#ifndef ERGO_KERNELS_CUDA_INDEX_PLAN_H_
#define ERGO_KERNELS_CUDA_INDEX_PLAN_H_

#include <span>
#include <vector>

#include "kernels/base/shape.h"
#include "kernels/cuda/strided_index.h"

namespace ergo::cuda {

struct IndexPlan {
  uint32_t elements = 0;
  IndexAxes axes;
  std::vector<IndexStrides> operands;

  // Operand `i` lies as the tensor does; has the one element.
  bool IsDense(size_t i) const;
  bool IsScalar(size_t i) const;
};

// strides[i][axis]: of operand i, along axis `axis` of `dims`, outermost first. Unsupported where
// an index needs more than 31 bits or there are more than kMaxIndexRank axes after merging.
Result<IndexPlan> PlanIndex(std::span<const int64_t> dims,
                            std::span<const std::vector<int64_t>> strides);

// For operands that broadcast to `output` as NumPy's do, which the caller has checked.
Result<IndexPlan> PlanBroadcastIndex(const Shape& output, std::span<const Shape> operands);

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_CUDA_INDEX_PLAN_H_
