#include "engine/energy/attribution.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/energy/limits.h"

namespace ergo {

Joules ShareByCpuTime(const Joules& window, double cpu_share) {
  Joules share = window;
  share.value = window.value * cpu_share;
  return share;
}

CpuTimeRate::CpuTimeRate(Meter* meter, const EnergyClock& clock)
    : meter_(meter), clock_(clock), joules_per_cpu_s_(std::numeric_limits<double>::quiet_NaN()) {
  if (meter_->Source() == EnergySource::kModelled) {
    joules_per_cpu_s_ = meter_->Weights().busy_watts;
    relative_error_ = meter_->Weights().relative_error;
    next_refresh_ns_ = std::numeric_limits<int64_t>::max();
    return;
  }
  window_begin_ = meter_->Read();
  reason_ = window_begin_.error.empty() ? "the first second of measuring is not over yet"
                                        : window_begin_.error;
  next_refresh_ns_ = window_begin_.wall_ns + kRateWindow_ns;
}

void CpuTimeRate::Refresh(int64_t now_ns) {
  const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
  if (!lock || next_refresh_ns_.load(std::memory_order_relaxed) > now_ns) return;
  next_refresh_ns_.store(now_ns + kRateWindow_ns, std::memory_order_relaxed);
  const MeterReading window_end = meter_->Read();
  const Joules window = meter_->Between(window_begin_, window_end);
  const PowerModel& weights = meter_->Weights();
  const double busy_s = static_cast<double>(window_end.busy_ns - window_begin_.busy_ns) * 1e-9;
  const double idle_s = std::max(0.0, window.window_s * meter_->Processors() - busy_s);
  const double weighed_s = busy_s * weights.busy_watts + idle_s * weights.idle_watts;
  window_begin_ = window_end;
  reason_ = window.reason;
  relative_error_ = std::hypot(window.relative_error, weights.relative_error);
  window_ns_ = std::llround(window.window_s * 1e9);
  joules_per_cpu_s_.store(window.source == EnergySource::kUnavailable || !(weighed_s > 0)
                              ? std::numeric_limits<double>::quiet_NaN()
                              : window.value * weights.busy_watts / weighed_s,
                          std::memory_order_relaxed);
}

CpuTimeRate::Rate CpuTimeRate::Now() {
  const int64_t next_ns = next_refresh_ns_.load(std::memory_order_relaxed);
  if (next_ns != std::numeric_limits<int64_t>::max()) {
    const int64_t now_ns = clock_.WallNs();
    if (now_ns >= next_ns) Refresh(now_ns);
  }
  const double rate = joules_per_cpu_s_.load(std::memory_order_relaxed);
  if (std::isnan(rate)) return {};
  return {rate, meter_->Source(), relative_error_.load(std::memory_order_relaxed),
          window_ns_.load(std::memory_order_relaxed)};
}

Joules CpuTimeRate::For(int64_t cpu_ns) {
  const Rate rate = Now();
  Joules joules;
  joules.source = rate.source;
  joules.window_s = static_cast<double>(cpu_ns) * 1e-9;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (rate.source == EnergySource::kUnavailable) {
    joules.reason = reason_;
    return joules;
  }
  joules.value = rate.joules_per_cpu_s * joules.window_s;
  joules.domains = meter_->Domains();
  joules.relative_error = rate.relative_error;
  return joules;
}

std::string CpuTimeRate::Rule() const {
  return fmt::format("by processor time, busy:idle {:.2f}:{:.2f}", meter_->Weights().busy_watts,
                     meter_->Weights().idle_watts);
}

}  // namespace ergo
