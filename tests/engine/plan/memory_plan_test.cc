#include "engine/plan/memory_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "kernels/base/limits.h"

namespace ergo {
namespace {

size_t Rounded(size_t bytes) {
  return (bytes + kTensorAlignment - 1) / kTensorAlignment * kTensorAlignment;
}

TEST(MemoryPlanTest, NothingNeedsNothing) {
  EXPECT_EQ(PlanMemory({}).arena_bytes, 0u);
  const std::vector<BufferLifetime> empty = {{0, 0, 3}};
  EXPECT_EQ(PlanMemory(empty).arena_bytes, 0u);
}

TEST(MemoryPlanTest, AChainNeedsTwoBuffers) {
  std::vector<BufferLifetime> chain;
  for (int i = 0; i < 10; ++i) chain.push_back({1000, i, i + 1});
  EXPECT_EQ(PlanMemory(chain).arena_bytes, 2 * Rounded(1000));
}

// Random lifetimes: no two buffers that are alive together share a byte; the arena is at least what
// is alive at once and at most what everything together takes.
TEST(MemoryPlanTest, NeverOverlapsAndStaysWithinBounds) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 rng(seed);
    const int steps = 1 + static_cast<int>(rng() % 40);
    std::vector<BufferLifetime> buffers(rng() % 60);
    size_t sum = 0;
    for (BufferLifetime& buffer : buffers) {
      buffer.bytes = rng() % 3000;
      buffer.first_step = static_cast<int>(rng() % static_cast<uint32_t>(steps));
      buffer.last_step = buffer.first_step +
                         static_cast<int>(rng() % static_cast<uint32_t>(steps - buffer.first_step));
      sum += Rounded(buffer.bytes);
    }
    const MemoryPlan plan = PlanMemory(buffers);
    ASSERT_EQ(plan.offsets.size(), buffers.size());
    EXPECT_LE(plan.arena_bytes, sum);
    for (int step = 0; step < steps; ++step) {
      size_t alive = 0;
      for (const BufferLifetime& buffer : buffers) {
        if (buffer.first_step <= step && step <= buffer.last_step) alive += Rounded(buffer.bytes);
      }
      EXPECT_GE(plan.arena_bytes, alive);
    }
    for (size_t i = 0; i < buffers.size(); ++i) {
      EXPECT_EQ(plan.offsets[i] % kTensorAlignment, 0u);
      EXPECT_LE(plan.offsets[i] + buffers[i].bytes, plan.arena_bytes);
      for (size_t k = 0; k < i; ++k) {
        const bool together = buffers[i].first_step <= buffers[k].last_step &&
                              buffers[k].first_step <= buffers[i].last_step;
        if (!together || buffers[i].bytes == 0 || buffers[k].bytes == 0) continue;
        EXPECT_TRUE(plan.offsets[i] + buffers[i].bytes <= plan.offsets[k] ||
                    plan.offsets[k] + buffers[k].bytes <= plan.offsets[i]);
      }
    }
  }
}

}  // namespace
}  // namespace ergo
