// Which way of waiting for sockets a Ring uses.
#ifndef ERGO_SERVER_NET_RING_KIND_H_
#define ERGO_SERVER_NET_RING_KIND_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace ergo {

enum class RingKind : uint8_t {
  kAuto,  // io_uring where the kernel allows and knows it, else epoll
  kUring,
  kEpoll,
};

constexpr std::string_view RingKindName(RingKind kind) {
  return kind == RingKind::kUring ? "uring" : kind == RingKind::kEpoll ? "epoll" : "auto";
}

// The inverse of RingKindName.
constexpr std::optional<RingKind> RingKindFromName(std::string_view name) {
  for (RingKind kind : {RingKind::kAuto, RingKind::kUring, RingKind::kEpoll}) {
    if (name == RingKindName(kind)) return kind;
  }
  return std::nullopt;
}

}  // namespace ergo

#endif  // ERGO_SERVER_NET_RING_KIND_H_
