#include "engine/energy/rapl_powercap.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <mutex>
#include <vector>

#include "engine/energy/limits.h"
#include "engine/energy/rapl_meter.h"
#include "engine/energy/sysfs.h"

namespace ergo {
namespace {

constexpr std::string_view kControlTypes[] = {"intel-rapl", "intel-rapl-mmio"};

struct ZonePlace {
  std::string directory;
  std::string domain;  // "package-0", "dram-0"
};

Status OpenError(const std::string& path, int error) {
  if (error == EACCES || error == EPERM) {
    return Error(
        StatusCode::kDeviceError,
        "{}: {}: readable by root only since CVE-2020-8694; grant it by `chmod a+r` on the "
        "file or by `setcap cap_dac_read_search+ep` on the program",
        path, std::strerror(error));
  }
  return Error(error == ENOENT ? StatusCode::kNotFound : StatusCode::kDeviceError, "{}: {}", path,
               std::strerror(error));
}

// The zones to be counted of one control type. A subzone "TYPE:P:S" belongs to "TYPE:P".
Status FindZones(const std::string& root, std::string_view type,
                 const std::vector<std::string>& entries, std::vector<ZonePlace>* zones) {
  for (const std::string& entry : entries) {
    const std::string prefix = std::string(type) + ":";
    if (entry.compare(0, prefix.size(), prefix) != 0) continue;
    ERGO_ASSIGN_OR_RETURN(std::string name, ReadAttribute(root + "/" + entry + "/name"));
    if (name == "dram") {
      const size_t parent_end = entry.rfind(':');
      if (parent_end < prefix.size()) continue;  // no package above it
      ERGO_ASSIGN_OR_RETURN(const std::string parent,
                            ReadAttribute(root + "/" + entry.substr(0, parent_end) + "/name"));
      name += parent.substr(std::min(parent.find('-'), parent.size()));
    } else if (name.compare(0, 8, "package-") != 0) {
      continue;
    }
    const bool known = std::any_of(zones->begin(), zones->end(),
                                   [&](const ZonePlace& zone) { return zone.domain == name; });
    if (!known) zones->push_back({root + "/" + entry, name});
    if (zones->size() > static_cast<size_t>(kMaxMeterZones)) {
      return ResourceExhausted("{}: more than {} zones", root, kMaxMeterZones);
    }
  }
  return {};
}

class RaplPowercap final : public RaplMeter {
 public:
  RaplPowercap(const std::string& sysfs_root, const std::string& proc_root,
               const EnergyClock& clock, const PowerModel& weights)
      : RaplMeter(sysfs_root, proc_root, clock, weights), root_(sysfs_root + "/class/powercap") {}

  ~RaplPowercap() override {
    for (const Zone& zone : zones_) close(zone.descriptor);
  }

  Status Open() {
    Result<std::vector<std::string>> entries = ListDirectory(root_);
    if (!entries.ok()) {
      return NotFound(
          "no powercap ({}): a virtual machine, or the kernel's intel_rapl modules are "
          "not loaded",
          entries.status().message());
    }
    std::vector<ZonePlace> places;
    for (const std::string_view type : kControlTypes) {
      ERGO_RETURN_IF_ERROR(FindZones(root_, type, *entries, &places));
    }
    if (places.empty()) return NotFound("{}: no zone named package-N", root_);
    for (const ZonePlace& place : places) ERGO_RETURN_IF_ERROR(AddZone(place));
    return {};
  }

  MeterReading Read() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    MeterReading reading = Stamp();
    const Status status = Accumulate(reading.wall_ns);
    if (!status.ok()) reading.error = status.ToString();
    double microjoules = 0;
    for (const Zone& zone : zones_) microjoules += static_cast<double>(zone.total_uj);
    reading.joules = microjoules * 1e-6;
    reading.epoch = epoch_;
    return reading;
  }

  void Sample() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    // A failure shows in the next Read, which meets the same file.
    (void)Accumulate(clock_.WallNs()).ok();
  }

