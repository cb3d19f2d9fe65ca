// Waker: wakes a thread out of a wait on descriptors, through an eventfd that is written only when
// the thread may be asleep: a busy server pays no system call for it.
#ifndef ERGO_SERVER_NET_WAKER_H_
#define ERGO_SERVER_NET_WAKER_H_

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "server/net/descriptor.h"

namespace ergo {

class Waker {
 public:
  Waker() : event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

  int EventDescriptor() const { return event_.Get(); }

  // Any thread.
  void Wake() {
    // Either this sees the thread asleep, or the thread sees the mark before it sleeps: both are
    // sequentially consistent.
    if (pending_.exchange(true) || !asleep_.load()) return;
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(event_.Get(), &one, sizeof(one));
  }

  // The waiting thread, around each wait. BeforeWait is false when the wait must not block.
  bool BeforeWait() {
    asleep_.store(true);
    return !pending_.load();
  }
  // What was handed over before a Wake that came until here is visible to the thread afterwards.
  void AfterWait() {
    asleep_.store(false);
    pending_.exchange(false);
  }

 private:
  Descriptor event_;
  std::atomic<bool> pending_ = false;
  std::atomic<bool> asleep_ = false;
};

}  // namespace ergo

#endif  // ERGO_SERVER_NET_WAKER_H_
