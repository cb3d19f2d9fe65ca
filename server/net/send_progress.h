// SendProgress: what is left of a gather-write that the kernel takes in pieces.
// Thread safety: none.
#ifndef ERGO_SERVER_NET_SEND_PROGRESS_H_
#define ERGO_SERVER_NET_SEND_PROGRESS_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <span>
#include <vector>

namespace ergo {

class SendProgress {
 public:
  void Begin(std::span<const iovec> parts) {
    parts_.assign(parts.begin(), parts.end());
    first_ = 0;
    sent_ = 0;
    active_ = true;
    Advance(0);
  }

  bool Active() const { return active_; }
  size_t Sent() const { return sent_; }
  // For sendmsg; points into this object, and stays valid until Advance or Begin.
  const msghdr* Message() {
    constexpr size_t kMaxParts = 1024;  // the kernel's UIO_MAXIOV
    message_ = {};
    message_.msg_iov = parts_.data() + first_;
    message_.msg_iovlen = std::min(parts_.size() - first_, kMaxParts);
    return &message_;
  }

  // True when everything was sent.
  bool Advance(size_t bytes) {
    sent_ += bytes;
    while (first_ < parts_.size() && bytes >= parts_[first_].iov_len) {
      bytes -= parts_[first_++].iov_len;
    }
    if (first_ == parts_.size()) return true;
    parts_[first_].iov_base = static_cast<std::byte*>(parts_[first_].iov_base) + bytes;
    parts_[first_].iov_len -= bytes;
    return false;
  }
  void End() { active_ = false; }

 private:
  std::vector<iovec> parts_;
  msghdr message_{};
  size_t first_ = 0;
  size_t sent_ = 0;
  bool active_ = false;
};

}  // namespace ergo

#endif  // ERGO_SERVER_NET_SEND_PROGRESS_H_
