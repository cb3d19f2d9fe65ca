// CpuTimeRate: a request's share of the joules, by its processor time.
//
//   share = window_joules * cpu_s * b / (busy_s * b + idle_s * i)
//
// with b and i the busy and idle power of a processor (Meter::Weights) and busy_s + idle_s =
// window_s * processors. The shares of everything that ran, and of the idle processors, add up to
// the window; idle power stays with nobody. On a modelled meter the share is exactly cpu_s * b.
#ifndef ERGO_ENGINE_ENERGY_ATTRIBUTION_H_
#define ERGO_ENGINE_ENERGY_ATTRIBUTION_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "engine/energy/meter.h"

namespace ergo {

// `cpu_share` of a window, in [0, 1], for those who know the share: source, domains, window and
// error stay those of the window.
Joules ShareByCpuTime(const Joules& window, double cpu_share);

// Thread safety: all members may be called concurrently.
class CpuTimeRate {
 public:
  // The meter, and the clock that it was opened with, outlive it. Reads the meter once.
  explicit CpuTimeRate(Meter* meter, const EnergyClock& clock = SystemEnergyClock());

  struct Rate {
    double joules_per_cpu_s = 0;  // of processor time; meaningless when the source is kUnavailable
    EnergySource source = EnergySource::kUnavailable;
    double relative_error = 0;  // one sigma
    int64_t window_ns = 0;      // that the meter was watched for; 0: modelled, needs no window
  };
  // For hot paths: allocates nothing and never waits. Modelled: a constant. Measured: a clock read,
  // and once a second one caller reads the meter too (tens of microseconds); kUnavailable until the
  // first second is over.
  Rate Now();

  // The same as a full figure, for reports: what `cpu_ns` of processor time cost.
  Joules For(int64_t cpu_ns);

  // How shares are computed, for the log.
  std::string Rule() const;

 private:
  void Refresh(int64_t now_ns);

  Meter* const meter_;
  const EnergyClock& clock_;
  std::mutex mutex_;  // guards window_begin_, reason_
  MeterReading window_begin_;
  std::string reason_;
  std::atomic<double> relative_error_{0};
  std::atomic<int64_t> window_ns_{0};
  std::atomic<int64_t> next_refresh_ns_{0};
  std::atomic<double> joules_per_cpu_s_;  // NaN: none yet
};

}  // namespace ergo

#endif  // ERGO_ENGINE_ENERGY_ATTRIBUTION_H_
