// Ranges of activations from what was observed of them: pure statistics, and the 8-bit scale that a
// range gives.
//
// Thread safety: none needed beyond that of values.
#ifndef ERGO_ENGINE_QUANTIZE_RANGE_H_
#define ERGO_ENGINE_QUANTIZE_RANGE_H_

#include <cstdint>
#include <span>
#include <vector>

namespace ergo {

// Where the numbers of a tensor lie; empty until something was observed.
struct Range {
  float low = 0, high = 0;
  bool empty = true;

  void Include(float value) {
    if (empty || value < low) low = value;
    if (empty || value > high) high = value;
    empty = false;
  }
  // Every finite number of `values`; NaN and infinities count for nothing.
  void Include(std::span<const float> values);
};

// Counts of the numbers in equal bins over a range that is known beforehand.
class Histogram {
 public:
  static constexpr int kBins = 2048;

  explicit Histogram(const Range& range);
  // Finite numbers; those outside the range count in the first or last bin.
  void Include(std::span<const float> values);

  const Range& GetRange() const { return range_; }
  std::span<const int64_t> Counts() const { return counts_; }
  int64_t Total() const { return total_; }
  // Where bin `bin` begins; kBins: where the last one ends.
  double Edge(int bin) const;

 private:
  Range range_;
  double bins_per_unit_ = 0;
  std::vector<int64_t> counts_;
  int64_t total_ = 0;
};

// The range that leaves out the (100 - percentile) % smallest and as many of the largest numbers,
// taking them as evenly spread within their bins. percentile in (50, 100].
Range PercentileRange(const Histogram& histogram, double percentile);

// The symmetric clip of the range, +-T, whose quantization loses the least information: of the
// distribution of magnitudes clipped to T (what lies above counts in its last bin), and the same
// distribution in 128 steps (255 where no number is negative), each step spread evenly over its
// bins that are not empty, the one with the smallest Kullback-Leibler divergence. Zeros are
// smoothed by 1e-4 of a count. `histogram` is one of magnitudes from 0 on; `observed` the range of
// the numbers, which the result does not pass. Source: S. Migacz, 8-bit Inference with TensorRT,
// GTC 2017; smoothing as in Apache MXNet.
Range EntropyRange(const Histogram& magnitudes, const Range& observed);

// q = saturate(round(x / scale) + zero), for uint8 with 0 among the numbers that are exact.
struct AffineUint8 {
  float scale = 1;
  uint8_t zero = 0;
  static AffineUint8 ForRange(const Range& range);
};

}  // namespace ergo

#endif  // ERGO_ENGINE_QUANTIZE_RANGE_H_
