// EnergyClock: the three times that metering needs, as a parameter, so that tests own time.
#ifndef ERGO_ENGINE_ENERGY_CLOCK_H_
#define ERGO_ENGINE_ENERGY_CLOCK_H_

#include <cstdint>

namespace ergo {

// Thread safety: all members may be called concurrently.
class EnergyClock {
 public:
  virtual ~EnergyClock() = default;
  virtual int64_t WallNs() const = 0;        // monotonic
  virtual int64_t ProcessCpuNs() const = 0;  // of all threads, user and kernel
};

// CLOCK_MONOTONIC and CLOCK_PROCESS_CPUTIME_ID.
const EnergyClock& SystemEnergyClock();

// Processor time of the calling thread: bracket a piece of work with it and hand the difference to
// CpuTimeRate. A system call of about 0.1 us.
int64_t ThreadCpuNs();

}  // namespace ergo

#endif  // ERGO_ENGINE_ENERGY_CLOCK_H_
