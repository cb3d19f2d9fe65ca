#include "kernels/base/window.h"

#include <gtest/gtest.h>

#include "kernels/base/limits.h"
#include "tests/kernels/window_testing.h"

namespace ergo {
namespace {

// Counts by looking at every tap.
Taps TapsByCounting(const Window& window, size_t axis, int64_t o, int64_t low, int64_t high) {
  Taps taps{-1, 0};
  for (int64_t k = 0; k < window.kernel[axis]; ++k) {
    const int64_t position = window.Start(axis, o) + k * window.dilations[axis];
    if (position < low || position >= high) continue;
    if (taps.begin < 0) taps.begin = k;
    taps.end = k + 1;
  }
  return taps;
}

TEST(WindowTest, TapsAreThoseInsideTheMargins) {
  std::mt19937 random(20240601);
  for (int round = 0; round < 2000; ++round) {
    Window window = testing::RandomWindow(random);
    const size_t axis = 2;
    int64_t inside = 0;
    for (int64_t o = 0; o < window.out[axis]; ++o) {
      const Taps taps = TapsByCounting(window, axis, o, 0, window.in[axis]);
      if (taps.begin >= 0) inside += taps.Count();
    }
    ASSERT_EQ(window.TapsInside(axis), inside) << window.ToString();
    const int64_t before = testing::Draw(random, 0, 3), after = testing::Draw(random, 0, 3);
    for (int64_t o = 0; o < window.out[axis] + 2; ++o) {
      const Taps expected = TapsByCounting(window, axis, o, -before, window.in[axis] + after);
      const Taps got = window.TapsWithin(axis, o, before, after);
      SCOPED_TRACE(window.ToString() + " o " + std::to_string(o));
      if (expected.begin < 0) {
        ASSERT_EQ(got.Count(), 0);
      } else {
        ASSERT_EQ(got.begin, expected.begin);
        ASSERT_EQ(got.end, expected.end);
      }
    }
  }
}

TEST(WindowTest, FittingOutIsTheMostThatFits) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    const Window window = testing::RandomWindow(random);
    const int64_t padded_end = window.in[2] + window.pads_end[2];
    int64_t out = 0;
    while (window.Start(2, out) + window.Extent(2) <= padded_end) ++out;
    ASSERT_EQ(window.FittingOut(2), out) << window.ToString();
  }
}

TEST(WindowTest, ChecksNameTheAxis) {
  Window window;
  window.strides[1] = 0;
  EXPECT_EQ(CheckWindow(window).ToString(),
            "INVALID_ARGUMENT: the stride of the height axis is 0, but must be at least 1");
  window = Window();
  window.pads_begin[2] = -1;
  EXPECT_EQ(CheckWindow(window).code(), StatusCode::kInvalidArgument);
  window = Window();
  window.kernel[0] = kMaxTensorElements;
  window.dilations[0] = kMaxTensorElements;
  EXPECT_EQ(CheckWindow(window).code(), StatusCode::kResourceExhausted);
  window = Window();
  window.in = {1, kMaxTensorElements, 2};
  EXPECT_EQ(CheckWindow(window).code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace ergo
