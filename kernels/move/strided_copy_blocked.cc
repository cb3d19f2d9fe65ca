// Strided copy as loops over two inner axes: runs of bytes, repeated elements, or a blocked 2-D
// transpose when the input is contiguous along another axis than the output.
#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/base/checked_math.h"
#include "kernels/base/parallel_ranges.h"
#include "kernels/move/copy_plan.h"
#include "kernels/move/element.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/move/strided_copy_blocked.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef ERGO_KERNELS_MOVE_STRIDED_COPY_BLOCKED_ONCE
#define ERGO_KERNELS_MOVE_STRIDED_COPY_BLOCKED_ONCE
namespace ergo::move {

// to[i * to_stride + j] = from[j * from_stride + i], i < rows, j < columns, in elements of a fixed
// size; strides in bytes.
struct Transpose2d {
  int64_t rows = 0, columns = 0;
  int64_t from_stride = 0, to_stride = 0;
};

// Both sides of a tile together stay within the first-level cache.
inline constexpr int64_t kTransposeTile = 64;
inline constexpr int64_t kTilesPerPiece = 8;

template <size_t kBytes>
inline void TransposeScalar(const std::byte* from, std::byte* to, const Transpose2d& shape) {
  constexpr auto kStep = static_cast<int64_t>(kBytes);
  for (int64_t i = 0; i < shape.rows; ++i) {
    for (int64_t j = 0; j < shape.columns; ++j) {
      std::memcpy(to + i * shape.to_stride + j * kStep, from + j * shape.from_stride + i * kStep,
                  kBytes);
    }
  }
}

// Squares of this many elements a side are moved with loops of fixed length. Eight rows, not more:
// rows whose distance is a multiple of 4096 bytes share the eight ways of one cache set.
inline constexpr int64_t kSquare = 8;

template <size_t kBytes>
inline void TransposeSquares(const std::byte* from, std::byte* to, const Transpose2d& shape) {
  constexpr auto kStep = static_cast<int64_t>(kBytes);
  const int64_t whole_rows = shape.rows / kSquare * kSquare;
  const int64_t whole_columns = shape.columns / kSquare * kSquare;
  for (int64_t j = 0; j < whole_columns; j += kSquare) {
    for (int64_t i = 0; i < whole_rows; i += kSquare) {
      TransposeScalar<kBytes>(from + j * shape.from_stride + i * kStep,
                              to + i * shape.to_stride + j * kStep,
                              {kSquare, kSquare, shape.from_stride, shape.to_stride});
    }
  }
  TransposeScalar<kBytes>(
      from + whole_rows * kStep, to + whole_rows * shape.to_stride,
      {shape.rows - whole_rows, whole_columns, shape.from_stride, shape.to_stride});
  TransposeScalar<kBytes>(
      from + whole_columns * shape.from_stride, to + whole_columns * kStep,
      {shape.rows, shape.columns - whole_columns, shape.from_stride, shape.to_stride});
}

// Calls `tile(from, to, part)` for tiles of at most kTransposeTile each way.
template <typename Tile>
inline void ForTiles(const std::byte* from, std::byte* to, const Transpose2d& shape,
                     int64_t element_bytes, const Tile& tile) {
  for (int64_t j = 0; j < shape.columns; j += kTransposeTile) {
    for (int64_t i = 0; i < shape.rows; i += kTransposeTile) {
      const Transpose2d part{std::min(kTransposeTile, shape.rows - i),
                             std::min(kTransposeTile, shape.columns - j), shape.from_stride,
                             shape.to_stride};
      tile(from + j * shape.from_stride + i * element_bytes,
           to + i * shape.to_stride + j * element_bytes, part);
    }
  }
}

}  // namespace ergo::move
#endif  // ERGO_KERNELS_MOVE_STRIDED_COPY_BLOCKED_ONCE

HWY_BEFORE_NAMESPACE();
namespace ergo::move::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

void Transpose4Bytes(const std::byte* from, std::byte* to, const Transpose2d& whole) {
  ForTiles(from, to, whole, 4, TransposeSquares<4>);
}

#else

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_HAVE_SCALABLE
using WideTag = hn::FixedTag<uint32_t, 4>;
#else
using WideTag = hn::ScalableTag<uint32_t>;
#endif

template <class D>
HWY_INLINE hn::Vec<D> LoadBytes(D d, const std::byte* from) {
  const hn::Repartition<uint8_t, D> bytes;
  return hn::BitCast(d, hn::LoadU(bytes, reinterpret_cast<const uint8_t*>(from)));
}

template <class D>
HWY_INLINE void StoreBytes(D /*d*/, hn::Vec<D> v, std::byte* to) {
  const hn::Repartition<uint8_t, D> bytes;
  hn::StoreU(hn::BitCast(bytes, v), bytes, reinterpret_cast<uint8_t*>(to));
}

