// ReducePlan: the axes of a reduction, merged where neighbours are both kept or both reduced.
#ifndef ERGO_KERNELS_REDUCE_REDUCE_PLAN_H_
#define ERGO_KERNELS_REDUCE_REDUCE_PLAN_H_

#include <array>
#include <cstdint>

#include "kernels/base/shape.h"

namespace ergo {

// Axes of some of a tensor's dimensions: how long each is and how many elements apart neighbours
// along it are. Axes of length 1 do not occur.
struct StridedAxes {
  int rank = 0;
  std::array<int64_t, kMaxRank> dims{};
  std::array<int64_t, kMaxRank> strides{};
  int64_t count = 1;  // product of dims

  // Where number `index`, counted row-major, lies.
  int64_t Offset(int64_t index) const {
    int64_t offset = 0;
    for (int axis = rank - 1; axis >= 0; --axis) {
      const auto a = static_cast<size_t>(axis);
      offset += index % dims[a] * strides[a];
      index /= dims[a];
    }
    return offset;
  }
  int64_t InnerDim() const { return rank == 0 ? 1 : dims[static_cast<size_t>(rank) - 1]; }
  int64_t InnerStride() const { return rank == 0 ? 1 : strides[static_cast<size_t>(rank) - 1]; }
};

struct ReducePlan {
  StridedAxes kept;     // row-major, they number the outputs
  StridedAxes reduced;  // what one output is made of
  // The innermost axis of length above 1, where elements are neighbours in memory, is a reduced
  // one.
  bool InnerIsReduced() const { return reduced.rank > 0 && reduced.InnerStride() == 1; }
};

ReducePlan PlanReduce(const Shape& input, uint32_t reduced_axes);

}  // namespace ergo

#endif  // ERGO_KERNELS_REDUCE_REDUCE_PLAN_H_
