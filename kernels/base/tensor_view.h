// TensorView: a borrowed, dense, row-major tensor. It owns nothing and is copied by value; whoever
// hands one out says how long the memory lives (usually: the call).
//
// A view with null data stands for an operand that is absent (an optional ONNX input).
// Thread safety: as any pointer; concurrent readers are fine.
#ifndef ERGO_KERNELS_BASE_TENSOR_VIEW_H_
#define ERGO_KERNELS_BASE_TENSOR_VIEW_H_

#include <cstddef>
#include <span>
#include <type_traits>

#include "kernels/base/device.h"
#include "kernels/base/dtype.h"
#include "kernels/base/shape.h"

namespace ergo {

template <typename Void>  // `void` or `const void`
struct BasicTensorView {
  Void* data = nullptr;
  DType dtype = DType::kUndefined;
  Device device = Device::kCpu;
  Shape shape;

  bool Present() const {
    return data != nullptr || (dtype != DType::kUndefined && Elements() == 0);
  }
  int64_t Elements() const { return shape.Elements(); }
  int64_t Bytes() const { return DTypeBytes(dtype, Elements()); }

  // The elements as T. T must be the C++ type of dtype (a bug otherwise).
  template <typename T>
  auto* As() const {
    ERGO_CHECK_MSG(dtype == DTypeOf<T>::value, "a {} tensor read as {}", DTypeName(dtype),
                   DTypeName(DTypeOf<T>::value));
    using Element = std::conditional_t<std::is_const_v<Void>, const T, T>;
    return static_cast<Element*>(data);
  }
  template <typename T>
  auto Span() const {
    return std::span(As<T>(), static_cast<size_t>(Elements()));
  }

  operator BasicTensorView<const void>() const  // NOLINT: a writable view reads as a readable one
      requires(!std::is_const_v<Void>) {
    return {data, dtype, device, shape};
  }
};

using TensorView = BasicTensorView<const void>;
using MutableTensorView = BasicTensorView<void>;

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_TENSOR_VIEW_H_