// 16 bytes from each of Lanes/4 places, `stride` bytes apart, one a 128-bit block.
template <class D>
HWY_INLINE hn::Vec<D> LoadBlocks(D d, const std::byte* from, int64_t stride) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return LoadBytes(d, from);
  } else {
    const hn::Half<D> half;
    constexpr auto kBlocks = static_cast<int64_t>(hn::MaxLanes(D()) / 8);
    return hn::Combine(d, LoadBlocks(half, from + kBlocks * stride, stride),
                       LoadBlocks(half, from, stride));
  }
}

// Four rows of Lanes columns: block b of vector k is columns 4b + k, so that a 4x4 transpose within
// the blocks leaves whole rows.
template <class D>
HWY_INLINE void TransposeFourRows(D d, const std::byte* from, std::byte* to,
                                  const Transpose2d& shape) {
  const int64_t s = shape.from_stride;
  const auto v0 = LoadBlocks(d, from, 4 * s), v1 = LoadBlocks(d, from + s, 4 * s);
  const auto v2 = LoadBlocks(d, from + 2 * s, 4 * s), v3 = LoadBlocks(d, from + 3 * s, 4 * s);
  const auto low02 = hn::InterleaveLower(d, v0, v2), low13 = hn::InterleaveLower(d, v1, v3);
  const auto high02 = hn::InterleaveUpper(d, v0, v2), high13 = hn::InterleaveUpper(d, v1, v3);
  StoreBytes(d, hn::InterleaveLower(d, low02, low13), to);
  StoreBytes(d, hn::InterleaveUpper(d, low02, low13), to + shape.to_stride);
  StoreBytes(d, hn::InterleaveLower(d, high02, high13), to + 2 * shape.to_stride);
  StoreBytes(d, hn::InterleaveUpper(d, high02, high13), to + 3 * shape.to_stride);
}

// Columns [begin, ...) in whole vectors; returns the first column left.
template <class D>
HWY_INLINE int64_t TransposeColumns(D d, const std::byte* from, std::byte* to,
                                    const Transpose2d& shape, int64_t begin) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t whole_rows = shape.rows / 4 * 4;
  int64_t j = begin;
  for (; j + lanes <= shape.columns; j += lanes) {
    const std::byte* column = from + j * shape.from_stride;
    for (int64_t i = 0; i < whole_rows; i += 4) {
      TransposeFourRows(d, column + i * 4, to + i * shape.to_stride + j * 4, shape);
    }
    const Transpose2d rest{shape.rows - whole_rows, lanes, shape.from_stride, shape.to_stride};
    TransposeScalar<4>(column + whole_rows * 4, to + whole_rows * shape.to_stride + j * 4, rest);
  }
  return j;
}

void Transpose4Bytes(const std::byte* from, std::byte* to, const Transpose2d& whole) {
  const auto tile = [](const std::byte* tile_from, std::byte* tile_to,
                       const Transpose2d& shape) HWY_ATTR {
    int64_t j = TransposeColumns(WideTag(), tile_from, tile_to, shape, 0);
    j = TransposeColumns(hn::FixedTag<uint32_t, 4>(), tile_from, tile_to, shape, j);
    const Transpose2d rest{shape.rows, shape.columns - j, shape.from_stride, shape.to_stride};
    TransposeScalar<4>(tile_from + j * shape.from_stride, tile_to + j * 4, rest);
  };
  ForTiles(from, to, whole, 4, tile);
}

#endif  // HWY_TARGET == HWY_SCALAR

}  // namespace
}  // namespace ergo::move::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo::move {
namespace {

HWY_EXPORT(Transpose4Bytes);

template <size_t kBytes>
void TransposeFixed(const std::byte* from, std::byte* to, const Transpose2d& shape) {
  ForTiles(from, to, shape, static_cast<int64_t>(kBytes), TransposeSquares<kBytes>);
}

class BlockedStridedCopy final : public Kernel {
 public:
  explicit BlockedStridedCopy(CopyPlan plan) : element_bytes_(plan.element_bytes) {
    offset_bytes_ = plan.offset_bytes;
    empty_ = plan.empty;
    outer_ = std::move(plan.axes);
    if (!outer_.empty()) {
      inner_ = outer_.back();
      outer_.pop_back();
    }
    ChooseRows();
    for (const PlannedAxis& axis : outer_) outer_count_ *= axis.count;
  }

