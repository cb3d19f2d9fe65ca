// Meter: how many joules were used between two moments, and how far to believe it.
//
//   OpenedMeter opened = OpenMeter({});
//   MeterReading before = opened.meter->Read();
//   ... work ...
//   Joules used = opened.meter->Between(before, opened.meter->Read());
//
// The meters, in the order in which OpenMeter tries them:
//   RAPL through perf      packages and dram; the kernel extends the 32-bit registers
//   RAPL through powercap  the same counters through sysfs; wraps are handled here
//   modelled               processor time of this process times a PowerModel; always works, and
//                          always says "modelled"
// What is measured is the whole machine, whoever runs on it; what is modelled is this process and
// the idle processors around it. Neither brackets a single request: counters update once a
// millisecond and neighbours run meanwhile. A request's share comes from CpuTimeRate
// (engine/energy/attribution.h).
//
// Sources: Linux Documentation/power/powercap/powercap.rst, arch/x86/events/rapl.c; the split into
// packages + dram after Khan et al., "RAPL in Action", ACM TOMPECS 2018.
#ifndef ERGO_ENGINE_ENERGY_METER_H_
#define ERGO_ENGINE_ENERGY_METER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/energy/clock.h"
#include "engine/energy/joules.h"
#include "engine/energy/power_model.h"

namespace ergo {

class MeterSampler;
class PerfCounters;

// One moment of one meter; means something only beside another reading of the same meter.
struct MeterReading {
  double joules = 0;    // since the meter was opened
  int64_t wall_ns = 0;  // of the meter's clock
  int64_t busy_ns = 0;  // processor time used: of the machine if measured, else of the process
  uint32_t epoch = 0;   // readings of different epochs do not compare: joules were lost between
  std::string error;    // not empty: nothing could be read, and why
};

// Thread safety: all members may be called concurrently.
class Meter {
 public:
  virtual ~Meter() = default;

  // Cumulative, monotonic. Modelled: about 0.3 us; RAPL: a system call a counter.
  virtual MeterReading Read() = 0;

  // Keeps account of wraps: wants to be called every SamplePeriodNs (0: never), which a
  // MeterSampler does. Called late, the meter notices and starts a new epoch.
  virtual void Sample() {}
  virtual int64_t SamplePeriodNs() const { return 0; }

  virtual EnergySource Source() const = 0;
  virtual std::string Domains() const = 0;  // "package-0 dram-0", "cpu-model"
  // One line for logs and reports: the meter with its domains or parameters.
  virtual std::string Describe() const = 0;
  // The busy and idle power that shares out a window over its processors (attribution.h). Only the
  // ratio of the two counts where the window itself is measured.
  virtual const PowerModel& Weights() const = 0;
  virtual int Processors() const = 0;  // logical processors that the joules cover

  // What was used from `begin` to `end`, both read from this meter. kUnavailable with the reason
  // when either reading failed, when a wrap may have been missed in between, or when the window is
  // shorter than the counter's period; never a silent 0.
  Joules Between(const MeterReading& begin, const MeterReading& end) const;

 protected:
  // One sigma of a window of this length, relative.
  virtual double RelativeError(double window_s) const = 0;
  virtual double MinimumWindow_s() const { return 0; }
};

struct MeterOptions {
  // "auto" (the order above), "rapl-perf", "rapl-powercap", "modelled" or "none".
  std::string kind = "auto";
  std::optional<PowerModel> model;  // unset: PowerModelFor(this processor)
  // Roots and seams: the defaults are the real machine.
  std::string sysfs_root = "/sys";
  std::string proc_root = "/proc";
  const EnergyClock* clock = nullptr;  // null: SystemEnergyClock()
  PerfCounters* perf = nullptr;        // null: SystemPerfCounters()
};

struct OpenedMeter {
  OpenedMeter();
  ~OpenedMeter();
  OpenedMeter(OpenedMeter&&) noexcept;
  OpenedMeter& operator=(OpenedMeter&&) noexcept;

  std::unique_ptr<Meter> meter;  // never null: where nothing can be had, every figure of it is
                                 // kUnavailable with the reason
  // Why meters earlier in the order were not usable and what to do, one line each; for the log.
  std::vector<std::string> notes;
  // Keeps the meter sampled; null where nothing wraps. Lives no longer than the meter.
  std::unique_ptr<MeterSampler> sampler;
};

OpenedMeter OpenMeter(const MeterOptions& options);

}  // namespace ergo

#endif  // ERGO_ENGINE_ENERGY_METER_H_
