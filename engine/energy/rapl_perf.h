// RAPL through the kernel's `power` PMU: 64-bit counters (the kernel extends the 32-bit registers
// by a timer of its own), one for each package and its dram, system-wide.
// Sources: Linux arch/x86/events/rapl.c;
// Documentation/ABI/testing/sysfs-bus-event_source-devices-*.
#ifndef ERGO_ENGINE_ENERGY_RAPL_PERF_H_
#define ERGO_ENGINE_ENERGY_RAPL_PERF_H_

#include <memory>

#include "engine/energy/meter.h"
#include "kernels/base/status.h"

namespace ergo {

// Counts packages and, where there is one, dram. NotFound without such a PMU, DeviceError without
// the right to use it; the message says what to grant. `clock` and `perf` outlive the meter.
Result<std::unique_ptr<Meter>> OpenRaplPerf(const std::string& sysfs_root,
                                            const std::string& proc_root, const EnergyClock& clock,
                                            PerfCounters& perf, const PowerModel& weights);

}  // namespace ergo

#endif  // ERGO_ENGINE_ENERGY_RAPL_PERF_H_