  void Run(const KernelArgs& args) const override {
    if (empty_) return;
    const auto* from = static_cast<const std::byte*>(args.inputs[0].data) + offset_bytes_;
    auto* to = static_cast<std::byte*>(args.outputs[0].data);
    // An item is one piece of the two inner axes at one step of the outer ones.
    const int64_t row_pieces = CeilDiv(rows_.count, piece_rows_);
    const int64_t column_pieces = CeilDiv(inner_.count, piece_columns_);
    const int64_t pieces = row_pieces * column_pieces;
    ParallelRanges(args.parallel, outer_count_ * pieces,
                   GrainFor(piece_rows_ * piece_columns_ * element_bytes_),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t item = begin; item < end; ++item) {
                       const auto [from_offset, to_offset] = OuterOffsets(item / pieces);
                       const int64_t piece = item % pieces;
                       CopyPiece(from + from_offset, to + to_offset,
                                 piece / column_pieces * piece_rows_,
                                 piece % column_pieces * piece_columns_);
                     }
                   });
  }

 private:
  enum class Inner : uint8_t { kRuns, kRepeat, kTranspose };

  // Takes a second axis out of the outer ones, such that the two inner loops stay in cache.
  void ChooseRows() {
    const bool fixed_size = element_bytes_ <= 16 && (element_bytes_ & (element_bytes_ - 1)) == 0;
    const auto contiguous = std::ranges::find_if(
        outer_, [&](const PlannedAxis& axis) { return axis.from_stride == element_bytes_; });
    if (fixed_size && contiguous != outer_.end() && inner_.from_stride != 0) {
      inner_kind_ = Inner::kTranspose;
      rows_ = *contiguous;
      outer_.erase(contiguous);
      piece_rows_ = std::min(rows_.count, kTransposeTile);
      piece_columns_ = std::min(inner_.count, kTransposeTile * kTilesPerPiece);
      return;
    }
    if (inner_.from_stride == 0 && inner_.count > 1) inner_kind_ = Inner::kRepeat;
    if (!outer_.empty()) {
      rows_ = outer_.back();
      outer_.pop_back();
    }
    piece_columns_ = inner_.count;
    const int64_t row_bytes = std::max<int64_t>(inner_.count * element_bytes_, 1);
    piece_rows_ =
        std::clamp<int64_t>(kMinTaskBytes / row_bytes, 1, std::max<int64_t>(rows_.count, 1));
  }

  std::pair<int64_t, int64_t> OuterOffsets(int64_t index) const {
    int64_t from = 0, to = 0;
    for (auto axis = outer_.rbegin(); axis != outer_.rend(); ++axis) {
      const int64_t i = index % axis->count;
      index /= axis->count;
      from += i * axis->from_stride;
      to += i * axis->to_stride;
    }
    return {from, to};
  }

  // The piece that begins at (row, column).
  void CopyPiece(const std::byte* from, std::byte* to, int64_t row, int64_t column) const {
    from += row * rows_.from_stride + column * inner_.from_stride;
    to += row * rows_.to_stride + column * element_bytes_;
    const int64_t rows = std::min(piece_rows_, rows_.count - row);
    const int64_t columns = std::min(piece_columns_, inner_.count - column);
    if (inner_kind_ == Inner::kTranspose) {
      return CopyTransposed(from, to, {rows, columns, inner_.from_stride, rows_.to_stride});
    }
    for (int64_t r = 0; r < rows; ++r, from += rows_.from_stride, to += rows_.to_stride) {
      if (inner_kind_ == Inner::kRepeat) {
        FillElements(to, from, element_bytes_, columns);
      } else {
        CopyRuns(from, inner_.from_stride, to, element_bytes_, element_bytes_, columns);
      }
    }
  }

  void CopyTransposed(const std::byte* from, std::byte* to, const Transpose2d& shape) const {
    switch (element_bytes_) {
      case 1: return TransposeFixed<1>(from, to, shape);
      case 2: return TransposeFixed<2>(from, to, shape);
      case 4: return HWY_DYNAMIC_DISPATCH(Transpose4Bytes)(from, to, shape);
      case 8: return TransposeFixed<8>(from, to, shape);
      default: return TransposeFixed<16>(from, to, shape);
    }
  }

  int64_t element_bytes_;
  int64_t offset_bytes_ = 0;
  bool empty_ = false;
  Inner inner_kind_ = Inner::kRuns;
  PlannedAxis inner_, rows_;
  std::vector<PlannedAxis> outer_;
  int64_t outer_count_ = 1;
  int64_t piece_rows_ = 1, piece_columns_ = 1;
};

}  // namespace

MadeKernel MakeBlockedStridedCopy(const StridedCopyProblem& problem, const MakeContext&) {
  ERGO_ASSIGN_OR_RETURN(CopyPlan plan, PlanCopy(problem));
  return MadeKernel(std::make_unique<BlockedStridedCopy>(Simplify(std::move(plan))));
}

}  // namespace ergo::move
#endif  // HWY_ONCE
