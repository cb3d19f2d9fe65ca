// Elements in memory by their type's number, for device code that takes any type: loaded into the
// type that is computed in, float or int64, and stored from it.
//
// Integers are stored modulo their width; a bool is stored as whether the number is not 0. uint64
// is not among them: it does not fit int64.
#ifndef ERGO_KERNELS_CUDA_ELEMENT_H_
#define ERGO_KERNELS_CUDA_ELEMENT_H_

#include "kernels/base/dtype.h"
#include "kernels/cuda/simt.h"

namespace ergo::cuda {

constexpr bool IsDeviceFloat(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}
constexpr bool IsDeviceInteger(DType dtype) {
  return dtype == DType::kI64 || dtype == DType::kI32 || dtype == DType::kI16 ||
         dtype == DType::kI8 || dtype == DType::kU32 || dtype == DType::kU16 || dtype == DType::kU8;
}

template <typename Compute>
ERGO_DEVICE Compute LoadElement(const void* data, DType type, int32_t index);

template <>
ERGO_DEVICE float LoadElement<float>(const void* data, DType type, int32_t index) {
  switch (type) {
    case DType::kF16: return ToFloat(static_cast<const Half*>(data)[index]);
    case DType::kBF16: return ToFloat(static_cast<const Bf16*>(data)[index]);
    case DType::kBool: return static_cast<const uint8_t*>(data)[index] != 0 ? 1.0f : 0.0f;
    default: return static_cast<const float*>(data)[index];
  }
}

template <>
ERGO_DEVICE int64_t LoadElement<int64_t>(const void* data, DType type, int32_t index) {
  switch (type) {
    case DType::kI32: return static_cast<const int32_t*>(data)[index];
    case DType::kI16: return static_cast<const int16_t*>(data)[index];
    case DType::kI8: return static_cast<const int8_t*>(data)[index];
    case DType::kU32: return static_cast<const uint32_t*>(data)[index];
    case DType::kU16: return static_cast<const uint16_t*>(data)[index];
    case DType::kU8: return static_cast<const uint8_t*>(data)[index];
    case DType::kBool: return static_cast<const uint8_t*>(data)[index] != 0;
    default: return static_cast<const int64_t*>(data)[index];
  }
}

ERGO_DEVICE void StoreElement(void* data, DType type, uint32_t index, float value) {
  switch (type) {
    case DType::kF16: static_cast<Half*>(data)[index] = FromFloat<Half>(value); return;
    case DType::kBF16: static_cast<Bf16*>(data)[index] = FromFloat<Bf16>(value); return;
    case DType::kBool: static_cast<uint8_t*>(data)[index] = value != 0; return;
    default: static_cast<float*>(data)[index] = value; return;
  }
}

ERGO_DEVICE void StoreElement(void* data, DType type, uint32_t index, int64_t value) {
  switch (type) {
    case DType::kI32:
    case DType::kU32: static_cast<uint32_t*>(data)[index] = static_cast<uint32_t>(value); return;
    case DType::kI16:
    case DType::kU16: static_cast<uint16_t*>(data)[index] = static_cast<uint16_t>(value); return;
    case DType::kI8:
    case DType::kU8: static_cast<uint8_t*>(data)[index] = static_cast<uint8_t>(value); return;
    case DType::kBool: static_cast<uint8_t*>(data)[index] = value != 0; return;
    default: static_cast<int64_t*>(data)[index] = value; return;
  }
}

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_CUDA_ELEMENT_H_
