// Transforms against their sums in complex numbers, and windows and mel filters against values from
// their formulas.
#include "kernels/signal/signal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <complex>
#include <numbers>

#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using testing::MakeReference;
using testing::RunKernel;
using testing::TestTensor;
using testing::ThreadedFor;
using Complex = std::complex<double>;

Complex Sum(const std::vector<Complex>& x, int64_t bin, double direction) {
  Complex sum = 0;
  for (size_t n = 0; n < x.size(); ++n) {
    const double angle = direction * 2 * std::numbers::pi * static_cast<double>(bin) *
                         static_cast<double>(n) / static_cast<double>(x.size());
    sum += x[n] * std::polar(1.0, angle);
  }
  return sum;
}

Complex At(const TestTensor& tensor, int64_t place, int components) {
  const auto i = static_cast<size_t>(place * components);
  const auto span = tensor.Span<float>();
  return {span[i], components == 2 ? span[i + 1] : 0.0f};
}

struct Shapes {
  DftProblem problem;
  TestTensor x, y;
};

Shapes RandomDft(std::mt19937& random, bool inverse) {
  const auto draw = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  DftProblem p;
  p.outer = draw(1, 3);
  p.inner = draw(1, 3);
  p.length = draw(1, 17);
  p.inverse = inverse;
  p.onesided = draw(0, 1) == 1;
  if (!inverse) {
    p.components = p.onesided ? 1 : static_cast<int>(draw(1, 2));
    p.extent = draw(1, 20);
    p.bins = p.onesided ? p.length / 2 + 1 : p.length;
  } else {
    p.components = 2;
    p.extent = p.onesided ? p.length / 2 + 1 : p.length;
    p.bins = p.length;
    p.out_components = p.onesided ? 1 : 2;
  }
  TestTensor x(DType::kF32, {p.outer, p.extent, p.inner, p.components});
  x.FillUniform(random, -1, 1);
  TestTensor y(DType::kF32, {p.outer, p.bins, p.inner, p.out_components});
  return {p, std::move(x), std::move(y)};
}

void RunDft(const Shapes& s) {
  ThreadedFor parallel(3);
  RunKernel(*MakeReference(DftVariants(), s.problem), {s.x.View()}, {s.y.View()}, parallel);
  EXPECT_TRUE(s.y.GuardIntact());
}

TEST(DftTest, TransformsForward) {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937 random(seed);
    const Shapes s = RandomDft(random, false);
    const DftProblem& p = s.problem;
    RunDft(s);
    for (int64_t line = 0; line < p.outer * p.inner; ++line) {
      const int64_t outer = line / p.inner, inner = line % p.inner;
      std::vector<Complex> signal(static_cast<size_t>(p.length));
      for (int64_t n = 0; n < std::min(p.length, p.extent); ++n) {
        signal[static_cast<size_t>(n)] =
            At(s.x, (outer * p.extent + n) * p.inner + inner, p.components);
      }
      for (int64_t k = 0; k < p.bins; ++k) {
        const Complex expected = Sum(signal, k, -1);
        const Complex got = At(s.y, (outer * p.bins + k) * p.inner + inner, 2);
        EXPECT_LT(std::abs(got - expected), 1e-5) << "line " << line << ", bin " << k;
      }
    }
  }
}

TEST(DftTest, TransformsBack) {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937 random(seed);
    const Shapes s = RandomDft(random, true);
    const DftProblem& p = s.problem;
    RunDft(s);
    for (int64_t line = 0; line < p.outer * p.inner; ++line) {
      const int64_t outer = line / p.inner, inner = line % p.inner;
      std::vector<Complex> bins(static_cast<size_t>(p.length));
      for (int64_t k = 0; k < p.length; ++k) {
        const bool mirrored = k >= p.extent;
        const Complex bin =
            At(s.x, (outer * p.extent + (mirrored ? p.length - k : k)) * p.inner + inner, 2);
        bins[static_cast<size_t>(k)] = mirrored ? std::conj(bin) : bin;
      }
      for (int64_t n = 0; n < p.bins; ++n) {
        Complex expected = Sum(bins, n, 1) / static_cast<double>(p.length);
        if (p.out_components == 1) expected = expected.real();
        const Complex got = At(s.y, (outer * p.bins + n) * p.inner + inner, p.out_components);
        EXPECT_LT(std::abs(got - expected), 1e-5) << "line " << line << ", sample " << n;
      }
    }
  }
}

