// Descriptor: owns a file descriptor. Move-only; closed at the end.
#ifndef ERGO_SERVER_NET_DESCRIPTOR_H_
#define ERGO_SERVER_NET_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace ergo {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { Reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    Reset(other.Release());
    return *this;
  }

  int Get() const { return fd_; }
  bool Valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1) {
    const int old = std::exchange(fd_, fd);
    if (old >= 0) ::close(old);
  }

 private:
  int fd_ = -1;
};

}  // namespace ergo

#endif  // ERGO_SERVER_NET_DESCRIPTOR_H_
