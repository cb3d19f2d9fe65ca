#include "tools/ergo/number_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace ergo::tool {
namespace {

TEST(NumberText, Bytes) {
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(1023), "1023 B");
  EXPECT_EQ(BytesText(1536), "1.50 KiB");
  EXPECT_EQ(BytesText(12'900'000), "12.3 MiB");
  EXPECT_EQ(BytesText(int64_t{3} << 40), "3.00 TiB");
}

TEST(NumberText, Counts) {
  EXPECT_EQ(CountText(0), "0");
  EXPECT_EQ(CountText(999), "999");
  EXPECT_EQ(CountText(12'345), "12.3 k");
  EXPECT_EQ(CountText(1'210'000), "1.21 M");
  EXPECT_EQ(CountText(7.891e9), "7.89 G");
}

TEST(NumberText, NoNumberIsWrittenAs1000OfItsUnit) {
  EXPECT_EQ(DurationText(999.9), "1.00 ms");
  EXPECT_EQ(DurationText(999'999), "1.00 s");
  EXPECT_EQ(CountText(999'999), "1.00 M");
}

TEST(NumberText, Durations) {
  EXPECT_EQ(DurationText(0.85), "0.85 us");
  EXPECT_EQ(DurationText(12.34), "12.3 us");
  EXPECT_EQ(DurationText(4'560), "4.56 ms");
  EXPECT_EQ(DurationText(1'230'000), "1.23 s");
  EXPECT_EQ(DurationText(120e6), "120 s");
  EXPECT_EQ(DurationText(std::numeric_limits<double>::quiet_NaN()), "-");
}

}  // namespace
}  // namespace ergo::tool