TEST(StftTest, TransformsWindowedFrames) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937 random(seed);
    const auto draw = [&](int64_t low, int64_t high) {
      return std::uniform_int_distribution<int64_t>(low, high)(random);
    };
    StftProblem p;
    p.batch = draw(1, 3);
    p.components = static_cast<int>(draw(1, 2));
    p.frame_length = draw(1, 9);
    p.frame_step = draw(1, 4);
    p.frames = draw(1, 4);
    p.samples = p.frame_length + (p.frames - 1) * p.frame_step + draw(0, p.frame_step - 1);
    p.bins = p.components == 1 ? p.frame_length / 2 + 1 : p.frame_length;
    TestTensor x(DType::kF32, {p.batch, p.samples, p.components});
    TestTensor window(DType::kF32, {p.frame_length});
    x.FillUniform(random, -1, 1);
    window.FillUniform(random, 0, 1);
    const bool windowed = draw(0, 1) == 1;
    const TestTensor y(DType::kF32, {p.batch, p.frames, p.bins, 2});
    ThreadedFor parallel(3);
    RunKernel(*MakeReference(StftVariants(), p),
              {x.View(), windowed ? TensorView(window.View()) : TensorView()}, {y.View()},
              parallel);
    EXPECT_TRUE(y.GuardIntact());
    for (int64_t frame = 0; frame < p.batch * p.frames; ++frame) {
      std::vector<Complex> samples;
      for (int64_t n = 0; n < p.frame_length; ++n) {
        const int64_t at = frame / p.frames * p.samples + frame % p.frames * p.frame_step + n;
        const double weight =
            windowed ? static_cast<double>(window.Span<float>()[static_cast<size_t>(n)]) : 1;
        samples.push_back(At(x, at, p.components) * weight);
      }
      for (int64_t k = 0; k < p.bins; ++k) {
        EXPECT_LT(std::abs(At(y, frame * p.bins + k, 2) - Sum(samples, k, -1)), 1e-5);
      }
    }
  }
}

// numpy.hanning(5), numpy.hamming(5), numpy.blackman(5); the standard's constants are others than
// NumPy's only for Hamming: 25/46 and 21/46.
TEST(WindowTest, HasTheValuesOfItsFormula) {
  const auto near = [](std::vector<double> values) {
    return ::testing::Pointwise(::testing::DoubleNear(1e-12), std::move(values));
  };
  EXPECT_THAT(MakeWindow(WindowFunction::kHann, 5, false), near({0, 0.5, 1, 0.5, 0}));
  EXPECT_THAT(MakeWindow(WindowFunction::kHann, 4, true), near({0, 0.5, 1, 0.5}));
  const double edge = 25.0 / 46 - 21.0 / 46, middle = 25.0 / 46;
  EXPECT_THAT(MakeWindow(WindowFunction::kHamming, 5, false),
              near({edge, middle, 1, middle, edge}));
  EXPECT_THAT(MakeWindow(WindowFunction::kBlackman, 5, false), near({0, 0.34, 1, 0.34, 0}));
}

TEST(MelWeightsTest, FiltersAreTrianglesBetweenTheirNeighbours) {
  constexpr int64_t kBins = 8, kLength = 256, kRate = 16000;
  const auto weights = MakeMelWeights(kBins, kLength, kRate, 100, 7000);
  ASSERT_TRUE(weights.ok());
  ASSERT_EQ(weights->size(), static_cast<size_t>((kLength / 2 + 1) * kBins));
  // Bins of the spectrum at kBins + 2 places spaced evenly on the mel scale, of which the last lies
  // one step below the upper end, as in the standard's reference implementation.
  const auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  std::vector<int64_t> places;
  for (int64_t i = 0; i < kBins + 2; ++i) {
    const double m = mel(100) + (mel(7000) - mel(100)) * static_cast<double>(i) / (kBins + 2);
    const double hertz = 700 * (std::pow(10, m / 2595) - 1);
    places.push_back(static_cast<int64_t>(std::floor((kLength + 1) * hertz / kRate)));
  }
  for (size_t band = 0; band < kBins; ++band) {
    const int64_t low = places[band], center = places[band + 1], high = places[band + 2];
    for (int64_t k = 0; k <= kLength / 2; ++k) {
      double expected = 0;
      if (k == center) expected = 1;
      if (k > low && k < center) {
        expected = static_cast<double>(k - low) / static_cast<double>(center - low);
      }
      if (k > center && k < high) {
        expected = static_cast<double>(high - k) / static_cast<double>(high - center);
      }
      EXPECT_NEAR((*weights)[static_cast<size_t>(k) * kBins + band], expected, 1e-9)
          << "band " << band << ", bin " << k;
    }
  }
  EXPECT_EQ(MakeMelWeights(8, 256, 16000, 100, 12000).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ergo
