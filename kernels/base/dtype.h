// Element types. The numbers are those of ONNX TensorProto.DataType, of the .ergo file and of the
// wire, so that no table translates between them.
#ifndef ERGO_KERNELS_BASE_DTYPE_H_
#define ERGO_KERNELS_BASE_DTYPE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "kernels/base/float16.h"

namespace ergo {

enum class DType : uint8_t {
  kUndefined = 0,
  kF32 = 1,
  kU8 = 2,
  kI8 = 3,
  kU16 = 4,
  kI16 = 5,
  kI32 = 6,
  kI64 = 7,
  kString = 8,  // named so that importers can refuse it by name; no tensor ever has it
  kBool = 9,    // one byte, 0 or 1
  kF16 = 10,
  kF64 = 11,
  kU32 = 12,
  kU64 = 13,
  kBF16 = 16,
  kF8E4M3FN = 17,
  kF8E4M3FNUZ = 18,
  kF8E5M2 = 19,
  kF8E5M2FNUZ = 20,
  kU4 = 21,  // 4- and 2-bit types are packed, the first element in the low bits
  kI4 = 22,
  kF4E2M1 = 23,
  kF8E8M0 = 24,
  kU2 = 25,
  kI2 = 26,
};

// "float32", "int8", "bool": NumPy's names where it has one. "undefined" for unknown numbers.
std::string_view DTypeName(DType dtype);

// The inverse of DTypeName.
std::optional<DType> DTypeFromName(std::string_view name);

// True for numbers that name a type a tensor can have (not undefined, not string).
bool IsTensorDType(DType dtype);

// Bits an element takes: 2, 4, 8, 16, 32 or 64. 0 for undefined and string.
int DTypeBits(DType dtype);

// Bytes that `elements` elements take, packed types rounded up. `elements` >= 0 and at most
// kMaxTensorElements, so the product fits.
int64_t DTypeBytes(DType dtype, int64_t elements);

bool IsFloatingPoint(DType dtype);
bool IsInteger(DType dtype);  // bool is not one

// DTypeOf<float>::value == DType::kF32, for the types with a C++ element type of their own.
template <typename T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kF32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::kF64;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::kU8;
};
template <>
struct DTypeOf<int8_t> {
  static constexpr DType value = DType::kI8;
};
template <>
struct DTypeOf<uint16_t> {
  static constexpr DType value = DType::kU16;
};
template <>
struct DTypeOf<int16_t> {
  static constexpr DType value = DType::kI16;
};
template <>
struct DTypeOf<uint32_t> {
  static constexpr DType value = DType::kU32;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::kI32;
};
template <>
struct DTypeOf<uint64_t> {
  static constexpr DType value = DType::kU64;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::kI64;
};
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::kBool;
};
template <>
struct DTypeOf<Float16> {
  static constexpr DType value = DType::kF16;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::kBF16;
};

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_DTYPE_H_