  // Half the time in which the zone that wraps first can wrap at all.
  int64_t SamplePeriodNs() const override {
    int64_t period_ns = std::numeric_limits<int64_t>::max();
    for (const Zone& zone : zones_) period_ns = std::min(period_ns, zone.wrap_ns / 2);
    return period_ns;
  }

  std::string Describe() const override {
    return fmt::format("RAPL through powercap: {}", Domains());
  }

 private:
  struct Zone {
    std::string path;
    int descriptor = -1;
    uint64_t range_uj = 0;
    int64_t wrap_ns = 0;  // the least time in which the counter can come full circle
    uint64_t last_uj = 0;
    int64_t last_ns = 0;
    uint64_t total_uj = 0;
  };

  Status AddZone(const ZonePlace& place) {
    Zone zone;
    zone.path = place.directory + "/energy_uj";
    ERGO_ASSIGN_OR_RETURN(const std::string range,
                          ReadAttribute(place.directory + "/max_energy_range_uj"));
    ERGO_ASSIGN_OR_RETURN(zone.range_uj, ParseUnsigned(range));
    zone.wrap_ns = static_cast<int64_t>(static_cast<double>(zone.range_uj) * 1e3 / kMaxZoneWatts);
    if (zone.wrap_ns < 2) return CorruptData("{}/max_energy_range_uj is 0", place.directory);
    zone.descriptor = open(zone.path.c_str(), O_RDONLY | O_CLOEXEC);
    if (zone.descriptor < 0) return OpenError(zone.path, errno);
    zones_.push_back(zone);
    ERGO_ASSIGN_OR_RETURN(zones_.back().last_uj, ReadCounter(zone));
    zones_.back().last_ns = clock_.WallNs();
    AddDomain(place.domain);
    return {};
  }

  static Result<uint64_t> ReadCounter(const Zone& zone) {
    std::array<char, 32> text;
    const ssize_t got = pread(zone.descriptor, text.data(), text.size(), 0);
    if (got < 0) return OpenError(zone.path, errno);
    std::string_view digits(text.data(), static_cast<size_t>(got));
    if (!digits.empty() && digits.back() == '\n') digits.remove_suffix(1);
    Result<uint64_t> value = ParseUnsigned(digits);
    if (!value.ok()) return std::move(value).status().WithContext(zone.path);
    return value;
  }

  Status Accumulate(int64_t now_ns) {
    for (Zone& zone : zones_) {
      ERGO_ASSIGN_OR_RETURN(const uint64_t now_uj, ReadCounter(zone));
      const uint64_t delta_uj =
          now_uj >= zone.last_uj ? now_uj - zone.last_uj : now_uj + zone.range_uj - zone.last_uj;
      const double elapsed_s = static_cast<double>(now_ns - zone.last_ns) * 1e-9;
      // One period more, since the register may have been updated just before or just after.
      const double most_uj = kMaxZoneWatts * (elapsed_s + kRaplPeriod_s) * 1e6;
      if (now_ns - zone.last_ns > zone.wrap_ns || static_cast<double>(delta_uj) > most_uj) {
        ++epoch_;
      } else {
        zone.total_uj += delta_uj;
      }
      zone.last_uj = now_uj;
      zone.last_ns = now_ns;
    }
    return {};
  }

  const std::string root_;
  std::mutex mutex_;  // guards what follows, once Open is through
  std::vector<Zone> zones_;
  uint32_t epoch_ = 0;
};

}  // namespace

Result<std::unique_ptr<Meter>> OpenRaplPowercap(const std::string& sysfs_root,
                                                const std::string& proc_root,
                                                const EnergyClock& clock,
                                                const PowerModel& weights) {
  auto meter = std::make_unique<RaplPowercap>(sysfs_root, proc_root, clock, weights);
  ERGO_RETURN_IF_ERROR(meter->Open());
  return std::unique_ptr<Meter>(std::move(meter));
}

}  // namespace ergo
