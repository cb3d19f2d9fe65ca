#include "formats/tensor_bytes.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

namespace ergo {

static_assert(std::endian::native == std::endian::little, "files are little-endian");

bool AreBools(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte <= std::byte{1}; });
}

Result<Tensor> TensorFromBytes(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                               const std::shared_ptr<const void>& owner) {
  ERGO_CHECK(static_cast<int64_t>(bytes.size()) == DTypeBytes(dtype, shape.Elements()));
  const bool aligned = reinterpret_cast<uintptr_t>(bytes.data()) % kTensorAlignment == 0;
  const bool clean = dtype != DType::kBool || AreBools(bytes);
  if (owner != nullptr && aligned && clean) return Tensor(dtype, shape, bytes.data(), owner);
  ERGO_ASSIGN_OR_RETURN(AlignedBuffer buffer, AlignedBuffer::Allocate(bytes.size()));
  if (!clean) {
    std::ranges::transform(bytes, buffer.Data(), [](std::byte byte) {
      return byte == std::byte{0} ? std::byte{0} : std::byte{1};
    });
  } else if (!bytes.empty()) {
    std::memcpy(buffer.Data(), bytes.data(), bytes.size());
  }
  return Tensor(dtype, shape, std::move(buffer));
}

}  // namespace ergo
