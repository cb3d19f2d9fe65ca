#include "kernels/cuda/strided_index.h"

#include <gtest/gtest.h>

#include <random>

#include "kernels/cuda/index_plan.h"

namespace ergo::cuda {
namespace {

TEST(FastDivideTest, SmallOnesExhaustively) {
  for (uint32_t divisor = 1; divisor <= 300; ++divisor) {
    const FastDivide by = FastDivide::By(divisor);
    for (uint32_t n = 0; n < 5000; ++n)
      ASSERT_EQ(by.Quotient(n), n / divisor) << n << "/" << divisor;
  }
}

TEST(FastDivideTest, AroundMultiplesOfLargeDivisors) {
  constexpr uint32_t kLargest = 0x7fffffff;
  std::mt19937 draw(1);
  const auto random = [&] { return static_cast<uint32_t>(draw()); };
  for (int i = 0; i < 20000; ++i) {
    const uint32_t divisor = std::max(1u, (random() & kLargest) >> (random() % 31));
    const FastDivide by = FastDivide::By(divisor);
    const uint32_t multiple = random() % (kLargest / divisor + 1) * divisor;
    for (const uint32_t n : {multiple, multiple - 1, multiple + 1, kLargest, 0u}) {
      if (n > kLargest) continue;
      ASSERT_EQ(by.Quotient(n), n / divisor) << n << "/" << divisor;
    }
  }
}

TEST(IndexPlanTest, WalksWhatNestedLoopsWalk) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    const auto draw = [&](int low, int high) {
      return std::uniform_int_distribution<int>(low, high)(random);
    };
    std::vector<int64_t> dims(static_cast<size_t>(draw(0, 6)));
    std::vector<std::vector<int64_t>> strides(2);
    for (int64_t& dim : dims) {
      dim = draw(1, 4);
      for (auto& operand : strides) operand.push_back(draw(-7, 7));
    }
    const Result<IndexPlan> plan = PlanIndex(dims, strides);
    ASSERT_TRUE(plan.ok());
    for (uint32_t index = 0; index < plan->elements; ++index) {
      for (size_t operand = 0; operand < 2; ++operand) {
        int64_t expected = 0, rest = index;
        for (size_t axis = dims.size(); axis-- > 0;) {
          expected += rest % dims[axis] * strides[operand][axis];
          rest /= dims[axis];
        }
        ASSERT_EQ(OffsetOf(plan->axes, plan->operands[operand], index), expected);
      }
    }
  }
}

TEST(IndexPlanTest, MergesAndNamesSimpleOnes) {
  const Shape operands[] = {{2, 3, 4}, {}, {3, 4}, {2, 1, 1}};
  const IndexPlan plan = *PlanBroadcastIndex({2, 3, 4}, operands);
  EXPECT_EQ(plan.axes.rank, 2);
  EXPECT_FALSE(plan.IsDense(2));
  EXPECT_TRUE(plan.IsScalar(1));
  const IndexPlan one = *PlanBroadcastIndex({2, 3, 4}, std::span(operands, 1));
  EXPECT_TRUE(one.IsDense(0));
}

TEST(IndexPlanTest, RefusesWhatNeedsMoreBits) {
  const int64_t dims[] = {int64_t{1} << 16, int64_t{1} << 15};
  EXPECT_EQ(PlanIndex(dims, {}).status().code(), StatusCode::kUnsupported);
  const int64_t few[] = {3};
  const std::vector<std::vector<int64_t>> far = {{int64_t{1} << 30}};
  EXPECT_EQ(PlanIndex(few, far).status().code(), StatusCode::kUnsupported);
}

}  // namespace
}  // namespace ergo::cuda
