#include "engine/energy/clock.h"

#include <time.h>

namespace ergo {
namespace {

int64_t NowNs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

class SystemClock final : public EnergyClock {
 public:
  int64_t WallNs() const override { return NowNs(CLOCK_MONOTONIC); }
  int64_t ProcessCpuNs() const override { return NowNs(CLOCK_PROCESS_CPUTIME_ID); }
};

}  // namespace

const EnergyClock& SystemEnergyClock() {
  static const SystemClock clock;
  return clock;
}

int64_t ThreadCpuNs() {
  return NowNs(CLOCK_THREAD_CPUTIME_ID);
}

}  // namespace ergo
