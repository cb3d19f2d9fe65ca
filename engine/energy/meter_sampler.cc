#include "engine/energy/meter_sampler.h"

#include <chrono>

namespace ergo {

MeterSampler::MeterSampler(Meter* meter) : meter_(meter), thread_([this] { Loop(); }) {}

MeterSampler::~MeterSampler() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void MeterSampler::Loop() {
  const std::chrono::nanoseconds period(meter_->SamplePeriodNs());
  std::unique_lock<std::mutex> lock(mutex_);
  while (!wake_.wait_for(lock, period, [this] { return stopping_; })) meter_->Sample();
}

}  // namespace ergo
