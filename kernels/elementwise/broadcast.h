// BroadcastPlan: how to walk the output of an operator with broadcasting, and its inputs along with
// it, in as few and as long rows as there can be.
#ifndef ERGO_KERNELS_ELEMENTWISE_BROADCAST_H_
#define ERGO_KERNELS_ELEMENTWISE_BROADCAST_H_

#include <array>
#include <cstdint>
#include <span>

#include "kernels/base/shape.h"
#include "kernels/base/status.h"

namespace ergo {

inline constexpr int kMaxBroadcastInputs = 3;

// Made once, at plan time. Axes along which every input is either walked or repeated just as along
// their neighbour are merged with it, axes of length 1 dropped; so two operands of one shape give a
// single row, [N, C, H, W] with [C, 1, 1] gives rows of H * W, and with [W] rows of W.
struct BroadcastPlan {
  Shape output;            // not merged
  int64_t row_length = 1;  // of the innermost merged axis
  // 1 where the input is walked along a row, 0 where one element of it is repeated.
  std::array<int64_t, kMaxBroadcastInputs> row_stride{};
  int64_t rows = 1;  // product of the outer merged axes
  int outer_rank = 0;
  // The outer merged axes, outermost first, and the elements between neighbours along each.
  std::array<int64_t, kMaxRank> outer_dims{};
  std::array<std::array<int64_t, kMaxRank>, kMaxBroadcastInputs> outer_strides{};

  bool SingleRow() const { return rows == 1; }
};

// InvalidArgument when the shapes do not broadcast, or to more than kMaxTensorElements.
Result<BroadcastPlan> PlanBroadcast(std::span<const Shape> inputs);

// Walks the rows of a plan in order, from any one on.
class RowWalker {
 public:
  RowWalker(const BroadcastPlan& plan, int64_t first_row);
  // Of the current row: where it begins in an input, in elements.
  int64_t Offset(int input) const { return offsets_[static_cast<size_t>(input)]; }
  void Next();

 private:
  const BroadcastPlan& plan_;
  std::array<int64_t, kMaxRank> index_{};
  std::array<int64_t, kMaxBroadcastInputs> offsets_{};
};

// Calls body(output_offset, length, walker, column) for the pieces of rows that make up the output
// elements [begin, end).
template <typename Body>
void ForEachRowPiece(const BroadcastPlan& plan, int64_t begin, int64_t end, const Body& body) {
  if (begin >= end) return;
  RowWalker walker(plan, begin / plan.row_length);
  int64_t column = begin % plan.row_length;
  for (int64_t at = begin; at < end;) {
    const int64_t left = plan.row_length - column;
    const int64_t length = left < end - at ? left : end - at;
    body(at, length, walker, column);
    at += length;
    column = 0;
    if (at < end) walker.Next();
  }
}

}  // namespace ergo

#endif  // ERGO_KERNELS_ELEMENTWISE_BROADCAST_H_
