#include "engine/plan/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "kernels/base/checked_math.h"
#include "kernels/base/limits.h"

namespace ergo {
namespace {

bool Overlap(const BufferLifetime& a, const BufferLifetime& b) {
  return a.first_step <= b.last_step && b.first_step <= a.last_step;
}

}  // namespace

MemoryPlan PlanMemory(std::span<const BufferLifetime> buffers) {
  MemoryPlan plan;
  plan.offsets.assign(buffers.size(), 0);
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order,
                           [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });

  std::vector<size_t> placed;  // by ascending offset
  for (const size_t current : order) {
    const size_t bytes = RoundUp(buffers[current].bytes, kTensorAlignment);
    size_t offset = 0;
    for (const size_t other : placed) {
      if (!Overlap(buffers[current], buffers[other])) continue;
      if (plan.offsets[other] >= offset + bytes) break;  // the gap before `other` is large enough
      offset =
          std::max(offset, plan.offsets[other] + RoundUp(buffers[other].bytes, kTensorAlignment));
    }
    plan.offsets[current] = offset;
    plan.arena_bytes = std::max(plan.arena_bytes, offset + bytes);
    if (bytes == 0) continue;
    const auto after = std::ranges::upper_bound(placed, offset, {},
                                                [&](size_t index) { return plan.offsets[index]; });
    placed.insert(after, current);
  }
  return plan;
}

}  // namespace ergo
