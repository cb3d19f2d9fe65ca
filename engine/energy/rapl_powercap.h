// RAPL through powercap (SYSFS/class/powercap/intel-rapl:*; AMD's appear under the same name).
//
// Which zones count: packages ("package-N", "package-N-die-M") and their "dram". "core" and
// "uncore" are parts of a package, "psys" holds packages and more, and the intel-rapl-mmio copies
// of a package are the same joules again: none of them is added. Zones are told by their `name`,
// since their numbers follow the order of probing.
//
// energy_uj wraps at max_energy_range_uj (a 32-bit register: 262 kJ, 22 minutes at 200 W). Sample
// must come round before a zone can wrap twice; a sample that comes too late, or a jump that no
// processor could have drawn (somebody reset the counter), starts a new epoch.
// Sources: Linux Documentation/power/powercap/powercap.rst; drivers/powercap/powercap_sys.c
// (energy_uj is 0400 since CVE-2020-8694, PLATYPUS).
#ifndef ERGO_ENGINE_ENERGY_RAPL_POWERCAP_H_
#define ERGO_ENGINE_ENERGY_RAPL_POWERCAP_H_

#include <memory>

#include "engine/energy/meter.h"
#include "kernels/base/status.h"

namespace ergo {

// NotFound without such zones, DeviceError without the right to read them; the message says what
// to grant. Never writes. `clock` outlives the meter.
Result<std::unique_ptr<Meter>> OpenRaplPowercap(const std::string& sysfs_root,
                                                const std::string& proc_root,
                                                const EnergyClock& clock,
                                                const PowerModel& weights);

}  // namespace ergo

#endif  // ERGO_ENGINE_ENERGY_RAPL_POWERCAP_H_
