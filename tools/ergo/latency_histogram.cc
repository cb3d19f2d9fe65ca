#include "tools/ergo/latency_histogram.h"

#include <algorithm>
#include <cmath>

#include "server/observe/log_linear.h"

namespace ergo::tool {
namespace {

using Buckets = LogLinear<8>;

}  // namespace

LatencyHistogram::LatencyHistogram() : counts_(Buckets::kBuckets, 0) {}

void LatencyHistogram::Record(int64_t ns) {
  ns = std::max<int64_t>(ns, 0);
  ++counts_[Buckets::BucketOf(static_cast<uint64_t>(ns))];
  min_ = count_ == 0 ? ns : std::min(min_, ns);
  max_ = std::max(max_, ns);
  ++count_;
  sum_ += static_cast<double>(ns);
}

void LatencyHistogram::Merge(const LatencyHistogram& other) {
  if (other.count_ == 0) return;
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  count_ += other.count_;
  sum_ += other.sum_;
}

int64_t LatencyHistogram::Quantile(double q) const {
  const auto wanted =
      std::max<int64_t>(static_cast<int64_t>(std::ceil(q * static_cast<double>(count_))), 1);
  int64_t seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= wanted) {
      return std::min(static_cast<int64_t>(Buckets::UpperBound(i)), max_);
    }
  }
  return Max();
}

double LatencyHistogram::Mean() const {
  return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

double LatencyHistogram::ShareWithin(int64_t ns) const {
  if (count_ == 0 || ns < 0) return 0;
  const size_t last = Buckets::BucketOf(static_cast<uint64_t>(ns));
  int64_t within = 0;
  for (size_t i = 0; i <= last; ++i) within += counts_[i];
  return static_cast<double>(within) / static_cast<double>(count_);
}

}  // namespace ergo::tool
