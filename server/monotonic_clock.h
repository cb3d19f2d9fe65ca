// The server's clock: CLOCK_MONOTONIC in nanoseconds. Code that decides by time takes `now_ns` as
// a parameter instead, so that tests own time.
#ifndef ERGO_SERVER_MONOTONIC_CLOCK_H_
#define ERGO_SERVER_MONOTONIC_CLOCK_H_

#include <time.h>

#include <cstdint>

namespace ergo {

inline constexpr int64_t kNsPerUs = 1'000;
inline constexpr int64_t kNsPerMs = 1'000'000;
inline constexpr int64_t kNsPerSecond = 1'000'000'000;

inline int64_t MonotonicNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNsPerSecond + now.tv_nsec;
}

}  // namespace ergo

#endif  // ERGO_SERVER_MONOTONIC_CLOCK_H_
