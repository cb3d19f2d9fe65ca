// Histogram: how often each duration occurred, in log-linear buckets (16 to each power of two, so
// that a bucket's bounds differ by at most 1/16), after HdrHistogram. Counter and Gauge beside it.
//
// Thread safety: one writer; any number of concurrent readers, who may see a sample in one figure
// and not yet in another. Writing costs plain loads and stores.
#ifndef ERGO_SERVER_OBSERVE_HISTOGRAM_H_
#define ERGO_SERVER_OBSERVE_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "server/observe/log_linear.h"

namespace ergo {

class Counter {
 public:
  void Add(uint64_t more) {
    value_.store(value_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_ = 0;
};

class Gauge {
 public:
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_ = 0;
};

class Histogram {
 public:
  using Buckets = LogLinear<4>;
  static constexpr size_t kBuckets = Buckets::kBuckets;

  static constexpr size_t BucketOf(uint64_t value) { return Buckets::BucketOf(value); }
  // The largest value that falls into the bucket.
  static constexpr uint64_t UpperBound(size_t bucket) { return Buckets::UpperBound(bucket); }

  void Record(uint64_t value) {
    counts_[BucketOf(value)].Add(1);
    sum_.Add(value);
  }

  uint64_t Count(size_t bucket) const { return counts_[bucket].Get(); }
  uint64_t Sum() const { return sum_.Get(); }

 private:
  std::array<Counter, kBuckets> counts_;
  Counter sum_;
};

}  // namespace ergo

#endif  // ERGO_SERVER_OBSERVE_HISTOGRAM_H_
