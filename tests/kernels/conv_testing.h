// Problems and operands for the tests of convolution, with channels outside and innermost.
#ifndef ERGO_TESTS_KERNELS_CONV_TESTING_H_
#define ERGO_TESTS_KERNELS_CONV_TESTING_H_

#include "kernels/conv/winograd_plan.h"
#include "tests/kernels/variant_testing.h"
#include "tests/kernels/window_testing.h"

namespace ergo::testing {

// Uniform in [-1, 1), channels outside.
struct ConvOperands {
  TestTensor x, w, bias, residual;

  ConvOperands(const ConvProblem& p, std::mt19937& random)
      : x(DType::kF32, Shape{p.InputElements()}),
        w(DType::kF32, Shape{p.WeightElements()}),
        bias(DType::kF32, Shape{p.out_channels}),
        residual(DType::kF32, Shape{p.OutputElements()}) {
    for (TestTensor* tensor : {&x, &w, &bias, &residual}) tensor->FillUniform(random, -1, 1);
  }

  // The absolute values of all.
  ConvOperands Absolute(const ConvProblem& p) const {
    std::mt19937 random(1);
    ConvOperands absolute(p, random);
    const std::pair<const TestTensor*, TestTensor*> pairs[] = {{&x, &absolute.x},
                                                               {&w, &absolute.w},
                                                               {&bias, &absolute.bias},
                                                               {&residual, &absolute.residual}};
    for (const auto& [from, to] : pairs) {
      const auto source = from->Span<float>();
      std::transform(source.begin(), source.end(), to->Span<float>().begin(),
                     [](float value) { return std::fabs(value); });
    }
    return absolute;
  }
};

// How far the variant's result may be from the reference's for an element of this output channel,
// where `magnitude` is the same convolution of absolute values.
inline double ConvVariantBound(const ConvProblem& p, const ConvOperands& operands,
                               std::string_view variant, int64_t channel, double magnitude) {
  constexpr std::string_view kWinograd = "winograd";
  if (!variant.starts_with(kWinograd)) return ConvErrorBound(p, magnitude);
  const auto depth = static_cast<size_t>(p.Depth());
  double peak = 2;  // bias and residual
  for (const float w :
       operands.w.Span<float>().subspan(static_cast<size_t>(channel) * depth, depth)) {
    peak += std::fabs(w);  // |x| <= 1
  }
  return WinogradErrorBound(p, variant[kWinograd.size()] - '0', peak);
}

inline void DrawEpilogue(std::mt19937& random, ConvProblem& p) {
  p.has_bias = Draw(random, 0, 1) == 0;
  p.has_residual = Draw(random, 0, 2) == 0;
  if (Draw(random, 0, 1) == 0) {
    p.activation.kind = static_cast<Activation>(Draw(random, 0, 8));
    p.activation.alpha = p.activation.kind == Activation::kClip ? -0.5f : 0.2f;
    p.activation.beta = 0.75f;
  }
}

// Now and then the window of a pointwise convolution on the same input.
inline void DrawPointwise(std::mt19937& random, Window& window) {
  if (Draw(random, 0, 3) != 0) return;
  const Spatial in = window.in;
  window = Window();
  window.in = window.out = in;
}

// A square image and window, padded so that stride 1 keeps the size, with a bias.
inline ConvProblem SquareConv(int64_t channels, int64_t out_channels, int64_t size, int64_t kernel,
                              int64_t stride) {
  ConvProblem p;
  p.in_channels = channels;
  p.out_channels = out_channels;
  p.has_bias = true;
  Window& w = p.window;
  w.in = {1, size, size};
  w.kernel = {1, kernel, kernel};
  w.strides = {1, stride, stride};
  w.pads_begin = w.pads_end = {0, kernel / 2, kernel / 2};
  w.out = {1, w.FittingOut(1), w.FittingOut(2)};
  return p;
}

// For Winograd's variants: blocks of several rows of tiles, ragged tiles on both axes, uneven
// padding, and images that blocks span.
inline void DrawWinogradImages(std::mt19937& random, bool large, ConvProblem& p) {
  p.batch = Draw(random, 0, 9) == 0 ? 0 : Draw(random, 1, 3);
  Window& w = p.window;
  w.in = {1, Draw(random, 1, large ? 60 : 20), Draw(random, 1, large ? 60 : 20)};
  for (const size_t axis : {size_t{1}, size_t{2}}) {
    w.pads_begin[axis] = Draw(random, 0, 3);
    w.pads_end[axis] = Draw(random, 0, 3);
    w.out[axis] = w.FittingOut(axis);
  }
}

}  // namespace ergo::testing

#endif  // ERGO_TESTS_KERNELS_CONV_TESTING_H_
