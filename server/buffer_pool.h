// BufferPool: aligned buffers for frames, reused, so that a busy connection allocates nothing.
//
// Sizes are rounded up to powers of two; up to `max_idle_bytes` wait for reuse, the rest goes back
// to the system. Thread safety: none; one pool a thread.
#ifndef ERGO_SERVER_BUFFER_POOL_H_
#define ERGO_SERVER_BUFFER_POOL_H_

#include <array>
#include <vector>

#include "kernels/base/aligned_buffer.h"

namespace ergo {

class BufferPool {
 public:
  explicit BufferPool(size_t max_idle_bytes) : max_idle_bytes_(max_idle_bytes) {}

  // A buffer of at least `bytes`, contents undefined. ResourceExhausted when there is no memory.
  Result<AlignedBuffer> Take(size_t bytes);
  // Any buffer; usually one that Take gave.
  void Give(AlignedBuffer buffer);

  size_t IdleBytes() const { return idle_bytes_; }

 private:
  static constexpr size_t kSmallestBytes = 1024;
  static constexpr int kClasses = 32;

  size_t max_idle_bytes_;
  size_t idle_bytes_ = 0;
  std::array<std::vector<AlignedBuffer>, kClasses> idle_;
};

}  // namespace ergo

#endif  // ERGO_SERVER_BUFFER_POOL_H_
