#include "kernels/base/small_types.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

namespace ergo {
namespace {

double ReadCode(DType dtype, uint8_t code) {
  return ReadSmall(&code, dtype, 0);
}

uint8_t WriteCode(DType dtype, double value, bool saturate = true) {
  uint8_t code = 0;
  WriteSmall(&code, dtype, 0, value, {saturate, SmallRounding::Mode::kUp});
  return code;
}

// Landmarks of each format, from the standard's float8 page and from OCP MX.
TEST(SmallTypesTest, LandmarksOfTheFormats) {
  EXPECT_EQ(ReadCode(DType::kF8E4M3FN, 0x7e), 448);
  EXPECT_EQ(ReadCode(DType::kF8E4M3FN, 0x01), std::ldexp(1, -9));
  EXPECT_TRUE(std::isnan(ReadCode(DType::kF8E4M3FN, 0x7f)));
  EXPECT_EQ(ReadCode(DType::kF8E4M3FNUZ, 0x7f), 240);
  EXPECT_TRUE(std::isnan(ReadCode(DType::kF8E4M3FNUZ, 0x80)));
  EXPECT_EQ(ReadCode(DType::kF8E5M2, 0x7b), 57344);
  EXPECT_TRUE(std::isinf(ReadCode(DType::kF8E5M2, 0x7c)));
  EXPECT_TRUE(std::isnan(ReadCode(DType::kF8E5M2, 0x7f)));
  EXPECT_EQ(ReadCode(DType::kF8E5M2FNUZ, 0x7f), 57344);
  EXPECT_EQ(ReadCode(DType::kF4E2M1, 0x7), 6);
  EXPECT_EQ(ReadCode(DType::kF4E2M1, 0x9), -0.5);
  EXPECT_EQ(ReadCode(DType::kF8E8M0, 127), 1);
  EXPECT_EQ(ReadCode(DType::kF8E8M0, 0), std::ldexp(1, -127));
  EXPECT_EQ(ReadCode(DType::kI4, 0x0f), -1);
  EXPECT_EQ(ReadCode(DType::kU2, 0x03), 3);
}

// Every code of every float reads back as itself, and every value between two neighbours goes to
// the nearer one, ties to the even code.
TEST(SmallTypesTest, FloatsRoundToNearestEven) {
  for (const DType dtype :
       {DType::kF8E4M3FN, DType::kF8E4M3FNUZ, DType::kF8E5M2, DType::kF8E5M2FNUZ, DType::kF4E2M1}) {
    SCOPED_TRACE(DTypeName(dtype));
    const int half = 1 << (DTypeBits(dtype) - 1);
    for (int code = 0; code + 1 < half; ++code) {
      const double low = ReadCode(dtype, static_cast<uint8_t>(code));
      const double high = ReadCode(dtype, static_cast<uint8_t>(code + 1));
      if (!std::isfinite(low)) continue;
      EXPECT_EQ(WriteCode(dtype, low), code);
      if (low > 0) {
        EXPECT_EQ(WriteCode(dtype, -low), code | half);
      }
      if (!std::isfinite(high)) continue;
      ASSERT_LT(low, high);
      const double middle = (low + high) / 2;
      EXPECT_EQ(WriteCode(dtype, middle), code % 2 == 0 ? code : code + 1);
      EXPECT_EQ(WriteCode(dtype, std::nextafter(middle, 0)), code);
      EXPECT_EQ(WriteCode(dtype, std::nextafter(middle, 1e9)), code + 1);
    }
  }
}

TEST(SmallTypesTest, OverflowSaturatesOrDoesNot) {
  EXPECT_EQ(WriteCode(DType::kF8E4M3FN, 464), 0x7e);  // a tie, to the even code
  EXPECT_EQ(WriteCode(DType::kF8E4M3FN, 465, false), 0x7f);
  EXPECT_EQ(WriteCode(DType::kF8E4M3FN, -1e6), 0xfe);
  EXPECT_EQ(WriteCode(DType::kF8E5M2, 61440, false), 0x7c);
  EXPECT_EQ(WriteCode(DType::kF8E5M2, -INFINITY, false), 0xfc);
  EXPECT_EQ(WriteCode(DType::kF8E5M2, INFINITY), 0x7b);
  EXPECT_EQ(WriteCode(DType::kF8E4M3FNUZ, 1e6, false), 0x80);
  EXPECT_EQ(WriteCode(DType::kF8E4M3FNUZ, -0.0), 0x00);
  EXPECT_EQ(WriteCode(DType::kF8E4M3FN, -0.0), 0x80);
}

TEST(SmallTypesTest, PowersOfTwoRoundAsAsked) {
  const auto write = [](double value, SmallRounding rounding) {
    uint8_t code = 0;
    WriteSmall(&code, DType::kF8E8M0, 0, value, rounding);
    return int{code};
  };
  using Mode = SmallRounding::Mode;
  EXPECT_EQ(write(1.0, {true, Mode::kUp}), 127);
  EXPECT_EQ(write(1.01, {true, Mode::kUp}), 128);
  EXPECT_EQ(write(1.99, {true, Mode::kDown}), 127);
  EXPECT_EQ(write(1.49, {true, Mode::kNearest}), 127);
  EXPECT_EQ(write(1.5, {true, Mode::kNearest}), 128);
  EXPECT_EQ(write(INFINITY, {true, Mode::kUp}), 254);
  EXPECT_EQ(write(INFINITY, {false, Mode::kNearest}), 255);
  EXPECT_EQ(write(0, {true, Mode::kUp}), 0);
}

TEST(SmallTypesTest, PackedIntegersShareBytesAndWrapAround) {
  std::vector<uint8_t> bytes(4, 0xff);
  for (int i = 0; i < 7; ++i) WriteSmall(bytes.data(), DType::kI4, i, i - 9, {});
  for (int i = 0; i < 7; ++i) {
    const double expected = i == 0 ? 7 : i - 9;  // -9 keeps its low bits
    EXPECT_EQ(ReadSmall(bytes.data(), DType::kI4, i), expected);
  }
  ClearPadding(bytes.data(), DType::kI4, 7);
  EXPECT_EQ(bytes[3], 0);
  WriteSmallSaturated(bytes.data(), DType::kU2, 5, 7.2);
  WriteSmallSaturated(bytes.data(), DType::kU2, 6, -1);
  WriteSmallSaturated(bytes.data(), DType::kU2, 7, 1.5);
  EXPECT_EQ(ReadSmall(bytes.data(), DType::kU2, 5), 3);
  EXPECT_EQ(ReadSmall(bytes.data(), DType::kU2, 6), 0);
  EXPECT_EQ(ReadSmall(bytes.data(), DType::kU2, 7), 2);
}

}  // namespace
}  // namespace ergo
