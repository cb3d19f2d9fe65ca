#include "kernels/signal/signal.h"

#include <array>
#include <cmath>
#include <numbers>

#include "kernels/signal/signal_variants.h"

namespace ergo {
namespace {

constexpr std::array kDftVariants = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  KernelVariant<DftProblem>{{"dft", name, device, dtypes, layout, needs}, make},
#include "kernels/signal/signal_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

constexpr std::array kStftVariants = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  KernelVariant<StftProblem>{{"stft", name, device, dtypes, layout, needs}, make},
#include "kernels/signal/signal_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

}  // namespace

std::span<const KernelVariant<DftProblem>> DftVariants() {
  return kDftVariants;
}
std::span<const KernelVariant<StftProblem>> StftVariants() {
  return kStftVariants;
}

KernelCost CostOf(const DftProblem& p) {
  const int64_t in = p.outer * p.extent * p.inner * p.components;
  const int64_t out = p.outer * p.bins * p.inner * p.out_components;
  return {8 * p.outer * p.inner * p.length * p.bins, DTypeBytes(p.dtype, in),
          DTypeBytes(p.dtype, out)};
}

KernelCost CostOf(const StftProblem& p) {
  const int64_t out = p.batch * p.frames * p.bins * 2;
  return {8 * p.batch * p.frames * p.frame_length * p.bins,
          DTypeBytes(p.dtype, p.batch * p.samples * p.components), DTypeBytes(p.dtype, out)};
}

std::vector<double> MakeWindow(WindowFunction window, int64_t size, bool periodic) {
  // Cosine sums a0 - a1 cos(x) + a2 cos(2x); Hamming's coefficients are those of the ONNX standard.
  struct Coefficients {
    double a0, a1, a2;
  };
  constexpr std::array<Coefficients, 3> kCoefficients = {{
      {0.5, 0.5, 0},
      {25.0 / 46, 1 - 25.0 / 46, 0},
      {0.42, 0.5, 0.08},
  }};
  const auto& [a0, a1, a2] = kCoefficients[static_cast<size_t>(window)];
  const int64_t period = periodic ? size : size - 1;
  std::vector<double> values;
  for (int64_t n = 0; n < size; ++n) {
    const double x =
        period > 0 ? 2 * std::numbers::pi * static_cast<double>(n) / static_cast<double>(period)
                   : 0;
    values.push_back(a0 - a1 * std::cos(x) + a2 * std::cos(2 * x));
  }
  return values;
}

Result<std::vector<double>> MakeMelWeights(int64_t bins, int64_t dft_length, int64_t sample_rate,
                                           double lower_hertz, double upper_hertz) {
  if (bins < 0 || dft_length < 1 || sample_rate < 1 || !(lower_hertz >= 0) ||
      !(upper_hertz >= lower_hertz)) {
    return InvalidArgument("{} mel bins of a DFT of {} at {} Hz between {} and {} Hz", bins,
                           dft_length, sample_rate, lower_hertz, upper_hertz);
  }
  const auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double low = mel(lower_hertz);
  const double step = (mel(upper_hertz) - low) / static_cast<double>(bins + 2);
  std::vector<int64_t> edges;
  for (int64_t i = 0; i < bins + 2; ++i) {
    const double hertz = 700 * (std::pow(10, (low + static_cast<double>(i) * step) / 2595) - 1);
    edges.push_back(static_cast<int64_t>(std::floor(static_cast<double>(dft_length + 1) * hertz /
                                                    static_cast<double>(sample_rate))));
  }
  const int64_t spectrum = dft_length / 2 + 1;
  if (edges.back() > spectrum) {
    return InvalidArgument("{} Hz lie above the spectrum of {} bins at {} Hz", upper_hertz,
                           spectrum, sample_rate);
  }
  std::vector<double> weights(static_cast<size_t>(spectrum * bins), 0);
  for (int64_t band = 0; band < bins; ++band) {
    const auto e = static_cast<size_t>(band);
    const int64_t lower = edges[e], center = edges[e + 1], upper = edges[e + 2];
    const auto weight = [&](int64_t bin) -> double& {
      return weights[static_cast<size_t>(bin * bins + band)];
    };
    if (center < spectrum) weight(center) = 1;
    for (int64_t bin = lower; bin < center; ++bin) {
      weight(bin) = static_cast<double>(bin - lower) / static_cast<double>(center - lower);
    }
    for (int64_t bin = center; bin < upper; ++bin) {
      weight(bin) = static_cast<double>(upper - bin) / static_cast<double>(upper - center);
    }
  }
  return weights;
}

}  // namespace ergo
