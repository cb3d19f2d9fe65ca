// LogLinear: the buckets of log-linear histograms, after HdrHistogram: each power of two is divided
// into 2^kBits equal buckets, so that the bounds of a bucket differ by at most one part in 2^kBits.
// Values below 2^(kBits + 1) have a bucket each.
#ifndef ERGO_SERVER_OBSERVE_LOG_LINEAR_H_
#define ERGO_SERVER_OBSERVE_LOG_LINEAR_H_

#include <bit>
#include <cstddef>
#include <cstdint>

namespace ergo {

template <int kBits>
struct LogLinear {
  static constexpr size_t kBuckets = static_cast<size_t>(64 - kBits + 1) << kBits;

  static constexpr size_t BucketOf(uint64_t value) {
    constexpr uint64_t kLinear = uint64_t{1} << kBits;
    if (value < kLinear) return value;
    const int shift = static_cast<int>(std::bit_width(value)) - 1 - kBits;
    return (static_cast<size_t>(shift) << kBits) + (value >> shift);
  }

  // The largest value that falls into the bucket.
  static constexpr uint64_t UpperBound(size_t bucket) {
    constexpr size_t kLinear = size_t{1} << kBits;
    if (bucket < 2 * kLinear) return bucket;
    const size_t shift = (bucket >> kBits) - 1;
    const uint64_t mantissa = (bucket & (kLinear - 1)) + kLinear;
    return ((mantissa + 1) << shift) - 1;  // the last wraps to the largest number, as it should
  }
};

}  // namespace ergo

#endif  // ERGO_SERVER_OBSERVE_LOG_LINEAR_H_
