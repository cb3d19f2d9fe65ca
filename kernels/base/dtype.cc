#include "kernels/base/dtype.h"

#include <array>

namespace ergo {
namespace {

struct DTypeRow {
  DType dtype;
  std::string_view name;
  int bits;
  enum { kFloat, kInt, kOther } kind;
};

constexpr std::array<DTypeRow, 24> kRows = {{
    {DType::kF32, "float32", 32, DTypeRow::kFloat},
    {DType::kU8, "uint8", 8, DTypeRow::kInt},
    {DType::kI8, "int8", 8, DTypeRow::kInt},
    {DType::kU16, "uint16", 16, DTypeRow::kInt},
    {DType::kI16, "int16", 16, DTypeRow::kInt},
    {DType::kI32, "int32", 32, DTypeRow::kInt},
    {DType::kI64, "int64", 64, DTypeRow::kInt},
    {DType::kString, "string", 0, DTypeRow::kOther},
    {DType::kBool, "bool", 8, DTypeRow::kOther},
    {DType::kF16, "float16", 16, DTypeRow::kFloat},
    {DType::kF64, "float64", 64, DTypeRow::kFloat},
    {DType::kU32, "uint32", 32, DTypeRow::kInt},
    {DType::kU64, "uint64", 64, DTypeRow::kInt},
    {DType::kBF16, "bfloat16", 16, DTypeRow::kFloat},
    {DType::kF8E4M3FN, "float8e4m3fn", 8, DTypeRow::kFloat},
    {DType::kF8E4M3FNUZ, "float8e4m3fnuz", 8, DTypeRow::kFloat},
    {DType::kF8E5M2, "float8e5m2", 8, DTypeRow::kFloat},
    {DType::kF8E5M2FNUZ, "float8e5m2fnuz", 8, DTypeRow::kFloat},
    {DType::kU4, "uint4", 4, DTypeRow::kInt},
    {DType::kI4, "int4", 4, DTypeRow::kInt},
    {DType::kF4E2M1, "float4e2m1", 4, DTypeRow::kFloat},
    {DType::kF8E8M0, "float8e8m0", 8, DTypeRow::kFloat},
    {DType::kU2, "uint2", 2, DTypeRow::kInt},
    {DType::kI2, "int2", 2, DTypeRow::kInt},
}};

const DTypeRow* Find(DType dtype) {
  for (const DTypeRow& row : kRows) {
    if (row.dtype == dtype) return &row;
  }
  return nullptr;
}

}  // namespace

std::string_view DTypeName(DType dtype) {
  const DTypeRow* row = Find(dtype);
  return row ? row->name : "undefined";
}

std::optional<DType> DTypeFromName(std::string_view name) {
  for (const DTypeRow& row : kRows) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

bool IsTensorDType(DType dtype) {
  return DTypeBits(dtype) > 0;
}

int DTypeBits(DType dtype) {
  const DTypeRow* row = Find(dtype);
  return row ? row->bits : 0;
}

int64_t DTypeBytes(DType dtype, int64_t elements) {
  // Whole bytes first: elements * 64 bits would not fit for the largest tensors of the limits.
  const int bits = DTypeBits(dtype);
  if (bits >= 8) return elements * (bits / 8);
  return bits == 0 ? 0 : (elements * bits + 7) / 8;
}

bool IsFloatingPoint(DType dtype) {
  const DTypeRow* row = Find(dtype);
  return row && row->kind == DTypeRow::kFloat;
}

bool IsInteger(DType dtype) {
  const DTypeRow* row = Find(dtype);
  return row && row->kind == DTypeRow::kInt;
}

}  // namespace ergo
