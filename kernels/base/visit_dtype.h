// From a DType known at run time to a C++ type known at compile time.
#ifndef ERGO_KERNELS_BASE_VISIT_DTYPE_H_
#define ERGO_KERNELS_BASE_VISIT_DTYPE_H_

#include <cstdint>

#include "kernels/base/dtype.h"

namespace ergo {

template <typename T>
struct TypeTag {
  using Type = T;
};

// visit(TypeTag<T>()) for the C++ type of `dtype`, whose result (default-constructible) it returns.
// A default-constructed one for dtypes without a type of their own: undefined, string, packed and
// 8-bit floats.
template <typename Visitor>
auto VisitDType(DType dtype, const Visitor& visit) -> decltype(visit(TypeTag<float>())) {
  switch (dtype) {
    case DType::kF32: return visit(TypeTag<float>());
    case DType::kF64: return visit(TypeTag<double>());
    case DType::kF16: return visit(TypeTag<Float16>());
    case DType::kBF16: return visit(TypeTag<BFloat16>());
    case DType::kI8: return visit(TypeTag<int8_t>());
    case DType::kU8: return visit(TypeTag<uint8_t>());
    case DType::kI16: return visit(TypeTag<int16_t>());
    case DType::kU16: return visit(TypeTag<uint16_t>());
    case DType::kI32: return visit(TypeTag<int32_t>());
    case DType::kU32: return visit(TypeTag<uint32_t>());
    case DType::kI64: return visit(TypeTag<int64_t>());
    case DType::kU64: return visit(TypeTag<uint64_t>());
    case DType::kBool: return visit(TypeTag<bool>());
    default: return {};
  }
}

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_VISIT_DTYPE_H_
