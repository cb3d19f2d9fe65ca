// Limits and fixed figures of metering.
#ifndef ERGO_ENGINE_ENERGY_LIMITS_H_
#define ERGO_ENGINE_ENERGY_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace ergo {

// No RAPL zone draws more than this. It bounds how often a wrapping counter must be sampled, and
// tells a wrap (plausible) from a counter that somebody reset (implausible).
inline constexpr double kMaxZoneWatts = 1500;
// RAPL registers update about once a millisecond: what is shorter cannot be measured, only
// attributed.
inline constexpr double kRaplPeriod_s = 1e-3;
// What RAPL itself is off by, against a power meter on the same rail.
inline constexpr double kRaplRelativeError = 0.05;
// How often CpuTimeRate looks at the meter anew.
inline constexpr int64_t kRateWindow_ns = 1'000'000'000;
inline constexpr size_t kMaxSysfsBytes = 4096;    // of one sysfs attribute
inline constexpr size_t kMaxProcBytes = 4 << 20;  // of /proc/stat and /proc/cpuinfo
inline constexpr int kMaxMeterZones = 256;        // RAPL zones, or counters, of one meter
inline constexpr int kMaxCpuNumber = 1 << 16;

}  // namespace ergo

#endif  // ERGO_ENGINE_ENERGY_LIMITS_H_
