#include "kernels/base/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdlib>

#include "kernels/base/checked_math.h"
#include "kernels/base/limits.h"

namespace ergo {
namespace {

// Whole huge pages of a large buffer are asked for as such: weights then take a five-hundredth of
// the page faults while they are packed, and of the TLB's entries while they are used.
constexpr size_t kHugePageBytes = size_t{2} << 20;

// `bytes` is a multiple of kTensorAlignment.
void* AllocateAligned(size_t bytes) {
  if (bytes < kHugePageBytes) return std::aligned_alloc(kTensorAlignment, bytes);
  // What is rounded up is never touched, and takes no memory.
  void* data = std::aligned_alloc(kHugePageBytes, RoundUp(bytes, kHugePageBytes));
#ifdef MADV_HUGEPAGE
  // Advice: where it is not taken, nothing but the size of the pages is different.
  if (data != nullptr) madvise(data, bytes / kHugePageBytes * kHugePageBytes, MADV_HUGEPAGE);
#endif
  return data;
}

}  // namespace

void AlignedBuffer::Free::operator()(std::byte* data) const {
  std::free(data);
}

Result<AlignedBuffer> AlignedBuffer::Allocate(size_t bytes) {
  AlignedBuffer buffer;
  if (bytes > static_cast<size_t>(kMaxTensorBytes)) {
    return ResourceExhausted("{} bytes in one buffer are above the limit of {}", bytes,
                             kMaxTensorBytes);
  }
  void* data = AllocateAligned(RoundUp(bytes + 1, kTensorAlignment));
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
