#include "server/observe/metrics.h"

#include <gtest/gtest.h>

#include <random>

namespace ergo {
namespace {

TEST(HistogramTest, BucketsHoldWhatTheirBoundsSay) {
  std::mt19937_64 random(1);
  std::vector<uint64_t> values = {0, 1, 15, 16, 17, 31, 32, 33, 1000, UINT64_MAX - 1, UINT64_MAX};
  for (int i = 0; i < 10000; ++i) values.push_back(random() >> (random() % 64));
  for (const uint64_t value : values) {
    const size_t bucket = Histogram::BucketOf(value);
    ASSERT_LT(bucket, Histogram::kBuckets) << value;
    ASSERT_LE(value, Histogram::UpperBound(bucket)) << value;
    if (bucket > 0) {
      ASSERT_GT(value, Histogram::UpperBound(bucket - 1)) << value;
    }
    // No bucket is wider than a sixteenth of what it holds.
    ASSERT_LE(static_cast<double>(Histogram::UpperBound(bucket) - value),
              static_cast<double>(value) / 16)
        << value;
  }
}

TEST(MetricsTest, ThreadsAddUp) {
  const Repository no_models(ModelOptions{});
  Metrics first(1), second(1);
  native::ResultBlock block;
  block.queue_ns = 10;
  block.compute_ns = 5;
  block.joules = 0.002;
  block.energy_source = EnergySource::kMeasured;
  first.RecordResult(0, block);
  block.compute_ns = 7;
  block.energy_source = EnergySource::kUnavailable;
  second.RecordResult(0, block);
  second.RecordError(native::ErrorCode::kOverloaded);
  const Metrics* const threads[] = {&first, &second};
  int seen = 0;
  for (const native::Figure& figure : CollectFigures(threads, no_models, 3, 4)) {
    const auto expect = [&](std::string_view name, std::vector<uint64_t> values) {
      if (figure.name != name) return;
      ++seen;
      EXPECT_EQ(figure.values, values) << name;
    };
    expect("results", {2});
    expect("errors.OVERLOADED", {1});
    expect("errors.MALFORMED", {0});
    expect("connections.open", {3});
    expect("requests.in_flight", {4});
    expect("energy.measured_uj", {2000});
    expect("energy.modelled_uj", {0});
    expect("compute_ns", {2, 12, 5, 1, 7, 1});
    expect("queue_ns", {2, 20, 10, 2});
  }
  EXPECT_EQ(seen, 9);
}

}  // namespace
}  // namespace ergo
