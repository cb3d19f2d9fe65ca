// PerfCounters: the three calls of perf_event_open(2) that metering makes, behind a seam, since no
// virtual machine has a `power` PMU to test with.
#ifndef ERGO_ENGINE_ENERGY_PERF_COUNTERS_H_
#define ERGO_ENGINE_ENERGY_PERF_COUNTERS_H_

#include <cstdint>

#include "kernels/base/status.h"

namespace ergo {

// Thread safety: all members may be called concurrently.
class PerfCounters {
 public:
  virtual ~PerfCounters() = default;
  // A counting event of PMU `type` on processor `cpu`, of all processes. The handle is >= 0.
  virtual Result<int> Open(uint32_t type, uint64_t config, int cpu) = 0;
  virtual Result<uint64_t> Read(int handle) = 0;
  virtual void Close(int handle) = 0;
};

PerfCounters& SystemPerfCounters();

}  // namespace ergo

#endif  // ERGO_ENGINE_ENERGY_PERF_COUNTERS_H_
