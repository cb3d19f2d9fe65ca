#include "kernels/cuda/index_plan.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace ergo::cuda {
namespace {

constexpr int64_t kLargestIndex = std::numeric_limits<int32_t>::max();

struct Axis {
  int64_t dim = 1;
  std::vector<int64_t> strides;  // one an operand
};

// Without axes of length 1, innermost first, neighbours merged where every operand walks both as
// one.
std::vector<Axis> MergeAxes(std::span<const int64_t> dims,
                            std::span<const std::vector<int64_t>> strides) {
  std::vector<Axis> merged;
  for (size_t at = dims.size(); at-- > 0;) {
    if (dims[at] == 1) continue;
    Axis axis{dims[at], {}};
    for (const std::vector<int64_t>& operand : strides) axis.strides.push_back(operand[at]);
    bool merges = !merged.empty();
    for (size_t i = 0; merges && i < strides.size(); ++i) {
      merges = axis.strides[i] == merged.back().strides[i] * merged.back().dim;
    }
    if (merges) {
      merged.back().dim *= axis.dim;
    } else {
      merged.push_back(std::move(axis));
    }
  }
  return merged;
}

}  // namespace

bool IndexPlan::IsDense(size_t i) const {
  return axes.rank == 0 || (axes.rank == 1 && operands[i].strides[0] == 1);
}

bool IndexPlan::IsScalar(size_t i) const {
  return std::all_of(operands[i].strides, operands[i].strides + axes.rank,
                     [](int32_t stride) { return stride == 0; });
}

Result<IndexPlan> PlanIndex(std::span<const int64_t> dims,
                            std::span<const std::vector<int64_t>> strides) {
  IndexPlan plan;
  plan.operands.resize(strides.size());
  const int64_t elements = Shape(dims).Elements();
  if (elements > kLargestIndex) return Unsupported("{} elements need 64-bit indices", elements);
  plan.elements = static_cast<uint32_t>(elements);
  if (elements == 0) return plan;
  const std::vector<Axis> merged = MergeAxes(dims, strides);
  if (merged.size() > static_cast<size_t>(kMaxIndexRank)) {
    return Unsupported("{} axes", merged.size());
  }
  plan.axes.rank = static_cast<int32_t>(merged.size());
  for (size_t i = 0; i < strides.size(); ++i) {
    int64_t farthest = 0;
    for (size_t axis = 0; axis < merged.size(); ++axis) {
      plan.axes.dims[axis] = FastDivide::By(static_cast<uint32_t>(merged[axis].dim));
      farthest += std::abs(merged[axis].strides[i]) * (merged[axis].dim - 1);
      plan.operands[i].strides[axis] = static_cast<int32_t>(merged[axis].strides[i]);
    }
    if (farthest > kLargestIndex) return Unsupported("operand {} needs 64-bit indices", i);
  }
  return plan;
}

Result<IndexPlan> PlanBroadcastIndex(const Shape& output, std::span<const Shape> operands) {
  std::vector<std::vector<int64_t>> strides;
  for (const Shape& operand : operands) {
    std::vector<int64_t>& own = strides.emplace_back(static_cast<size_t>(output.Rank()));
    const auto dense = operand.RowMajorStrides();
    for (int axis = 0; axis < operand.Rank(); ++axis) {
      if (operand[axis] == 1) continue;
      own[static_cast<size_t>(axis + output.Rank() - operand.Rank())] =
          dense[static_cast<size_t>(axis)];
    }
  }
  return PlanIndex(output.Dims(), strides);
}

}  // namespace ergo::cuda
