#include "kernels/elementwise/broadcast.h"

namespace ergo {
namespace {

using Strides = std::array<int64_t, kMaxBroadcastInputs>;

// Elements between neighbours of each input along one output axis; 0 where it is repeated.
Strides AxisStrides(std::span<const Shape> inputs, int axis, int rank) {
  Strides strides{};
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int own = axis - (rank - inputs[i].Rank());
    if (own < 0 || inputs[i][own] == 1) continue;
    strides[i] = inputs[i].RowMajorStrides()[static_cast<size_t>(own)];
  }
  return strides;
}

}  // namespace

Result<BroadcastPlan> PlanBroadcast(std::span<const Shape> inputs) {
  BroadcastPlan plan;
  for (const Shape& input : inputs) {
    ERGO_ASSIGN_OR_RETURN(plan.output, BroadcastShapes(plan.output, input));
  }
  ERGO_RETURN_IF_ERROR(Shape::Make(plan.output.Dims()).status());

  // Merged axes, innermost first.
  const int rank = plan.output.Rank();
  std::array<int64_t, kMaxRank> dims{};
  std::array<Strides, kMaxRank> strides{};
  size_t merged = 0;
  for (int axis = rank - 1; axis >= 0; --axis) {
    const int64_t dim = plan.output[axis];
    if (dim == 1) continue;
    const Strides outer = AxisStrides(inputs, axis, rank);
    bool merges = merged > 0;
    for (size_t i = 0; i < inputs.size() && merges; ++i) {
      merges = outer[i] == strides[merged - 1][i] * dims[merged - 1];
    }
    if (merges) {
      dims[merged - 1] *= dim;
    } else {
      dims[merged] = dim;
      strides[merged++] = outer;
    }
  }
  if (merged == 0) return plan;

  plan.row_length = dims[0];
  plan.row_stride = strides[0];
  plan.outer_rank = static_cast<int>(merged) - 1;
  for (size_t k = 1; k < merged; ++k) {
    const size_t to = merged - 1 - k;
    plan.outer_dims[to] = dims[k];
    plan.rows *= dims[k];
    for (size_t i = 0; i < inputs.size(); ++i) plan.outer_strides[i][to] = strides[k][i];
  }
  return plan;
}

RowWalker::RowWalker(const BroadcastPlan& plan, int64_t first_row) : plan_(plan) {
  for (int axis = plan.outer_rank - 1; axis >= 0; --axis) {
    const auto a = static_cast<size_t>(axis);
    index_[a] = first_row % plan.outer_dims[a];
    first_row /= plan.outer_dims[a];
    for (size_t i = 0; i < offsets_.size(); ++i) {
      offsets_[i] += index_[a] * plan.outer_strides[i][a];
    }
  }
}

void RowWalker::Next() {
  for (int axis = plan_.outer_rank - 1; axis >= 0; --axis) {
    const auto a = static_cast<size_t>(axis);
    for (size_t i = 0; i < offsets_.size(); ++i) offsets_[i] += plan_.outer_strides[i][a];
    if (++index_[a] < plan_.outer_dims[a]) return;
    index_[a] = 0;
    for (size_t i = 0; i < offsets_.size(); ++i) {
      offsets_[i] -= plan_.outer_dims[a] * plan_.outer_strides[i][a];
    }
  }
}

}  // namespace ergo
