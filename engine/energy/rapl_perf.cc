#include "engine/energy/rapl_perf.h"

#include <charconv>
#include <vector>

#include "engine/energy/limits.h"
#include "engine/energy/perf_counters.h"
#include "engine/energy/rapl_meter.h"
#include "engine/energy/sysfs.h"

namespace ergo {
namespace {

struct Event {
  uint64_t config = 0;
  double joules_per_count = 0;
};

// `events/NAME` says "event=0x02"; NAME.scale and NAME.unit what one count is.
Result<Event> ReadEvent(const std::string& pmu, const std::string& name) {
  const std::string path = pmu + "/events/" + name;
  ERGO_ASSIGN_OR_RETURN(const std::string text, ReadAttribute(path));
  constexpr std::string_view kPrefix = "event=";
  if (text.substr(0, kPrefix.size()) != kPrefix) {
    return CorruptData("{}: '{}' does not begin with '{}'", path, text, kPrefix);
  }
  Event event;
  ERGO_ASSIGN_OR_RETURN(event.config, ParseUnsigned(std::string_view(text).substr(kPrefix.size())));
  ERGO_ASSIGN_OR_RETURN(const std::string unit, ReadAttribute(path + ".unit"));
  if (unit != "Joules") return CorruptData("{}.unit: '{}' instead of 'Joules'", path, unit);
  ERGO_ASSIGN_OR_RETURN(const std::string scale, ReadAttribute(path + ".scale"));
  const char* const end = scale.data() + scale.size();
  const auto [stop, error] = std::from_chars(scale.data(), end, event.joules_per_count);
  if (error != std::errc() || stop != end || !(event.joules_per_count > 0)) {
    return CorruptData("{}.scale: '{}' is not a positive number", path, scale);
  }
  return event;
}

class RaplPerf final : public RaplMeter {
 public:
  RaplPerf(const std::string& sysfs_root, const std::string& proc_root, const EnergyClock& clock,
           PerfCounters& perf, const PowerModel& weights)
      : RaplMeter(sysfs_root, proc_root, clock, weights),
        pmu_(sysfs_root + "/bus/event_source/devices/power"),
        topology_(sysfs_root + "/devices/system/cpu/cpu"),
        perf_(perf) {}

  ~RaplPerf() override {
    for (const Counter& counter : counters_) perf_.Close(counter.handle);
  }

  Status Open() {
    Result<std::string> type_text = ReadAttribute(pmu_ + "/type");
    if (!type_text.ok()) {
      return NotFound(
          "no `power` PMU ({}): a virtual machine, or the kernel's rapl module is not "
          "loaded",
          type_text.status().message());
    }
    ERGO_ASSIGN_OR_RETURN(const uint64_t type, ParseUnsigned(*type_text));
    ERGO_ASSIGN_OR_RETURN(const std::string mask, ReadAttribute(pmu_ + "/cpumask"));
    ERGO_ASSIGN_OR_RETURN(const std::vector<int> cpus, ParseCpuList(mask));
    if (cpus.size() > static_cast<size_t>(kMaxMeterZones) / 2) {
      return ResourceExhausted("{} packages are more than {}", cpus.size(), kMaxMeterZones / 2);
    }
    ERGO_ASSIGN_OR_RETURN(const Event package, ReadEvent(pmu_, "energy-pkg"));
    ERGO_RETURN_IF_ERROR(AddCounters(static_cast<uint32_t>(type), package, cpus, "package"));
    Result<Event> dram = ReadEvent(pmu_, "energy-ram");
    if (dram.ok()) {
      return AddCounters(static_cast<uint32_t>(type), *dram, cpus, "dram");
    }
    // Not every processor has the domain; a broken description of it is still an error.
    return dram.status().code() == StatusCode::kNotFound ? Status() : std::move(dram).status();
  }

  MeterReading Read() override {
    MeterReading reading = Stamp();
    for (const Counter& counter : counters_) {
      Result<uint64_t> count = perf_.Read(counter.handle);
      if (!count.ok()) {
        reading.error = count.status().ToString();
        return reading;
      }
      reading.joules += static_cast<double>(*count - counter.base) * counter.joules_per_count;
    }
    return reading;
  }

  std::string Describe() const override {
    return fmt::format("RAPL through perf: {} ({} counters)", Domains(), counters_.size());
  }

 private:
  struct Counter {
    int handle;
    uint64_t base;  // at opening, so that sums keep the precision of a double
    double joules_per_count;
  };

  Status AddCounters(uint32_t type, const Event& event, const std::vector<int>& cpus,
                     std::string_view domain) {
    for (const int cpu : cpus) {
      ERGO_ASSIGN_OR_RETURN(const int handle, perf_.Open(type, event.config, cpu));
      counters_.push_back({handle, 0, event.joules_per_count});
      ERGO_ASSIGN_OR_RETURN(counters_.back().base, perf_.Read(handle));
      ERGO_ASSIGN_OR_RETURN(
          const std::string package,
          ReadAttribute(fmt::format("{}{}/topology/physical_package_id", topology_, cpu)));
      AddDomain(fmt::format("{}-{}", domain, package));
    }
    return {};
  }

  const std::string pmu_, topology_;
  PerfCounters& perf_;
  std::vector<Counter> counters_;
};

}  // namespace

Result<std::unique_ptr<Meter>> OpenRaplPerf(const std::string& sysfs_root,
                                            const std::string& proc_root, const EnergyClock& clock,
                                            PerfCounters& perf, const PowerModel& weights) {
  auto meter = std::make_unique<RaplPerf>(sysfs_root, proc_root, clock, perf, weights);
  ERGO_RETURN_IF_ERROR(meter->Open());
  return std::unique_ptr<Meter>(std::move(meter));
}

}  // namespace ergo
