#include "engine/quantize/range.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ergo {
namespace {

// The value below which `target` of the counts lie.
double Quantile(const Histogram& histogram, double target) {
  double below = 0;
  for (int bin = 0; bin < Histogram::kBins; ++bin) {
    const auto count = static_cast<double>(histogram.Counts()[static_cast<size_t>(bin)]);
    if (count > 0 && below + count >= target) {
      const double share = std::clamp((target - below) / count, 0.0, 1.0);
      return histogram.Edge(bin) + share * (histogram.Edge(bin + 1) - histogram.Edge(bin));
    }
    below += count;
  }
  return histogram.GetRange().high;
}

// Takes a little from every count that is not zero, in favour of those that are.
void SmoothZeros(std::vector<double>& counts) {
  constexpr double kEpsilon = 1e-4;
  const auto zeros = static_cast<double>(std::ranges::count(counts, 0.0));
  const double others = static_cast<double>(counts.size()) - zeros;
  if (zeros == 0 || others == 0) return;
  const double taken = kEpsilon * zeros / others;
  for (double& count : counts) count = count == 0 ? kEpsilon : count - taken;
}

double Divergence(const std::vector<double>& p, const std::vector<double>& q) {
  double p_total = 0, q_total = 0, sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    p_total += p[i];
    q_total += q[i];
  }
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i] <= 0) continue;
    if (q[i] <= 0) return std::numeric_limits<double>::infinity();
    sum += p[i] / p_total * std::log(p[i] / p_total * q_total / q[i]);
  }
  return sum;
}

// The counts in `levels` steps, each spread over its bins that are not empty.
std::vector<double> Quantized(std::span<const int64_t> counts, size_t levels) {
  std::vector<double> spread(counts.size(), 0.0);
  for (size_t level = 0; level < levels; ++level) {
    const size_t begin = counts.size() * level / levels, end = counts.size() * (level + 1) / levels;
    double total = 0;
    int filled = 0;
    for (size_t i = begin; i < end; ++i) {
      total += static_cast<double>(counts[i]);
      filled += counts[i] != 0;
    }
    for (size_t i = begin; i < end; ++i) {
      if (counts[i] != 0) spread[i] = total / filled;
    }
  }
  return spread;
}

}  // namespace

void Range::Include(std::span<const float> values) {
  for (const float value : values) {
    if (std::isfinite(value)) Include(value);
  }
}

Histogram::Histogram(const Range& range) : range_(range), counts_(static_cast<size_t>(kBins), 0) {
  const double width = double{range.high} - range.low;
  bins_per_unit_ = width > 0 ? kBins / width : 0;
}

void Histogram::Include(std::span<const float> values) {
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    const double at = (double{value} - range_.low) * bins_per_unit_;
    ++counts_[static_cast<size_t>(std::clamp(at, 0.0, double{kBins - 1}))];
    ++total_;
  }
}

double Histogram::Edge(int bin) const {
  return range_.low + (double{range_.high} - range_.low) * bin / kBins;
}

Range PercentileRange(const Histogram& histogram, double percentile) {
  if (histogram.Total() == 0) return histogram.GetRange();
  const double total = static_cast<double>(histogram.Total());
  const double left_out = total * (100 - percentile) / 100;
  Range range;
  range.Include(static_cast<float>(Quantile(histogram, left_out)));
  range.Include(static_cast<float>(Quantile(histogram, total - left_out)));
  return range;
}

Range EntropyRange(const Histogram& magnitudes, const Range& observed) {
  const size_t levels = observed.low >= 0 ? 255 : 128;
  constexpr size_t kStep = 4;  // bins between thresholds that are tried
  const std::span<const int64_t> counts = magnitudes.Counts();
  double best = std::numeric_limits<double>::infinity();
  size_t best_bins = counts.size();
  double outliers = 0;
  for (size_t bins = counts.size(); bins >= levels; bins -= kStep) {
    const std::span<const int64_t> inside = counts.first(bins);
    std::vector<double> clipped(inside.begin(), inside.end());
    clipped.back() += outliers;
    std::vector<double> quantized = Quantized(inside, levels);
    SmoothZeros(clipped);
    SmoothZeros(quantized);
    const double divergence = Divergence(clipped, quantized);
    if (divergence < best) {
      best = divergence;
      best_bins = bins;
    }
    for (size_t i = bins - kStep; i < bins; ++i) outliers += static_cast<double>(counts[i]);
  }
  const auto threshold = static_cast<float>(magnitudes.Edge(static_cast<int>(best_bins)));
  return {std::max(observed.low, -threshold), std::min(observed.high, threshold), observed.empty};
}

AffineUint8 AffineUint8::ForRange(const Range& range) {
  constexpr double kSteps = 255;
  const double low = std::min(double{range.low}, 0.0), high = std::max(double{range.high}, 0.0);
  const auto scale = static_cast<float>((high - low) / kSteps);
  // Also where the range is a single 0, or too small to divide by.
  if (!(scale >= std::numeric_limits<float>::min())) return {};
  const double zero = std::nearbyint(-low / scale);
  return {scale, static_cast<uint8_t>(std::clamp(zero, 0.0, kSteps))};
}

}  // namespace ergo
