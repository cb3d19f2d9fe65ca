// Trace: what each step of a run cost, written as Chrome-trace JSON (chrome://tracing, Perfetto).
//
// Recording does not allocate: the buffer is made with the trace, and events past its end are
// counted as dropped. Thread safety: one recording thread.
#ifndef ERGO_ENGINE_RUN_TRACE_H_
#define ERGO_ENGINE_RUN_TRACE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/plan/plan.h"

namespace ergo {

class Trace {
 public:
  struct Event {
    const Step* step;          // of a Plan that outlives the trace or is kept alive by it
    int64_t begin_ns, end_ns;  // of the monotonic clock
  };

  explicit Trace(size_t max_events);

  // Steps of this plan may be recorded, although whoever runs it may let it go.
  void KeepAlive(std::shared_ptr<const Plan> plan);

  void Record(const Step& step, int64_t begin_ns, int64_t end_ns);
  const std::vector<Event>& Events() const { return events_; }
  size_t Dropped() const { return dropped_; }
  void Clear();

  // Complete events ("ph": "X") with op, kernel variant, GFLOP/s and GB/s as arguments.
  std::string ToChromeJson() const;

 private:
  std::vector<Event> events_;
  size_t dropped_ = 0;
  std::vector<std::shared_ptr<const Plan>> plans_;
};

}  // namespace ergo

#endif  // ERGO_ENGINE_RUN_TRACE_H_
