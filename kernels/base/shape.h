// Shape: the concrete dimensions of a tensor, outermost first. At most kMaxRank of them, held
// inline, so that a Shape is copied without allocating.
#ifndef ERGO_KERNELS_BASE_SHAPE_H_
#define ERGO_KERNELS_BASE_SHAPE_H_

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "kernels/base/limits.h"
#include "kernels/base/status.h"

namespace ergo {

class Shape {
 public:
  Shape() = default;  // rank 0: a scalar, one element

  // For dimensions of our own making: rank and signs are checked by ERGO_CHECK.
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int64_t> dims);

  // For dimensions from outside. InvalidArgument for a negative dimension, ResourceExhausted for
  // more than kMaxRank of them or more than kMaxTensorElements elements.
  static Result<Shape> Make(std::span<const int64_t> dims);

  int Rank() const { return rank_; }
  int64_t operator[](int axis) const { return dims_[static_cast<size_t>(axis)]; }
  int64_t& operator[](int axis) { return dims_[static_cast<size_t>(axis)]; }
  std::span<const int64_t> Dims() const { return {dims_.data(), static_cast<size_t>(rank_)}; }

  // Product of all dimensions; of those in [begin, end).
  int64_t Elements() const { return Elements(0, rank_); }
  int64_t Elements(int begin, int end) const;

  // Elements between neighbours along each axis of a dense row-major tensor.
  std::array<int64_t, kMaxRank> RowMajorStrides() const;

  void Append(int64_t dim);

  bool operator==(const Shape& other) const;
  // "[1, 3, 224, 224]"; "[]" for a scalar.
  std::string ToString() const;

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

// NumPy's multidirectional broadcast of two shapes. InvalidArgument when they do not fit.
Result<Shape> BroadcastShapes(const Shape& a, const Shape& b);

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_SHAPE_H_
