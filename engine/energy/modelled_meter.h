// The meter for machines without one: processor time of this process times a PowerModel, and idle
// power for the rest of the processors that it may use.
#ifndef ERGO_ENGINE_ENERGY_MODELLED_METER_H_
#define ERGO_ENGINE_ENERGY_MODELLED_METER_H_

#include <memory>

#include "engine/energy/meter.h"

namespace ergo {

// `processors`: logical processors that the process may run on, at least 1; idle power is counted
// for those. `clock` outlives the meter.
std::unique_ptr<Meter> MakeModelledMeter(const PowerModel& model, int processors,
                                         const EnergyClock& clock);

// By the affinity mask of the calling thread, at least 1.
int AffinityProcessors();

}  // namespace ergo

#endif  // ERGO_ENGINE_ENERGY_MODELLED_METER_H_
