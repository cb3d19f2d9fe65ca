#include "kernels/base/shape.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "kernels/base/checked_math.h"

namespace ergo {

Shape::Shape(std::span<const int64_t> dims) {
  for (const int64_t dim : dims) Append(dim);
}

Result<Shape> Shape::Make(std::span<const int64_t> dims) {
  if (dims.size() > static_cast<size_t>(kMaxRank)) {
    return ResourceExhausted("rank {} is above the limit of {}", dims.size(), kMaxRank);
  }
  Shape shape;
  // Zero dimensions make a tensor empty but must not hide an overflow of the others.
  int64_t elements = 1;
  for (const int64_t dim : dims) {
    if (dim < 0) return InvalidArgument("negative dimension in [{}]", fmt::join(dims, ", "));
    const auto product = CheckedMul(elements, std::max<int64_t>(dim, 1));
    if (!product || *product > kMaxTensorElements) {
      return ResourceExhausted("[{}] has more than {} elements", fmt::join(dims, ", "),
                               kMaxTensorElements);
    }
    elements = *product;
    shape.Append(dim);
  }
  return shape;
}

int64_t Shape::Elements(int begin, int end) const {
  int64_t elements = 1;
  for (int axis = begin; axis < end; ++axis) elements *= (*this)[axis];
  return elements;
}

std::array<int64_t, kMaxRank> Shape::RowMajorStrides() const {
  std::array<int64_t, kMaxRank> strides{};
  int64_t stride = 1;
  for (int axis = rank_ - 1; axis >= 0; --axis) {
    strides[static_cast<size_t>(axis)] = stride;
    stride *= (*this)[axis];
  }
  return strides;
}

void Shape::Append(int64_t dim) {
  ERGO_CHECK_MSG(rank_ < kMaxRank && dim >= 0, "appending {} to {}", dim, ToString());
  dims_[static_cast<size_t>(rank_++)] = dim;
}

bool Shape::operator==(const Shape& other) const {
  return std::ranges::equal(Dims(), other.Dims());
}

std::string Shape::ToString() const {
  return fmt::format("[{}]", fmt::join(Dims(), ", "));
}

Result<Shape> BroadcastShapes(const Shape& a, const Shape& b) {
  const int rank = std::max(a.Rank(), b.Rank());
  Shape out;
  for (int axis = 0; axis < rank; ++axis) {
    const int ia = axis - (rank - a.Rank());
    const int ib = axis - (rank - b.Rank());
    const int64_t da = ia < 0 ? 1 : a[ia];
    const int64_t db = ib < 0 ? 1 : b[ib];
    if (da != db && da != 1 && db != 1) {
      return InvalidArgument("{} and {} do not broadcast: axis {} is {} against {}", a.ToString(),
                             b.ToString(), axis, da, db);
    }
    out.Append(da == 1 ? db : da);
  }
  return out;
}

}  // namespace ergo
