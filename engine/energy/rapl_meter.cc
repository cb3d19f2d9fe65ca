#include "engine/energy/rapl_meter.h"

#include <cmath>

#include "engine/energy/limits.h"
#include "engine/energy/sysfs.h"

namespace ergo {
namespace {

int OnlineProcessors(const std::string& sysfs_root) {
  Result<std::string> text = ReadAttribute(sysfs_root + "/devices/system/cpu/online");
  if (!text.ok()) return 1;
  Result<std::vector<int>> cpus = ParseCpuList(*text);
  return cpus.ok() ? static_cast<int>(cpus->size()) : 1;
}

}  // namespace

RaplMeter::RaplMeter(const std::string& sysfs_root, const std::string& proc_root,
                     const EnergyClock& clock, const PowerModel& weights)
    : clock_(clock),
      proc_root_(proc_root),
      weights_(weights),
      processors_(OnlineProcessors(sysfs_root)) {}

MeterReading RaplMeter::Stamp() const {
  MeterReading reading;
  reading.wall_ns = clock_.WallNs();
  Result<int64_t> busy = MachineBusyNs(proc_root_);
  if (busy.ok()) {
    reading.busy_ns = *busy;
  } else {
    reading.error = busy.status().ToString();
  }
  return reading;
}

void RaplMeter::AddDomain(const std::string& name) {
  if ((" " + domains_ + " ").find(" " + name + " ") != std::string::npos) return;
  if (!domains_.empty()) domains_ += ' ';
  domains_ += name;
}

double RaplMeter::RelativeError(double window_s) const {
  return std::hypot(kRaplPeriod_s / window_s, kRaplRelativeError);
}

double RaplMeter::MinimumWindow_s() const {
  return kRaplPeriod_s;
}

}  // namespace ergo
