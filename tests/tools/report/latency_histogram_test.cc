#include "tools/ergo/latency_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace ergo::tool {
namespace {

constexpr double kPrecision = 1.0 / 256;
constexpr double kQuantiles[] = {0, 0.001, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1};

// The smallest sample that at least the share q of all does not exceed.
int64_t ExactQuantile(const std::vector<int64_t>& sorted, double q) {
  const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(sorted.size())));
  return sorted[std::max<size_t>(rank, 1) - 1];
}

void ExpectClose(std::vector<int64_t> samples) {
  LatencyHistogram histogram;
  double sum = 0;
  for (const int64_t sample : samples) {
    histogram.Record(sample);
    sum += static_cast<double>(sample);
  }
  std::ranges::sort(samples);
  ASSERT_EQ(histogram.Count(), static_cast<int64_t>(samples.size()));
  EXPECT_EQ(histogram.Min(), samples.front());
  EXPECT_EQ(histogram.Max(), samples.back());
  EXPECT_NEAR(histogram.Mean(), sum / static_cast<double>(samples.size()), 1e-9 * sum);
  for (const double q : kQuantiles) {
    const int64_t exact = ExactQuantile(samples, q);
    const int64_t found = histogram.Quantile(q);
    EXPECT_GE(found, exact) << "quantile " << q;
    EXPECT_LE(static_cast<double>(found), static_cast<double>(exact) * (1 + kPrecision))
        << "quantile " << q;
  }
}

TEST(LatencyHistogram, QuantilesAreWithinThePrecisionOfExactOnes) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::lognormal_distribution<double> latency(12, 1.5);
    std::vector<int64_t> samples(20'000);
    for (int64_t& sample : samples) sample = static_cast<int64_t>(latency(random));
    ExpectClose(samples);
  }
}

TEST(LatencyHistogram, KeepsItsPrecisionFromNanosecondsToDays) {
  std::mt19937_64 random(4);
  std::vector<int64_t> samples;
  for (int bits = 1; bits <= 47; ++bits) {
    for (int i = 0; i < 40; ++i) {
      samples.push_back(static_cast<int64_t>(random() >> (64 - bits)));
    }
  }
  ExpectClose(samples);
}

TEST(LatencyHistogram, SmallNumbersAreExact) {
  for (int64_t value = 0; value < 512; ++value) {
    LatencyHistogram histogram;
    histogram.Record(value);
    histogram.Record(value + 1'000'000);  // so that the maximum does not cap the bucket's bound
    EXPECT_EQ(histogram.Quantile(0.5), value);
  }
}

TEST(LatencyHistogram, OneStallAmongManyShowsInTheTail) {
  LatencyHistogram histogram;
  for (int i = 0; i < 9'999; ++i) histogram.Record(50'000);
  histogram.Record(2'000'000'000);
  EXPECT_LE(histogram.Quantile(0.9999), 50'196);
  EXPECT_EQ(histogram.Quantile(0.99995), 2'000'000'000);
  EXPECT_EQ(histogram.Max(), 2'000'000'000);
}

TEST(LatencyHistogram, MergingIsRecordingIntoOne) {
  std::mt19937_64 random(5);
  LatencyHistogram one, two, both, merged;
  for (int i = 0; i < 3'000; ++i) {
    const auto sample = static_cast<int64_t>(random() >> 40);
    (i % 3 == 0 ? one : two).Record(sample);
    both.Record(sample);
  }
  merged.Merge(one);
  merged.Merge(LatencyHistogram());
  merged.Merge(two);
  EXPECT_EQ(merged.Count(), both.Count());
  EXPECT_EQ(merged.Min(), both.Min());
  EXPECT_EQ(merged.Max(), both.Max());
  EXPECT_NEAR(merged.Mean(), both.Mean(), 1e-6 * both.Mean());
  for (const double q : kQuantiles) EXPECT_EQ(merged.Quantile(q), both.Quantile(q)) << q;
}

TEST(LatencyHistogram, ShareWithinCountsUpToTheBound) {
  LatencyHistogram histogram;
  for (int64_t value = 1; value <= 100; ++value) histogram.Record(value);
  EXPECT_DOUBLE_EQ(histogram.ShareWithin(-1), 0);
  EXPECT_DOUBLE_EQ(histogram.ShareWithin(0), 0);
  EXPECT_DOUBLE_EQ(histogram.ShareWithin(25), 0.25);
  EXPECT_DOUBLE_EQ(histogram.ShareWithin(100), 1);
}

TEST(LatencyHistogram, EmptyAndNegative) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.Count(), 0);
  EXPECT_EQ(histogram.Quantile(0.5), 0);
  EXPECT_EQ(histogram.Mean(), 0);
  EXPECT_EQ(histogram.ShareWithin(10), 0);
  histogram.Record(-5);
  EXPECT_EQ(histogram.Max(), 0);
  EXPECT_EQ(histogram.Quantile(1), 0);
}

}  // namespace
}  // namespace ergo::tool
