#include "engine/graph/scalar_constant.h"

#include <concepts>
#include <type_traits>

#include "kernels/base/visit_dtype.h"

namespace ergo {

Tensor ScalarConstant(DType dtype, double value) {
  const Tensor tensor = VisitDType(dtype, [value]<typename T>(TypeTag<T>) {
    if constexpr (std::is_arithmetic_v<T>) {
      return Tensor::Scalar<T>(static_cast<T>(value));
    } else {
      return Tensor::Scalar<T>(T(static_cast<float>(value)));
    }
  });
  ERGO_CHECK_MSG(tensor.Type() == dtype, "a {} scalar", DTypeName(dtype));
  return tensor;
}

std::optional<float> ScalarAsFloat(const Tensor* tensor) {
  if (tensor == nullptr || tensor->Elements() != 1 || !IsFloatingPoint(tensor->Type())) {
    return std::nullopt;
  }
  return VisitDType(tensor->Type(), [tensor]<typename T>(TypeTag<T>) -> std::optional<float> {
    const T value = tensor->Span<T>()[0];
    const auto narrow = static_cast<float>(value);
    if constexpr (std::same_as<T, double>) {
      if (static_cast<double>(narrow) != value) return std::nullopt;
    }
    return narrow;
  });
}

}  // namespace ergo
