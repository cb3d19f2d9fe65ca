#include "server/net/ring.h"

#include <spdlog/spdlog.h>

#include "server/net/epoll_ring.h"
#include "server/net/uring_ring.h"

namespace ergo {

Result<std::unique_ptr<Ring>> Ring::Create(const RingOptions& options) {
  if (options.kind != RingKind::kEpoll) {
    Result<std::unique_ptr<Ring>> uring = UringRing::Create(options);
    if (uring.ok() || options.kind == RingKind::kUring) return uring;
    spdlog::warn("io_uring: {}; epoll is used instead", uring.status().message());
  }
  return EpollRing::Create(options);
}

}  // namespace ergo
