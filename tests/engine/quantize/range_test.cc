#include "engine/quantize/range.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "tests/engine/quantize/range_oracle.h"

namespace ergo {
namespace {

using testing::kRangeOracles;
using testing::RangeOracle;

// The numbers of make_range_oracle.py.
std::vector<float> Draw(const std::string& kind) {
  std::vector<float> values;
  uint64_t state = 12345;
  for (int i = 0; i < 4000; ++i) {
    state = (state * 1103515245 + 12345) % (uint64_t{1} << 31);
    const auto u = static_cast<float>(static_cast<double>(state) / 2147483648.0);
    values.push_back(kind == "skewed"     ? std::pow(u, 8.0f) * 10.0f
                     : kind == "outliers" ? (u - 0.5f) * (u > 0.998f ? 20.0f : 1.0f)
                                          : (u - 0.25f) * 8.0f * u * u);
  }
  return values;
}

TEST(RangeTest, MatchesNumPy) {
  for (const RangeOracle& oracle : kRangeOracles) {
    SCOPED_TRACE(oracle.kind);
    const std::vector<float> values = Draw(oracle.kind);
    Range range;
    range.Include(values);
    EXPECT_NEAR(range.low, oracle.min, 1e-6);
    EXPECT_NEAR(range.high, oracle.max, 1e-5);

    Histogram histogram(range);
    // In parts, as samples come.
    histogram.Include(std::span(values).first(1000));
    histogram.Include(std::span(values).subspan(1000));
    EXPECT_EQ(histogram.Total(), 4000);
    const double bin = histogram.Edge(1) - histogram.Edge(0);
    const Range inner = PercentileRange(histogram, 99);
    EXPECT_NEAR(inner.low, oracle.percentile_1, 2 * bin);
    EXPECT_NEAR(inner.high, oracle.percentile_99, 4 * bin);

    std::vector<float> magnitudes;
    for (const float value : values) magnitudes.push_back(std::abs(value));
    Histogram of_magnitudes(Range{0, std::max(-range.low, range.high), false});
    of_magnitudes.Include(magnitudes);
    const Range clipped = EntropyRange(of_magnitudes, range);
    // Numbers at the edge of a bin may be counted on either side of it.
    const double step = 8 * (of_magnitudes.Edge(1) - of_magnitudes.Edge(0));
    EXPECT_NEAR(clipped.high, std::min(oracle.max, oracle.entropy_threshold), step);
    EXPECT_NEAR(clipped.low, std::max(oracle.min, -oracle.entropy_threshold), step);
  }
}

TEST(RangeTest, WhatIsNotFiniteCountsForNothing) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {NAN, -kInfinity, 2, -3, kInfinity};
  Range range;
  EXPECT_TRUE(range.empty);
  range.Include(values);
  EXPECT_EQ(range.low, -3);
  EXPECT_EQ(range.high, 2);
  Histogram histogram(range);
  histogram.Include(values);
  EXPECT_EQ(histogram.Total(), 2);
  EXPECT_EQ(histogram.Counts().front(), 1);
  EXPECT_EQ(histogram.Counts().back(), 1);
}

TEST(RangeTest, DegenerateRangesGiveUsableScales) {
  const std::vector<float> zeros(10, 0.0f);
  Range range;
  range.Include(zeros);
  Histogram histogram(range);
  histogram.Include(zeros);
  for (const Range& r : {Range(), range, PercentileRange(histogram, 99.9),
                         EntropyRange(histogram, range), Range{1e-45f, 1e-44f, false}}) {
    const AffineUint8 affine = AffineUint8::ForRange(r);
    EXPECT_EQ(affine.scale, 1);
    EXPECT_EQ(affine.zero, 0);
  }
}

TEST(AffineUint8Test, CoversTheRangeAndHasAnExactZero) {
  for (const auto& [low, high] : {std::pair(-1.0f, 3.0f),
                                  {0.5f, 4.0f},
                                  {-6.0f, -2.0f},
                                  {-0.001f, 1000.0f},
                                  {-3e38f, 3e38f}}) {
    const AffineUint8 affine = AffineUint8::ForRange({low, high, false});
    const double first = (0.0 - affine.zero) * double{affine.scale};
    const double last = (255.0 - affine.zero) * double{affine.scale};
    // All of it but half a step on either side, which rounding the zero point costs.
    EXPECT_LE(first, std::min(low, 0.0f) + 0.51 * double{affine.scale});
    EXPECT_GE(last, std::max(high, 0.0f) - 0.51 * double{affine.scale});
    EXPECT_NEAR(last - first, double{std::max(high, 0.0f)} - std::min(low, 0.0f),
                1e-5 * (last - first));
  }
}

}  // namespace
}  // namespace ergo
