#include "kernels/base/aligned_buffer.h"

#include <new>

#include "kernels/base/checked_math.h"
#include "kernels/base/limits.h"

namespace ergo {

void AlignedBuffer::Free::operator()(std::byte* data) const {
  ::operator delete (data, std::align_val_t{kTensorAlignment});
}

Result<AlignedBuffer> AlignedBuffer::Allocate(size_t bytes) {
  AlignedBuffer buffer;
  if (bytes > static_cast<size_t>(kMaxTensorBytes)) {
    return ResourceExhausted("{} bytes in one buffer are above the limit of {}", bytes,
                             kMaxTensorBytes);
  }
  const size_t rounded = RoundUp(bytes + 1, kTensorAlignment);
  void* data = ::operator new (rounded, std::align_val_t{kTensorAlignment}, std::nothrow);
  if (data == nullptr) return ResourceExhausted("no memory for {} bytes", bytes);
  buffer.data_.reset(static_cast<std::byte*>(data));
  buffer.size_ = bytes;
  return buffer;
}

AlignedBuffer AlignedBuffer::AllocateOrDie(size_t bytes) {
  Result<AlignedBuffer> buffer = Allocate(bytes);
  ERGO_CHECK_MSG(buffer.ok(), "{}", buffer.status().ToString());
  return std::move(buffer).value();
}

}  // namespace ergo
