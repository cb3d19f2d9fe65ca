#include "server/buffer_pool.h"

#include <bit>
#include <utility>

namespace ergo {

Result<AlignedBuffer> BufferPool::Take(size_t bytes) {
  const size_t rounded = std::bit_ceil(std::max(bytes, kSmallestBytes));
  const auto size_class = static_cast<size_t>(std::countr_zero(rounded / kSmallestBytes));
  if (size_class >= kClasses) return AlignedBuffer::Allocate(bytes);
  std::vector<AlignedBuffer>& idle = idle_[size_class];
  if (idle.empty()) return AlignedBuffer::Allocate(rounded);
  AlignedBuffer buffer = std::move(idle.back());
  idle.pop_back();
  idle_bytes_ -= buffer.Size();
  return buffer;
}

void BufferPool::Give(AlignedBuffer buffer) {
  const size_t bytes = buffer.Size();
  if (bytes < kSmallestBytes || bytes > max_idle_bytes_ - idle_bytes_) return;
  const auto size_class = static_cast<size_t>(std::bit_width(bytes / kSmallestBytes) - 1);
  if (size_class >= kClasses || !std::has_single_bit(bytes)) return;
  idle_bytes_ += bytes;
  idle_[size_class].push_back(std::move(buffer));
}

}  // namespace ergo
