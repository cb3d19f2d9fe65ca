// GpuPower: what a GPU has used, and how it is, as NVIDIA's management library says; read only.
//
//   ERGO_ASSIGN_OR_RETURN(auto power, GpuPower::Open({}));
//   ERGO_ASSIGN_OR_RETURN(const GpuPower::Reading before, power->Read());
//   ... work, for at least kMinimumGpuWindow_s ...
//   ERGO_ASSIGN_OR_RETURN(const GpuPower::Reading after, power->Read());
//   const Joules used = power->Between(before, after);
//
// The library is loaded when a GpuPower is opened, with declarations of our own: it comes with the
// driver, its header with neither driver nor toolkit. Its energy counter covers the whole board,
// whoever uses it, and counts on in steps that are long beside an inference.
//
// Source: NVML API Reference, functions nvmlDeviceGetTotalEnergyConsumption,
// nvmlDeviceGetFieldValues (NVML_FI_DEV_POWER_INSTANT), nvmlDeviceGetClockInfo.
//
// Thread safety: all members may be called concurrently.
#ifndef ERGO_ENGINE_ENERGY_GPU_POWER_H_
#define ERGO_ENGINE_ENERGY_GPU_POWER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/energy/clock.h"
#include "engine/energy/joules.h"
#include "kernels/base/status.h"

namespace ergo {

// What is shorter is no figure: the counter counts in steps.
inline constexpr double kMinimumGpuWindow_s = 5;
// Of the counter, as its documentation has it.
inline constexpr double kGpuEnergyRelativeError = 0.05;

struct GpuPowerOptions {
  std::string library = "libnvidia-ml.so.1";
  unsigned device = 0;
  const EnergyClock* clock = nullptr;  // null: SystemEnergyClock()
};

class GpuPower {
 public:
  struct Reading {
    int64_t wall_ns = 0;          // of the clock
    double joules = 0;            // since the driver was loaded
    std::optional<double> watts;  // at this instant
    std::optional<int> temperature_c;
    std::optional<int> clock_mhz;  // of the multiprocessors
  };

  // Unavailable, with the reason, where library, device or energy counter is not there.
  static Result<std::unique_ptr<GpuPower>> Open(const GpuPowerOptions& options);
  ~GpuPower();

  const std::string& Name() const;  // of the device
  // DeviceError where the counter cannot be read any more; what else cannot is left out.
  Result<Reading> Read() const;
  // kUnavailable with the reason for windows that are too short, and where the counter ran
  // backwards.
  Joules Between(const Reading& begin, const Reading& end) const;

 private:
  struct Library;
  explicit GpuPower(std::unique_ptr<Library> library);
  std::unique_ptr<Library> library_;
};

}  // namespace ergo

#endif  // ERGO_ENGINE_ENERGY_GPU_POWER_H_
