#include "kernels/base/real_access.h"

namespace ergo {

bool HasRealAccess(DType dtype) {
  return dtype == DType::kBool ||
         (DTypeBits(dtype) >= 8 && (IsInteger(dtype) || DTypeBits(dtype) >= 16));
}

double ReadReal(const void* data, DType dtype, int64_t index) {
  switch (dtype) {
    case DType::kF32: return static_cast<const float*>(data)[index];
    case DType::kF64: return static_cast<const double*>(data)[index];
    case DType::kF16: return static_cast<float>(static_cast<const Float16*>(data)[index]);
    case DType::kBF16: return static_cast<float>(static_cast<const BFloat16*>(data)[index]);
    case DType::kU8:
    case DType::kBool: return static_cast<const uint8_t*>(data)[index];
    case DType::kI8: return static_cast<const int8_t*>(data)[index];
    case DType::kU16: return static_cast<const uint16_t*>(data)[index];
    case DType::kI16: return static_cast<const int16_t*>(data)[index];
    case DType::kU32: return static_cast<const uint32_t*>(data)[index];
    case DType::kI32: return static_cast<const int32_t*>(data)[index];
    case DType::kU64: return static_cast<double>(static_cast<const uint64_t*>(data)[index]);
    case DType::kI64: return static_cast<double>(static_cast<const int64_t*>(data)[index]);
    default: break;
  }
  ERGO_CHECK_MSG(false, "{} has no real access", DTypeName(dtype));
}

void WriteReal(const MutableTensorView& view, int64_t index, double value) {
  switch (view.dtype) {
    case DType::kF32: static_cast<float*>(view.data)[index] = static_cast<float>(value); return;
    case DType::kF64: static_cast<double*>(view.data)[index] = value; return;
    // By way of float: double rounding differs from direct rounding only in the last place of cases
    // that no tolerance sees.
    case DType::kF16:
      static_cast<Float16*>(view.data)[index] = Float16(static_cast<float>(value));
      return;
    case DType::kBF16:
      static_cast<BFloat16*>(view.data)[index] = BFloat16(static_cast<float>(value));
      return;
    case DType::kBool: static_cast<uint8_t*>(view.data)[index] = value != 0 ? 1 : 0; return;
    case DType::kU8: static_cast<uint8_t*>(view.data)[index] = static_cast<uint8_t>(value); return;
    case DType::kI8: static_cast<int8_t*>(view.data)[index] = static_cast<int8_t>(value); return;
    case DType::kU16:
      static_cast<uint16_t*>(view.data)[index] = static_cast<uint16_t>(value);
      return;
    case DType::kI16: static_cast<int16_t*>(view.data)[index] = static_cast<int16_t>(value); return;
    case DType::kU32:
      static_cast<uint32_t*>(view.data)[index] = static_cast<uint32_t>(value);
      return;
    case DType::kI32: static_cast<int32_t*>(view.data)[index] = static_cast<int32_t>(value); return;
    case DType::kU64:
      static_cast<uint64_t*>(view.data)[index] = static_cast<uint64_t>(value);
      return;
    case DType::kI64: static_cast<int64_t*>(view.data)[index] = static_cast<int64_t>(value); return;
    default: break;
  }
  ERGO_CHECK_MSG(false, "{} has no real access", DTypeName(view.dtype));
}

}  // namespace ergo
