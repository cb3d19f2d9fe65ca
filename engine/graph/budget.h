// Budget: how much memory and time one model may take while it is read, rewritten, planned and run.
// Models come from outside: a few bytes can ask for terabytes or for years. Whoever loads them says
// what that may cost, as plain options that are handed down; where something is allocated or may
// take long, it is held against them.
//
// Memory is what Ergo allocates for the model: parsed messages, folded constants, packed weights,
// arenas and results. A mapped file costs nothing. Each allocation is held against the whole limit
// together with what its stage has taken already, so the sum over all stages can be a small
// multiple of it.
//
// Thread safety: immutable.
#ifndef ERGO_ENGINE_GRAPH_BUDGET_H_
#define ERGO_ENGINE_GRAPH_BUDGET_H_

#include <cstdint>
#include <string_view>

#include "engine/graph/limits.h"
#include "kernels/base/status.h"

namespace ergo {

struct ResourceLimits {
  int64_t max_memory_bytes = kDefaultMaxMemoryBytes;
  // Of reading with optimizing, of one planning, and of one run, each. 0: as long as it takes.
  double max_seconds = 0;
};

// CLOCK_MONOTONIC.
int64_t BudgetClockNs();

class Budget {
 public:
  // Its time begins now. Tests bring a clock of their own.
  explicit Budget(const ResourceLimits& limits, int64_t (*clock_ns)() = BudgetClockNs);
  // The default limits.
  Budget() : Budget(ResourceLimits{}) {}

  const ResourceLimits& Limits() const { return limits_; }

  // ResourceExhausted when the time is over.
  Status CheckTime() const;
  // ResourceExhausted when `bytes` are above the limit; `what` needs them.
  Status CheckBytes(int64_t bytes, std::string_view what) const;
  // ResourceExhausted when `operations` (KernelCost::flops) would take longer than all of the time,
  // at kExpectedOpsPerSecond on each worker. A kernel that runs cannot be interrupted.
  Status CheckWork(int64_t operations, int workers, std::string_view what) const;

 private:
  ResourceLimits limits_;
  int64_t (*clock_ns_)();
  int64_t begin_ns_;
};

}  // namespace ergo

#endif  // ERGO_ENGINE_GRAPH_BUDGET_H_
