#include <gtest/gtest.h>

#include <memory>

#include "server/schedule/deadline_queue.h"
#include "server/schedule/placement.h"

namespace ergo {
namespace {

TEST(DeadlineQueueTest, FirstInFirstOut) {
  DeadlineQueue<int> queue(10);
  for (int i = 0; i < 3; ++i) ASSERT_FALSE(queue.Push(i, kNoDeadline));
  for (int i = 0; i < 3; ++i) {
    const auto popped = queue.Pop(0);
    ASSERT_TRUE(popped.has_value());
    EXPECT_EQ(popped->item, i);
    EXPECT_FALSE(popped->expired);
  }
  EXPECT_FALSE(queue.Pop(0).has_value());
}

TEST(DeadlineQueueTest, FullQueueGivesTheItemBack) {
  DeadlineQueue<std::unique_ptr<int>> queue(1);
  ASSERT_FALSE(queue.Push(std::make_unique<int>(1), kNoDeadline));
  auto refused = queue.Push(std::make_unique<int>(2), kNoDeadline);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(**refused, 2);
  queue.Pop(0);
  EXPECT_FALSE(queue.Push(*std::move(refused), kNoDeadline));
  EXPECT_EQ(queue.Size(), 1u);
}

TEST(DeadlineQueueTest, ExpiresAtTheDeadlineAndNotBefore) {
  DeadlineQueue<int> queue(10);
  ASSERT_FALSE(queue.Push(1, 100));
  ASSERT_FALSE(queue.Push(2, 100));
  EXPECT_FALSE(queue.Pop(99)->expired);
  EXPECT_TRUE(queue.Pop(100)->expired);
}

TEST(DeadlineTest, RelativeToAbsolute) {
  EXPECT_EQ(DeadlineNs(500, 0), kNoDeadline);
  EXPECT_EQ(DeadlineNs(500, 2), 2500);
  EXPECT_EQ(DeadlineNs(500, UINT64_MAX), kNoDeadline);
  EXPECT_EQ(DeadlineNs(INT64_MAX - 2500, 2), INT64_MAX - 500);
  EXPECT_EQ(DeadlineNs(INT64_MAX - 2500, 3), kNoDeadline);
}

TEST(PlacementTest, UnknownGoesToAWorkerQuickStaysHere) {
  Placement placement(200'000);
  EXPECT_EQ(placement.Choose(1), Place::kWorker);
  placement.Record(1, 10'000);
  placement.Record(2, 200'000);
  EXPECT_EQ(placement.Choose(1), Place::kInline);
  EXPECT_EQ(placement.Choose(2), Place::kWorker);
  EXPECT_EQ(placement.Choose(3), Place::kWorker);
}

TEST(PlacementTest, OneSlowRunDoesNotMoveItManyDo) {
  Placement placement(200'000);
  placement.Record(1, 10'000);
  placement.Record(1, 1'000'000);
  EXPECT_EQ(placement.Choose(1), Place::kInline);
  for (int i = 0; i < 20; ++i) placement.Record(1, 1'000'000);
  EXPECT_EQ(placement.Choose(1), Place::kWorker);
}

TEST(PlacementTest, ZeroTurnsItOff) {
  Placement placement(0);
  placement.Record(1, 0);
  EXPECT_EQ(placement.Choose(1), Place::kWorker);
}

TEST(PlacementTest, KeysTellModelsAndShapesApart) {
  const auto key = [](int model, const Shape& shape) {
    const TensorView view{nullptr, DType::kF32, Device::kCpu, shape};
    return Placement::KeyOf(model, {&view, 1});
  };
  EXPECT_EQ(key(1, {2, 3}), key(1, {2, 3}));
  EXPECT_NE(key(1, {2, 3}), key(2, {2, 3}));
  EXPECT_NE(key(1, {2, 3}), key(1, {3, 2}));
  EXPECT_NE(key(1, {6}), key(1, {6, 1}));
  EXPECT_NE(key(1, {}), Placement::KeyOf(1, {}));
}

TEST(PlacementTest, ForgetsRatherThanGrows) {
  Placement placement(200'000);
  for (uint64_t key = 0; key < 100'000; ++key) placement.Record(key, 1);
  EXPECT_EQ(placement.ExpectedNs(0), std::nullopt);
  EXPECT_EQ(placement.ExpectedNs(99'999), 1);
}

}  // namespace
}  // namespace ergo
