// What the two ways to read RAPL have in common.
#ifndef ERGO_ENGINE_ENERGY_RAPL_METER_H_
#define ERGO_ENGINE_ENERGY_RAPL_METER_H_

#include <string>

#include "engine/energy/meter.h"

namespace ergo {

class RaplMeter : public Meter {
 public:
  EnergySource Source() const final { return EnergySource::kMeasured; }
  std::string Domains() const final { return domains_; }
  const PowerModel& Weights() const final { return weights_; }
  int Processors() const final { return processors_; }

 protected:
  RaplMeter(const std::string& sysfs_root, const std::string& proc_root, const EnergyClock& clock,
            const PowerModel& weights);

  // Time and busy time of a reading taken now; the joules are the caller's.
  MeterReading Stamp() const;
  void AddDomain(const std::string& name);  // once, however often it is said

  double RelativeError(double window_s) const final;
  double MinimumWindow_s() const final;

  const EnergyClock& clock_;

 private:
  const std::string proc_root_;
  const PowerModel weights_;
  int processors_ = 1;
  std::string domains_;
};

}  // namespace ergo

#endif  // ERGO_ENGINE_ENERGY_RAPL_METER_H_
