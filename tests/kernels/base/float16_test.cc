#include "kernels/base/float16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ergo {
namespace {

// The compiler's own _Float16 conversions are the independent oracle.
TEST(Float16Test, WidensEveryValueLikeTheCompiler) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float expected = static_cast<float>(std::bit_cast<_Float16>(half));
    const float got = Float16::ToFloat(half);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(got)) << bits;
    } else {
      EXPECT_EQ(std::bit_cast<uint32_t>(expected), std::bit_cast<uint32_t>(got)) << bits;
    }
  }
}

TEST(Float16Test, NarrowsLikeTheCompiler) {
  // Every 977th float (a prime stride visits all exponents and many mantissas), and all ties.
  for (uint64_t bits = 0; bits <= 0xffffffff; bits += 977) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(bits));
    const uint16_t got = Float16::FromFloat(value);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(Float16::ToFloat(got))) << bits;
    } else {
      ASSERT_EQ(std::bit_cast<uint16_t>(static_cast<_Float16>(value)), got) << bits;
    }
  }
  for (uint32_t half = 0; half < 0x7c00; ++half) {
    const float low = Float16::ToFloat(static_cast<uint16_t>(half));
    const float high = Float16::ToFloat(static_cast<uint16_t>(half + 1));
    const float tie = half + 1 == 0x7c00 ? 65520.0f : low + (high - low) / 2;
    ASSERT_EQ(std::bit_cast<uint16_t>(static_cast<_Float16>(tie)), Float16::FromFloat(tie)) << half;
  }
}

TEST(BFloat16Test, RoundsToNearestEven) {
  EXPECT_EQ(BFloat16::FromFloat(1.0f), 0x3f80);
  EXPECT_EQ(BFloat16::FromFloat(std::bit_cast<float>(0x3f808000u)), 0x3f80);  // tie to even
  EXPECT_EQ(BFloat16::FromFloat(std::bit_cast<float>(0x3f818000u)), 0x3f82);
  EXPECT_EQ(BFloat16::FromFloat(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_EQ(BFloat16::FromFloat(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_TRUE(
      std::isnan(BFloat16::ToFloat(BFloat16::FromFloat(std::bit_cast<float>(0x7f800001u)))));
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = BFloat16::ToFloat(static_cast<uint16_t>(bits));
    if (!std::isnan(value)) {
      ASSERT_EQ(BFloat16::FromFloat(value), bits);
    }
  }
}

}  // namespace
}  // namespace ergo
