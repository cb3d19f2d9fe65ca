// PowerModel: what a processor draws where nothing measures it. Linear in busy time, the form that
// SPECpower curves are commonly reduced to:
//   joules = busy_s * busy_watts + idle_s * idle_watts        (seconds of logical processors)
//
// The table holds the published coefficients of Cloud Carbon Footprint (SPECpower_ssj2008 results
// of whole servers, power at 0 % and at 100 % load divided by the number of logical processors), so
// it counts the server's fans and memory in. It is right for the average server of a generation
// and may be off by half for yours; whoever knows better gives watts of their own.
#ifndef ERGO_ENGINE_ENERGY_POWER_MODEL_H_
#define ERGO_ENGINE_ENERGY_POWER_MODEL_H_

#include <string>
#include <string_view>

#include "kernels/base/status.h"

namespace ergo {

struct PowerModel {
  double busy_watts = 3.50;  // of one logical processor at full load
  double idle_watts = 0.74;  // of one logical processor that idles
  double relative_error = 0.5;
  std::string origin = "average server";  // which row, or who gave the figures

  // "3.50 W busy, 0.74 W idle a processor, +-50 % (average server)"
  std::string ToString() const;
};

// The row for this processor, by vendor, family and model of /proc/cpuinfo's text; the average
// server where the processor is none of the table's.
PowerModel PowerModelFor(std::string_view cpuinfo);

// "BUSY:IDLE" in watts a logical processor, as given by a user. InvalidArgument unless
// 0 <= idle <= busy, 0 < busy.
Result<PowerModel> ParsePowerModel(std::string_view text);

}  // namespace ergo

#endif  // ERGO_ENGINE_ENERGY_POWER_MODEL_H_
