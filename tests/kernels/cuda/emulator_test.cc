// The emulator itself: what it runs, and what it refuses.
#include "tests/emulator/emulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "kernels/cuda/simt.h"

namespace ergo::cuda {
namespace {

using ::testing::HasSubstr;

TEST(EmulatorTest, RunsEveryThreadOfEveryBlockOnce) {
  std::vector<int> visits(3 * 2 * 64);
  const std::string failure = emulated::RunGrid({3, 2, 1}, 64, 0, 1, [&](std::byte*) {
    ++visits[(BlockY() * GridX() + BlockX()) * Threads() + Thread()];
  });
  EXPECT_EQ(failure, "");
  EXPECT_THAT(visits, ::testing::Each(1));
}

TEST(EmulatorTest, ExchangesWithinAWarp) {
  float sums[64] = {};
  const std::string failure = emulated::RunGrid({}, 64, 0, 2, [&](std::byte*) {
    const float twice =
        WarpSum(static_cast<float>(Thread())) + WarpMax(static_cast<float>(Thread()));
    sums[Thread()] = twice;
  });
  EXPECT_EQ(failure, "");
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(sums[i], i < 32 ? 31 * 16 + 31.0f : 31 * 16 + 32 * 32 + 63.0f);
  }
}

// Neighbours' values through shared memory, with and without the barrier between: without it, the
// order of the threads shows.
TEST(EmulatorTest, AMissingBarrierShows) {
  for (const bool synchronized : {true, false}) {
    int wrong = 0;
    const std::string failure =
        emulated::RunGrid({4}, 64, 64 * sizeof(uint32_t), 3, [&](std::byte* shared) {
          auto* slots = reinterpret_cast<uint32_t*>(shared);
          slots[Thread()] = Thread();
          if (synchronized) SyncThreads();
          wrong += slots[63 - Thread()] != 63 - Thread();
        });
    EXPECT_EQ(failure, "");
    EXPECT_EQ(wrong == 0, synchronized);
  }
}

TEST(EmulatorTest, BarriersThatNotAllMeetAreRefused) {
  const std::string failure = emulated::RunGrid({}, 64, 0, 4, [&](std::byte*) {
    if (Thread() < 40) SyncThreads();
  });
  EXPECT_THAT(failure, HasSubstr("40 at a barrier"));
}

TEST(EmulatorTest, CopiesArriveWhenTheyAreWaitedFor) {
  alignas(16) const uint32_t source[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  uint32_t before = 0, first = 0, second = 0, beyond = 1;
  const std::string failure = emulated::RunGrid({}, 32, 64, 5, [&](std::byte* shared) {
    if (Thread() != 0) return;
    const auto* at = reinterpret_cast<const uint32_t*>(shared);
    CopyAsync16(shared, source, 16);
    CommitCopies();
    CopyAsync16(shared + 16, source + 4, 16);
    CopyAsync16(shared + 32, nullptr, 0);
    CommitCopies();
    before = at[0];
    WaitForCopies<1>();
    first = at[0], second = at[4];
    EXPECT_NE(second, 5u);
    WaitForCopies<0>();
    second = at[4], beyond = at[8];
  });
  EXPECT_EQ(failure, "");
  EXPECT_NE(before, 1u);
  EXPECT_EQ(first, 1u);
  EXPECT_EQ(second, 5u);
  EXPECT_EQ(beyond, 0u);
}

// One product of a 16 x 16 and a 16 x 8 matrix through shared memory, as attention does it.
TEST(EmulatorTest, MatrixInstructionsMultiply) {
  alignas(16) Half a[16][16], b[16][8];
  float d[16][8];
  const auto of = [](int i, int j) { return static_cast<float>((i * 7 + j * 5) % 11 - 5); };
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 16; ++j) a[i][j] = FromFloat<Half>(of(i, j));
    for (int j = 0; j < 8; ++j) b[i][j] = FromFloat<Half>(of(j, i));
  }
  const std::string failure = emulated::RunGrid({}, 32, 0, 6, [&](std::byte*) {
    const uint32_t lane = Thread();
    uint32_t of_a[4], of_b[4];
    LoadMatrices<false>(of_a, &a[lane % 16][lane / 16 * 8]);
    LoadMatrices<true>(of_b, &b[lane % 16][0]);
    float sum[4] = {};
    const uint32_t pair[2] = {of_b[0], of_b[1]};
    MultiplyAdd16x8x16<Half>(sum, of_a, pair);
    for (uint32_t i = 0; i < 4; ++i) d[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2] = sum[i];
  });
  EXPECT_EQ(failure, "");
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 8; ++j) {
      float expected = 0;
      for (int k = 0; k < 16; ++k) expected += of(i, k) * of(j, k);
      EXPECT_EQ(d[i][j], expected) << i << " " << j;
    }
  }
}

}  // namespace
}  // namespace ergo::cuda
