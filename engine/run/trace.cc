#include "engine/run/trace.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ergo {

Trace::Trace(size_t max_events) {
  events_.reserve(max_events);
}

void Trace::Record(const Step& step, int64_t begin_ns, int64_t end_ns) {
  if (events_.size() == events_.capacity()) {
    ++dropped_;
    return;
  }
  events_.push_back({&step, begin_ns, end_ns});
}

void Trace::KeepAlive(std::shared_ptr<const Plan> plan) {
  if (std::ranges::find(plans_, plan) == plans_.end()) plans_.push_back(std::move(plan));
}

void Trace::Clear() {
  events_.clear();
  plans_.clear();
  dropped_ = 0;
}

std::string Trace::ToChromeJson() const {
  nlohmann::json events = nlohmann::json::array();
  int64_t origin_ns = events_.empty() ? 0 : events_.front().begin_ns;
  // A branch's event is recorded after the steps inside it but began before them.
  for (const Event& event : events_) origin_ns = std::min(origin_ns, event.begin_ns);
  for (const Event& event : events_) {
    const Step& step = *event.step;
    const auto duration_ns =
        static_cast<double>(std::max<int64_t>(event.end_ns - event.begin_ns, 1));
    const auto bytes = static_cast<double>(step.cost.bytes_read + step.cost.bytes_written);
    events.push_back({
        {"name", step.label},
        {"cat", step.op},
        {"ph", "X"},
        {"pid", 1},
        {"tid", 1},
        {"ts", static_cast<double>(event.begin_ns - origin_ns) / 1e3},
        {"dur", duration_ns / 1e3},
        {"args",
         {{"kernel", fmt::format("{}/{}", step.info.family, step.info.variant)},
          {"gflop_per_s", static_cast<double>(step.cost.flops) / duration_ns},
          {"gbyte_per_s", bytes / duration_ns}}},
    });
  }
  const nlohmann::json document = {{"displayTimeUnit", "ns"},
                                   {"traceEvents", std::move(events)},
                                   {"otherData", {{"dropped_events", dropped_}}}};
  return document.dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace ergo
