// Outbox: frames that wait to be sent on one connection, and those that are being sent.
// Thread safety: none.
#ifndef ERGO_SERVER_CORE_OUTBOX_H_
#define ERGO_SERVER_CORE_OUTBOX_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "kernels/base/aligned_buffer.h"
#include "server/buffer_pool.h"

namespace ergo {

class Outbox {
 public:
  // A frame in its own buffer.
  void Push(AlignedBuffer buffer, size_t offset, size_t bytes);
  // Copies; small frames share a buffer as long as it is not being sent.
  void PushCopy(std::span<const std::byte> frame, BufferPool& pool);

  bool Empty() const { return frames_.empty(); }
  bool Sending() const { return sending_ > 0; }
  size_t Bytes() const { return bytes_; }
  uint64_t Sends() const { return sends_; }  // begun so far

  // The next parts to send, which stay in place until Sent. Not while Sending.
  std::span<const iovec> BeginSend();
  // All of them were sent: frees them and returns their bytes.
  size_t Sent(BufferPool& pool);

 private:
  struct Frame {
    AlignedBuffer buffer;
    size_t offset, bytes;
    bool shared;  // more small frames may be appended
  };
  std::deque<Frame> frames_;
  size_t sending_ = 0;  // of the first frames
  size_t bytes_ = 0;
  uint64_t sends_ = 0;
  std::vector<iovec> parts_;
};

}  // namespace ergo

#endif  // ERGO_SERVER_CORE_OUTBOX_H_
