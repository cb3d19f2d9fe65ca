// Convolution on the emulated GPU: the direct kernels, and what cuDNN is asked for.
#include <gtest/gtest.h>

#include "kernels/conv/conv.h"
#include "tests/emulator/cuda_testing.h"

namespace ergo {
namespace {

using namespace ergo::testing;

ConvProblem DrawProblem(std::mt19937& random, bool planar) {
  const auto draw = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  ConvProblem p;
  constexpr DType kTypes[] = {DType::kF32, DType::kF32, DType::kF16, DType::kBF16};
  p.dtype = kTypes[draw(0, 3)];
  p.batch = draw(1, 2);
  p.groups = draw(1, 3);
  p.in_channels = p.groups * draw(1, 3);
  p.out_channels = p.groups * draw(1, 3);
  Window& w = p.window;
  for (size_t axis = planar || draw(0, 3) > 0 ? 1 : 0; axis < 3; ++axis) {
    w.in[axis] = draw(3, 9);
    w.kernel[axis] = draw(1, 3);
    w.strides[axis] = draw(1, 2);
    w.dilations[axis] = draw(1, 2);
    w.pads_begin[axis] = draw(0, 2);
    w.pads_end[axis] = draw(2, 3);
    w.out[axis] = w.FittingOut(axis);
  }
  p.has_bias = draw(0, 1) == 1;
  p.has_residual = draw(0, 2) == 0;
  p.activation = {static_cast<Activation>(draw(0, 8)), 0.1f, 0.7f};
  return p;
}

void CheckConvolution(CudaBench& bench, const ConvProblem& p, std::string_view variant,
                      std::mt19937& random) {
  SCOPED_TRACE(fmt::format("{}: {} {}", variant, DTypeName(p.dtype), p.ToString()));
  const auto kernel = bench.Make(ConvVariants(), p, variant);
  ASSERT_TRUE(kernel);
  TestTensor x(p.dtype, {p.InputElements()}), w(p.dtype, {p.WeightElements()}),
      bias(p.dtype, {p.out_channels}), residual(p.dtype, {p.OutputElements()});
  for (TestTensor* tensor : {&x, &w, &bias, &residual}) tensor->FillUniform(random, -1, 1);
  const std::vector<TensorView> inputs = {
      x.View(), w.View(), p.has_bias ? TensorView(bias.View()) : TensorView(),
      p.has_residual ? TensorView(residual.View()) : TensorView()};
  TestTensor got(p.dtype, {p.OutputElements()}), expected(p.dtype, {p.OutputElements()});
  bench.Run(*kernel, inputs, {got.View()});
  RunReference(ConvVariants(), p, inputs, {expected.View()});
  EXPECT_TRUE(got.GuardIntact());
  const auto magnitude = static_cast<double>(p.Depth() + 2);
  for (size_t i = 0; i < static_cast<size_t>(p.OutputElements()); ++i) {
    VisitDType(p.dtype, [&]<typename T>(TypeTag<T>) {
      EXPECT_NEAR(ToDouble(got.Span<T>()[i]), ToDouble(expected.Span<T>()[i]),
                  3 * ConvErrorBound(p, magnitude))
          << i;
      return 0;
    });
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(ConvCudaTest, DirectKernels) {
  CudaBench bench;
  for (uint32_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937 random(seed);
    const ConvProblem p = DrawProblem(random, false);
    CheckConvolution(bench, p, "cuda", random);
    if (p.Depth() <= 50) CheckConvolution(bench, p, "cuda_few", random);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(ConvCudaTest, AsksCudnnForWhatTheProblemSays) {
  CudaBench bench;
  for (uint32_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937 random(seed);
    CheckConvolution(bench, DrawProblem(random, true), "cudnn", random);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace ergo
