// Tensor: an immutable dense tensor that keeps its bytes alive. Weights, constants and model inputs
// travel through the house in it.
//
// The bytes are shared: copies of a Graph, its Plans and a memory-mapped file all point to the same
// weights, and the last of them to go lets the memory go. That is the reason for the shared_ptr.
//
// Thread safety: immutable; as safe as a shared_ptr<const T>.
#ifndef ERGO_ENGINE_GRAPH_TENSOR_H_
#define ERGO_ENGINE_GRAPH_TENSOR_H_

#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "kernels/base/aligned_buffer.h"
#include "kernels/base/tensor_view.h"

namespace ergo {

class Tensor {
 public:
  Tensor() = default;  // undefined dtype, no bytes

  // Borrows `data`, DTypeBytes(dtype, elements) bytes aligned for the dtype (64 bytes for weights),
  // which stay unchanged as long as `owner` lives. A null owner: the caller guarantees the
  // lifetime.
  Tensor(DType dtype, const Shape& shape, const void* data, std::shared_ptr<const void> owner)
      : owner_(std::move(owner)), data_(data), dtype_(dtype), shape_(shape) {}

  // Takes the buffer, which has at least the bytes that dtype and shape need.
  Tensor(DType dtype, const Shape& shape, AlignedBuffer buffer) : dtype_(dtype), shape_(shape) {
    ERGO_CHECK(static_cast<int64_t>(buffer.Size()) >= DTypeBytes(dtype, shape.Elements()));
    auto owned = std::make_shared<AlignedBuffer>(std::move(buffer));
    data_ = owned->Data();
    owner_ = std::move(owned);
  }

  // Copies the values. FromValues<int64_t>({2}, {3, 4}).
  template <typename T>
  static Tensor FromValues(const Shape& shape, std::span<const T> values) {
    ERGO_CHECK(shape.Elements() == static_cast<int64_t>(values.size()));
    AlignedBuffer buffer = AlignedBuffer::AllocateOrDie(values.size_bytes());
    if (!values.empty()) std::memcpy(buffer.Data(), values.data(), values.size_bytes());
    return Tensor(DTypeOf<T>::value, shape, std::move(buffer));
  }
  template <typename T>
  static Tensor FromValues(const Shape& shape, std::initializer_list<T> values) {
    return FromValues<T>(shape, std::span<const T>(values.begin(), values.size()));
  }
  // Copies what the view shows.
  static Tensor CopyOf(const TensorView& view) {
    AlignedBuffer buffer = AlignedBuffer::AllocateOrDie(static_cast<size_t>(view.Bytes()));
    if (buffer.Size() > 0) std::memcpy(buffer.Data(), view.data, buffer.Size());
    return Tensor(view.dtype, view.shape, std::move(buffer));
  }
  template <typename T>
  static Tensor Scalar(T value) {
    return FromValues<T>(Shape(), {value});
  }

  DType Type() const { return dtype_; }
  const Shape& GetShape() const { return shape_; }
  int64_t Elements() const { return shape_.Elements(); }
  int64_t Bytes() const { return DTypeBytes(dtype_, Elements()); }
  const void* Data() const { return data_; }
  const std::shared_ptr<const void>& Owner() const { return owner_; }
  TensorView View() const { return {data_, dtype_, Device::kCpu, shape_}; }
  template <typename T>
  std::span<const T> Span() const {
    return View().Span<T>();
  }

  // The same bytes under another shape with as many elements.
  Tensor Reshaped(const Shape& shape) const { return Reinterpreted(dtype_, shape); }
  // The same bytes as as many elements of another dtype of as many bits.
  Tensor Reinterpreted(DType dtype, const Shape& shape) const {
    ERGO_CHECK(shape.Elements() == Elements() && DTypeBits(dtype) == DTypeBits(dtype_));
    return Tensor(dtype, shape, data_, owner_);
  }

 private:
  std::shared_ptr<const void> owner_;
  const void* data_ = nullptr;
  DType dtype_ = DType::kUndefined;
  Shape shape_;
};

}  // namespace ergo

#endif  // ERGO_ENGINE_GRAPH_TENSOR_H_
