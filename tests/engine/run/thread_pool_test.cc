#include "engine/run/thread_pool.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace ergo {
namespace {

class ThreadPoolTest : public testing::TestWithParam<int> {};

TEST_P(ThreadPoolTest, RunsEachIndexOnceWithAnExclusiveWorker) {
  ThreadPool pool({GetParam(), 20, {}});
  ASSERT_EQ(pool.Workers(), GetParam());
  for (int64_t count : {0, 1, 2, 3, 7, 100, 1000}) {
    std::vector<std::atomic<int>> calls(static_cast<size_t>(count));
    std::vector<std::atomic<int>> busy(static_cast<size_t>(GetParam()));
    std::atomic<int> collisions{0};
    pool.Run(count, [&](int64_t index, int worker) {
      if (busy[static_cast<size_t>(worker)].fetch_add(1) != 0) collisions.fetch_add(1);
      calls[static_cast<size_t>(index)].fetch_add(1);
      busy[static_cast<size_t>(worker)].fetch_sub(1);
    });
    EXPECT_EQ(collisions.load(), 0);
    for (const auto& call : calls) EXPECT_EQ(call.load(), 1);
  }
}

// Plain (not atomic) writes of all workers must be there after Run: ThreadSanitizer watches.
TEST_P(ThreadPoolTest, PublishesWhatWorkersWrote) {
  ThreadPool pool({GetParam(), 20, {}});
  std::vector<int64_t> squares(257);
  for (int round = 0; round < 2000; ++round) {
    pool.Run(static_cast<int64_t>(squares.size()),
             [&](int64_t index, int) { squares[static_cast<size_t>(index)] = index * round; });
    for (size_t i = 0; i < squares.size(); ++i) {
      ASSERT_EQ(squares[i], static_cast<int64_t>(i) * round);
    }
  }
}

TEST_P(ThreadPoolTest, WakesParkedWorkers) {
  ThreadPool pool({GetParam(), 0, {}});
  for (int round = 0; round < 50; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(round % 3));
    std::atomic<int64_t> sum{0};
    pool.Run(100, [&](int64_t index, int) { sum.fetch_add(index); });
    ASSERT_EQ(sum.load(), 4950);
  }
}

// All workers must take part at some time: each waits until the others have arrived.
TEST(ThreadPoolParticipationTest, WorkersRunConcurrently) {
  constexpr int kWorkers = 3;
  ThreadPool pool({kWorkers, 50, {}});
  std::atomic<int> arrived{0};
  pool.Run(kWorkers, [&](int64_t, int) {
    arrived.fetch_add(1);
    while (arrived.load() < kWorkers) std::this_thread::yield();
  });
  EXPECT_EQ(arrived.load(), kWorkers);
}

TEST(ThreadPoolPinTest, WorkersStayOnTheirProcessor) {
  cpu_set_t ours;
  CPU_ZERO(&ours);
  ASSERT_EQ(sched_getaffinity(0, sizeof(ours), &ours), 0);
  int cpu = CPU_SETSIZE - 1;  // the last one
  while (!CPU_ISSET(static_cast<size_t>(cpu), &ours)) --cpu;
  ThreadPool pool({3, 50, {-1, cpu, cpu}});
  std::atomic<int> arrived{0}, elsewhere{0};
  pool.Run(3, [&](int64_t, int worker) {
    arrived.fetch_add(1);
    while (arrived.load() < 3) std::this_thread::yield();
    if (worker > 0 && sched_getcpu() != cpu) elsewhere.fetch_add(1);
  });
  EXPECT_EQ(elsewhere.load(), 0);
  EXPECT_FALSE(PinCurrentThread(-1));
  EXPECT_FALSE(PinCurrentThread(CPU_SETSIZE));
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, testing::Values(1, 2, 3, 8));

TEST(AvailableProcessorsTest, IsAtLeastOne) {
  EXPECT_GE(AvailableProcessors(), 1);
}

}  // namespace
}  // namespace ergo
