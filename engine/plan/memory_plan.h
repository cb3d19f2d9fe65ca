// Memory planning: where buffers with known lifetimes go in one arena, so that dead bytes are used
// again.
//
// The algorithm is "greedy by size" (Pisarchyk and Lee, Efficient Memory Management for Deep Neural
// Net Inference, 2020, section 5.2): largest first, each at the lowest offset where it does not
// meet a buffer whose lifetime overlaps its own.
#ifndef ERGO_ENGINE_PLAN_MEMORY_PLAN_H_
#define ERGO_ENGINE_PLAN_MEMORY_PLAN_H_

#include <cstddef>
#include <span>
#include <vector>

namespace ergo {

struct BufferLifetime {
  size_t bytes = 0;
  // Steps that touch it, inclusive.
  int first_step = 0, last_step = 0;
};

struct MemoryPlan {
  std::vector<size_t> offsets;  // one a buffer, multiples of kTensorAlignment
  size_t arena_bytes = 0;
};

// Pure, deterministic. Quadratic in the number of buffers alive at once.
MemoryPlan PlanMemory(std::span<const BufferLifetime> buffers);

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_MEMORY_PLAN_H_
