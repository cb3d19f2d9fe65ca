#include "kernels/move/element.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace ergo::move {
namespace {

// A run whose length the compiler knows is one load and one store.
template <size_t kRun>
void CopyFixedRuns(const std::byte* src, std::ptrdiff_t src_stride, std::byte* dst,
                   std::ptrdiff_t dst_stride, int64_t rows) {
  for (int64_t row = 0; row < rows; ++row) {
    std::memcpy(dst + row * dst_stride, src + row * src_stride, kRun);
  }
}

template <size_t kBytes>
void FillFixed(std::byte* dst, const std::byte* value, int64_t count) {
  std::array<std::byte, kBytes> element;
  std::memcpy(element.data(), value, kBytes);
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(dst + i * static_cast<int64_t>(kBytes), element.data(), kBytes);
  }
}

}  // namespace

Result<int64_t> ElementBytes(DType dtype) {
  const int bits = DTypeBits(dtype);
  if (bits < 8) return Unsupported("elements of {} are smaller than a byte", DTypeName(dtype));
  return int64_t{bits / 8};
}

Status CheckIndexType(DType dtype) {
  if (dtype == DType::kI32 || dtype == DType::kI64) return {};
  return InvalidArgument("indices are {}, not int32 or int64", DTypeName(dtype));
}

void CopyRuns(const std::byte* src, std::ptrdiff_t src_stride, std::byte* dst,
              std::ptrdiff_t dst_stride, int64_t run, int64_t rows) {
  if (run <= 0 || rows <= 0) return;
  if (src_stride == run && dst_stride == run) {
    std::memcpy(dst, src, static_cast<size_t>(run * rows));
    return;
  }
  switch (run) {
    case 1: return CopyFixedRuns<1>(src, src_stride, dst, dst_stride, rows);
    case 2: return CopyFixedRuns<2>(src, src_stride, dst, dst_stride, rows);
    case 4: return CopyFixedRuns<4>(src, src_stride, dst, dst_stride, rows);
    case 8: return CopyFixedRuns<8>(src, src_stride, dst, dst_stride, rows);
    case 16: return CopyFixedRuns<16>(src, src_stride, dst, dst_stride, rows);
    case 32: return CopyFixedRuns<32>(src, src_stride, dst, dst_stride, rows);
    default: break;
  }
  for (int64_t row = 0; row < rows; ++row) {
    std::memcpy(dst + row * dst_stride, src + row * src_stride, static_cast<size_t>(run));
  }
}

void FillElements(std::byte* dst, const std::byte* value, int64_t bytes, int64_t count) {
  if (count <= 0) return;
  switch (bytes) {
    case 1: std::memset(dst, std::to_integer<int>(*value), static_cast<size_t>(count)); return;
    case 2: return FillFixed<2>(dst, value, count);
    case 4: return FillFixed<4>(dst, value, count);
    case 8: return FillFixed<8>(dst, value, count);
    default: CopyRuns(value, 0, dst, bytes, bytes, count);
  }
}

}  // namespace ergo::move
