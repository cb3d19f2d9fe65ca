// LatencyHistogram: quantiles of many durations in little memory. A quantile is at most one part in
// 256 above the exact one (LogLinear<8>); minimum, maximum and mean are exact.
//
// Thread safety: none.
#ifndef ERGO_TOOLS_ERGO_LATENCY_HISTOGRAM_H_
#define ERGO_TOOLS_ERGO_LATENCY_HISTOGRAM_H_

#include <cstdint>
#include <vector>

namespace ergo::tool {

class LatencyHistogram {
 public:
  LatencyHistogram();

  void Record(int64_t ns);  // negative ones count as 0
  void Merge(const LatencyHistogram& other);

  int64_t Count() const { return count_; }
  // The smallest recorded duration that at least the share `q` of all does not exceed, rounded up
  // to its bucket's bound but never above the maximum. 0 without samples.
  int64_t Quantile(double q) const;
  int64_t Min() const { return count_ == 0 ? 0 : min_; }
  int64_t Max() const { return count_ == 0 ? 0 : max_; }
  double Mean() const;
  // Share of samples at most `ns`, to the precision of the buckets.
  double ShareWithin(int64_t ns) const;

 private:
  std::vector<int64_t> counts_;
  int64_t count_ = 0;
  int64_t min_ = 0, max_ = 0;
  double sum_ = 0;
};

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_LATENCY_HISTOGRAM_H_
