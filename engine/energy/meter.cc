#include "engine/energy/meter.h"

#include <fmt/format.h>

#include "engine/energy/limits.h"
#include "engine/energy/meter_sampler.h"
#include "engine/energy/modelled_meter.h"
#include "engine/energy/perf_counters.h"
#include "engine/energy/rapl_perf.h"
#include "engine/energy/rapl_powercap.h"
#include "engine/energy/sysfs.h"

namespace ergo {
namespace {

// Where nothing can be had: every reading fails with the same reason.
class NoMeter final : public Meter {
 public:
  NoMeter(std::string reason, const EnergyClock& clock)
      : reason_(std::move(reason)), clock_(clock) {}

  MeterReading Read() override {
    MeterReading reading;
    reading.wall_ns = clock_.WallNs();
    reading.error = reason_;
    return reading;
  }
  EnergySource Source() const override { return EnergySource::kUnavailable; }
  std::string Domains() const override { return ""; }
  std::string Describe() const override { return fmt::format("none: {}", reason_); }
  const PowerModel& Weights() const override { return weights_; }
  int Processors() const override { return 1; }

 protected:
  double RelativeError(double /*window_s*/) const override { return 1; }

 private:
  const std::string reason_;
  const EnergyClock& clock_;
  const PowerModel weights_;
};

PowerModel ModelFor(const MeterOptions& options) {
  if (options.model) return *options.model;
  Result<std::string> cpuinfo = ReadAttribute(options.proc_root + "/cpuinfo", kMaxProcBytes);
  return PowerModelFor(cpuinfo.ok() ? std::string_view(*cpuinfo) : std::string_view());
}

Joules Unavailable(std::string reason, double window_s) {
  Joules joules;
  joules.reason = std::move(reason);
  joules.window_s = window_s;
  return joules;
}

}  // namespace

OpenedMeter::OpenedMeter() = default;
OpenedMeter::~OpenedMeter() = default;
OpenedMeter::OpenedMeter(OpenedMeter&&) noexcept = default;
OpenedMeter& OpenedMeter::operator=(OpenedMeter&& other) noexcept {
  sampler.reset();  // before its meter goes
  meter = std::move(other.meter);
  notes = std::move(other.notes);
  sampler = std::move(other.sampler);
  return *this;
}

Joules Meter::Between(const MeterReading& begin, const MeterReading& end) const {
  const double window_s = static_cast<double>(end.wall_ns - begin.wall_ns) * 1e-9;
  if (!begin.error.empty()) return Unavailable(begin.error, window_s);
  if (!end.error.empty()) return Unavailable(end.error, window_s);
  if (window_s < 0) return Unavailable("the readings are in the wrong order", window_s);
  if (begin.epoch != end.epoch) {
    return Unavailable("the counter was reset, or was not sampled often enough to see every wrap",
                       window_s);
  }
  if (window_s < MinimumWindow_s()) {
    return Unavailable(fmt::format("{:.0f} us are shorter than the counter's period of {:.0f} us: "
                                   "measure longer, or attribute by processor time",
                                   window_s * 1e6, MinimumWindow_s() * 1e6),
                       window_s);
  }
  Joules joules;
  joules.value = end.joules - begin.joules;
  if (Source() == EnergySource::kMeasured && !(joules.value > 0)) {
    return Unavailable(fmt::format("the counter did not move in {:.3g} s", window_s), window_s);
  }
  joules.source = Source();
  joules.domains = Domains();
  joules.window_s = window_s;
  joules.relative_error = RelativeError(window_s);
  return joules;
}

OpenedMeter OpenMeter(const MeterOptions& options) {
  const EnergyClock& clock = options.clock ? *options.clock : SystemEnergyClock();
  PerfCounters& perf = options.perf ? *options.perf : SystemPerfCounters();
  const PowerModel model = ModelFor(options);
  const bool any = options.kind == "auto";
  OpenedMeter opened;
  const auto take = [&](std::string_view kind, Result<std::unique_ptr<Meter>> meter) {
    if (meter.ok()) {
      opened.meter = std::move(*meter);
    } else {
      opened.notes.push_back(fmt::format("{}: {}", kind, meter.status().message()));
    }
  };
  if (any || options.kind == "rapl-perf") {
    take("rapl-perf", OpenRaplPerf(options.sysfs_root, options.proc_root, clock, perf, model));
  }
  if (!opened.meter && (any || options.kind == "rapl-powercap")) {
    take("rapl-powercap", OpenRaplPowercap(options.sysfs_root, options.proc_root, clock, model));
  }
  if (!opened.meter && (any || options.kind == "modelled")) {
    opened.meter = MakeModelledMeter(model, AffinityProcessors(), clock);
  }
  if (!opened.meter) {
    std::string reason = "metering is off";
    if (!opened.notes.empty()) {
      reason = opened.notes.back();
    } else if (options.kind != "none") {
      reason =
          fmt::format("no meter '{}': there are auto, rapl-perf, rapl-powercap, modelled and none",
                      options.kind);
    }
    opened.meter = std::make_unique<NoMeter>(std::move(reason), clock);
  }
  if (opened.meter->SamplePeriodNs() > 0) {
    opened.sampler = std::make_unique<MeterSampler>(opened.meter.get());
  }
  return opened;
}

}  // namespace ergo
