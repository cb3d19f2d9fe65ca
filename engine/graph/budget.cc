#include "engine/graph/budget.h"

#include <time.h>

namespace ergo {

int64_t BudgetClockNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

Budget::Budget(const ResourceLimits& limits, int64_t (*clock_ns)())
    : limits_(limits), clock_ns_(clock_ns), begin_ns_(limits.max_seconds > 0 ? clock_ns() : 0) {}

Status Budget::CheckTime() const {
  if (limits_.max_seconds <= 0) return {};
  const double seconds = static_cast<double>(clock_ns_() - begin_ns_) * 1e-9;
  if (seconds <= limits_.max_seconds) return {};
  return ResourceExhausted("takes longer than the {:g} s that are allowed", limits_.max_seconds);
}

Status Budget::CheckBytes(int64_t bytes, std::string_view what) const {
  if (bytes <= limits_.max_memory_bytes) return {};
  return ResourceExhausted("{}: needs {} bytes of memory, {} are allowed", what, bytes,
                           limits_.max_memory_bytes);
}

Status Budget::CheckWork(int64_t operations, int workers, std::string_view what) const {
  if (limits_.max_seconds <= 0) return {};
  const double seconds = static_cast<double>(operations) / kExpectedOpsPerSecond / workers;
  if (seconds <= limits_.max_seconds) return {};
  return ResourceExhausted("{}: {} operations take about {:.3g} s, {:g} s are allowed", what,
                           operations, seconds, limits_.max_seconds);
}

}  // namespace ergo
