#include "engine/graph/budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ergo {
namespace {

using ::testing::HasSubstr;

int64_t clock_ns = 0;
int64_t Clock() {
  return clock_ns;
}

TEST(Budget, TimeBeginsWhenItIsMade) {
  clock_ns = 7'000'000'000;
  const Budget budget({1000, 2.5}, Clock);
  clock_ns += 2'499'000'000;
  EXPECT_TRUE(budget.CheckTime().ok());
  clock_ns += 2'000'000;
  const Status status = budget.CheckTime();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.ToString(), HasSubstr("2.5 s"));
}

TEST(Budget, MemoryUpToTheLimitIsAllowed) {
  const Budget budget({1000, 0}, Clock);
  EXPECT_TRUE(budget.CheckBytes(1000, "a thing").ok());
  const Status status = budget.CheckBytes(1001, "a thing");
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.ToString(), HasSubstr("a thing: needs 1001 bytes"));
}

TEST(Budget, WorkIsHeldAgainstTheTimeOfAllWorkers) {
  const Budget budget({1000, 2}, Clock);
  const auto in_two_seconds = static_cast<int64_t>(2 * kExpectedOpsPerSecond);
  EXPECT_TRUE(budget.CheckWork(in_two_seconds, 1, "a thing").ok());
  EXPECT_FALSE(budget.CheckWork(in_two_seconds + 1, 1, "a thing").ok());
  EXPECT_TRUE(budget.CheckWork(2 * in_two_seconds, 2, "a thing").ok());
}

TEST(Budget, NoTimeLimitIsNone) {
  clock_ns = 0;
  const Budget budget({1000, 0}, Clock);
  clock_ns = int64_t{1} << 62;
  EXPECT_TRUE(budget.CheckTime().ok());
  EXPECT_TRUE(budget.CheckWork(int64_t{1} << 62, 1, "a thing").ok());
}

}  // namespace
}  // namespace ergo
