#include "engine/energy/modelled_meter.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>

namespace ergo {
namespace {

class ModelledMeter final : public Meter {
 public:
  ModelledMeter(const PowerModel& model, int processors, const EnergyClock& clock)
      : model_(model),
        processors_(processors),
        clock_(clock),
        begin_wall_ns_(clock.WallNs()),
        begin_busy_ns_(clock.ProcessCpuNs()) {}

  MeterReading Read() override {
    MeterReading reading;
    reading.wall_ns = clock_.WallNs();
    reading.busy_ns = clock_.ProcessCpuNs();
    const double busy_s = static_cast<double>(reading.busy_ns - begin_busy_ns_) * 1e-9;
    const double wall_s = static_cast<double>(reading.wall_ns - begin_wall_ns_) * 1e-9;
    reading.joules =
        busy_s * (model_.busy_watts - model_.idle_watts) + wall_s * processors_ * model_.idle_watts;
    return reading;
  }

  EnergySource Source() const override { return EnergySource::kModelled; }
  std::string Domains() const override { return "cpu-model"; }
  std::string Describe() const override {
    return fmt::format("modelled: {}, {} processors", model_.ToString(), processors_);
  }
  const PowerModel& Weights() const override { return model_; }
  int Processors() const override { return processors_; }

 protected:
  double RelativeError(double /*window_s*/) const override { return model_.relative_error; }

 private:
  const PowerModel model_;
  const int processors_;
  const EnergyClock& clock_;
  const int64_t begin_wall_ns_, begin_busy_ns_;
};

}  // namespace

std::unique_ptr<Meter> MakeModelledMeter(const PowerModel& model, int processors,
                                         const EnergyClock& clock) {
  return std::make_unique<ModelledMeter>(model, std::max(processors, 1), clock);
}

int AffinityProcessors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(CPU_COUNT(&set), 1);
}

}  // namespace ergo
