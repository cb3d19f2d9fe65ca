// ConvTranspose by scattering, where the kernel gathers, over random windows of one to three
// dimensions.
#include "kernels/conv_transpose/conv_transpose.h"

#include <gtest/gtest.h>

#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using testing::RunKernel;
using testing::TestTensor;
using testing::ThreadedFor;

ConvTransposeProblem RandomProblem(std::mt19937& random) {
  const auto draw = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  ConvTransposeProblem p;
  p.batch = draw(1, 3);
  p.groups = draw(1, 3);
  p.in_channels = p.groups * draw(1, 3);
  p.out_channels = p.groups * draw(1, 3);
  p.bias = draw(0, 1) == 1;
  Window& w = p.window;
  for (auto axis = static_cast<size_t>(draw(0, 2)); axis < kSpatialAxes; ++axis) {
    w.kernel[axis] = draw(1, 4);
    w.strides[axis] = draw(1, 3);
    w.dilations[axis] = draw(1, 2);
    w.out[axis] = draw(1, 5);
    const int64_t full = (w.out[axis] - 1) * w.strides[axis] + w.Extent(axis);
    const int64_t spare = full - 1;
    w.pads_begin[axis] = draw(0, std::min<int64_t>(spare, 2));
    w.pads_end[axis] = draw(0, std::min<int64_t>(spare - w.pads_begin[axis], 2));
    // What output_padding adds.
    w.in[axis] = full - w.pads_begin[axis] - w.pads_end[axis] + draw(0, w.strides[axis] - 1);
  }
  return p;
}

std::vector<double> Scattered(const ConvTransposeProblem& p, const TestTensor& x,
                              const TestTensor& weights, const TestTensor& bias) {
  const Window& w = p.window;
  const int64_t plane = w.InElements(), taps = w.KernelElements();
  const int64_t per_group = p.out_channels / p.groups;
  std::vector<double> y(static_cast<size_t>(p.batch * p.out_channels * plane), 0.0);
  for (size_t i = 0; p.bias && i < y.size(); ++i) {
    y[i] = bias.Span<float>()[i / static_cast<size_t>(plane) % static_cast<size_t>(p.out_channels)];
  }
  for (int64_t i = 0; i < p.batch * p.in_channels * w.OutElements(); ++i) {
    const int64_t place = i % w.OutElements(), channel = i / w.OutElements() % p.in_channels;
    const int64_t image = i / w.OutElements() / p.in_channels;
    const Spatial at = {place / w.out[2] / w.out[1], place / w.out[2] % w.out[1], place % w.out[2]};
    for (int64_t tap = 0; tap < taps; ++tap) {
      const Spatial k = {tap / w.kernel[2] / w.kernel[1], tap / w.kernel[2] % w.kernel[1],
                         tap % w.kernel[2]};
      Spatial to{};
      bool inside = true;
      for (size_t axis = 0; axis < kSpatialAxes; ++axis) {
        to[axis] = at[axis] * w.strides[axis] - w.pads_begin[axis] + k[axis] * w.dilations[axis];
        inside = inside && to[axis] >= 0 && to[axis] < w.in[axis];
      }
      if (!inside) continue;
      for (int64_t c = 0; c < per_group; ++c) {
        const int64_t out_channel = channel / (p.in_channels / p.groups) * per_group + c;
        const int64_t flat = (to[0] * w.in[1] + to[1]) * w.in[2] + to[2];
        y[static_cast<size_t>((image * p.out_channels + out_channel) * plane + flat)] +=
            static_cast<double>(x.Span<float>()[static_cast<size_t>(i)]) *
            weights.Span<float>()[static_cast<size_t>((channel * per_group + c) * taps + tap)];
      }
    }
  }
  return y;
}

TEST(ConvTransposeTest, EveryVariantIsAScatteredConvolution) {
  for (uint32_t seed = 1; seed <= 150; ++seed) {
    std::mt19937 random(seed);
    const ConvTransposeProblem p = RandomProblem(random);
    SCOPED_TRACE(fmt::format("seed {}, {}", seed, p.window.ToString()));
    const Window& w = p.window;
    TestTensor x(DType::kF32, {p.batch, p.in_channels, w.OutElements()});
    TestTensor weights(DType::kF32, {p.in_channels, p.out_channels / p.groups, w.KernelElements()});
    TestTensor bias(DType::kF32, {p.out_channels});
    for (TestTensor* tensor : {&x, &weights, &bias}) tensor->FillUniform(random, -1, 1);
    const std::vector<double> expected = Scattered(p, x, weights, bias);
    for (const auto& variant : ConvTransposeVariants()) {
      SCOPED_TRACE(std::string(variant.info.variant));
      MadeKernel made = variant.make(p, MakeContext{});
      if (made.status().code() == StatusCode::kUnsupported) continue;
      ASSERT_TRUE(made.ok()) << made.status().ToString();
      const TestTensor y(DType::kF32, {p.batch, p.out_channels, w.InElements()});
      ThreadedFor parallel(3);
      const TensorView no_bias;
      RunKernel(**made, {x.View(), weights.View(), p.bias ? TensorView(bias.View()) : no_bias},
                {y.View()}, parallel);
      EXPECT_TRUE(y.GuardIntact());
      for (size_t i = 0; i < expected.size(); ++i) {
        ASSERT_NEAR(y.Span<float>()[i], expected[i], 1e-4) << "element " << i;
      }
    }
  }
}

}  // namespace
}  // namespace ergo
