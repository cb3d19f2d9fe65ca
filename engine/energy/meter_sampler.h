// MeterSampler: the thread that keeps a meter's counters from wrapping unseen. It sleeps between
// samples (minutes, for RAPL).
#ifndef ERGO_ENGINE_ENERGY_METER_SAMPLER_H_
#define ERGO_ENGINE_ENERGY_METER_SAMPLER_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "engine/energy/meter.h"

namespace ergo {

class MeterSampler {
 public:
  // The meter outlives the sampler; meter->SamplePeriodNs() is positive.
  explicit MeterSampler(Meter* meter);
  ~MeterSampler();  // stops at once and joins
  MeterSampler(const MeterSampler&) = delete;
  MeterSampler& operator=(const MeterSampler&) = delete;

 private:
  void Loop();

  Meter* const meter_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ergo

#endif  // ERGO_ENGINE_ENERGY_METER_SAMPLER_H_
