// Every variant of convolution with channels innermost against the reference of the one with
// planes, its operands and results permuted, on every SIMD target.
#include "kernels/conv_nhwc/conv_nhwc.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/kernels/conv_testing.h"

namespace ergo {
namespace {

using ::ergo::testing::ConvOperands;
using ::ergo::testing::ConvVariantBound;
using ::ergo::testing::Draw;
using ::ergo::testing::DrawEpilogue;
using ::ergo::testing::DrawPointwise;
using ::ergo::testing::DrawWinogradImages;
using ::ergo::testing::ForEachSimdTarget;
using ::ergo::testing::MakeReference;
using ::ergo::testing::RunKernel;
using ::ergo::testing::SquareConv;
using ::ergo::testing::Swapped;
using ::ergo::testing::TestTensor;
using ::ergo::testing::ThreadedFor;

constexpr int kMaxWorkers = 3;

// The result of the reference of kernels/conv, permuted.
TestTensor Expected(ConvProblem p, const ConvOperands& operands) {
  p.weights = nullptr;
  TestTensor y(DType::kF32, Shape{p.OutputElements()});
  SerialFor serial;
  RunKernel(*MakeReference(ConvVariants(), p),
            {operands.x.View(), operands.w.View(),
             p.has_bias ? TensorView(operands.bias.View()) : TensorView(),
             p.has_residual ? TensorView(operands.residual.View()) : TensorView()},
            {y.View()}, serial);
  return Swapped(y, p.batch, p.out_channels, p.window.OutElements());
}

// The same convolution of absolute values, for the error bound.
TestTensor Magnitudes(ConvProblem p, const ConvOperands& operands) {
  p.activation = {};
  return Expected(p, operands.Absolute(p));
}

class Checker {
 public:
  Checker(const NhwcConvProblem& problem, std::mt19937& random)
      : problem_(problem),
        operands_(problem.conv, random),
        x_(Swapped(operands_.x, problem.conv.batch, problem.conv.in_channels,
                   problem.conv.window.InElements())),
        residual_(Swapped(operands_.residual, problem.conv.batch, problem.conv.out_channels,
                          problem.conv.window.OutElements())),
        expected_(Expected(problem.conv, operands_)),
        magnitudes_(Magnitudes(problem.conv, operands_)) {
    problem_.conv.weights = operands_.w.View().data;
  }

  // Every variant, with one and several workers. Returns which took the problem.
  std::vector<std::string_view> Run() {
    std::vector<std::string_view> accepted;
    for (const auto& variant : NhwcConvVariants()) {
      SCOPED_TRACE(variant.info.variant);
      PackCache packs;
      MadeKernel made = variant.make(problem_, {kMaxWorkers, &packs, true});
      if (!made.ok()) {
        EXPECT_EQ(made.status().code(), StatusCode::kUnsupported) << made.status().ToString();
        continue;
      }
      accepted.push_back(variant.info.variant);
      Compare(variant.info.variant, **made);
    }
    return accepted;
  }

 private:
  TestTensor RunOnce(const Kernel& kernel, ParallelFor& parallel) const {
    const ConvProblem& p = problem_.conv;
    TestTensor y(DType::kF32, Shape{p.OutputElements()});
    // A kernel that may run in place does: residual and output are the same memory.
    const bool in_place = p.has_residual && kernel.MayRunInPlace(3);
    if (in_place) y = residual_.Copy();
    const TestTensor& x = problem_.planar_input ? operands_.x : x_;
    RunKernel(kernel,
              {x.View(), operands_.w.View(),
               p.has_bias ? TensorView(operands_.bias.View()) : TensorView(),
               !p.has_residual ? TensorView()
               : in_place      ? TensorView(y.View())
                               : TensorView(residual_.View())},
              {y.View()}, parallel);
    EXPECT_TRUE(y.GuardIntact());
    return y;
  }

  void Compare(std::string_view variant, const Kernel& kernel) const {
    SerialFor serial;
    ThreadedFor threads(kMaxWorkers);
    const TestTensor one = RunOnce(kernel, serial), several = RunOnce(kernel, threads);
    const auto want = expected_.Span<float>(), got = one.Span<float>();
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(got[i], several.Span<float>()[i]) << "differs between worker counts at " << i;
      EXPECT_NEAR(want[i], got[i], Bound(variant, i)) << i;
      if (::testing::Test::HasFailure()) break;
    }
  }

  double Bound(std::string_view variant, size_t i) const {
    const int64_t channel = static_cast<int64_t>(i) % problem_.conv.out_channels;
    return ConvVariantBound(problem_.conv, operands_, variant, channel,
                            magnitudes_.Span<float>()[i]);
  }

  NhwcConvProblem problem_;
  ConvOperands operands_;
  TestTensor x_, residual_;  // channels innermost
  TestTensor expected_, magnitudes_;
};

Window RandomPlaneWindow(std::mt19937& random) {
  Window window = testing::RandomWindow(random);
  window.in[0] = window.out[0] = window.kernel[0] = window.strides[0] = window.dilations[0] = 1;
  window.pads_begin[0] = window.pads_end[0] = 0;
  return window;
}

NhwcConvProblem RandomProblem(std::mt19937& random) {
  NhwcConvProblem problem;
  ConvProblem& p = problem.conv;
  p.batch = Draw(random, 0, 20) == 0 ? 0 : Draw(random, 1, 3);
  p.window = RandomPlaneWindow(random);
  if (Draw(random, 0, 2) == 0) {
    p.groups = p.in_channels = p.out_channels = Draw(random, 2, 70);
  } else {
    p.in_channels = Draw(random, 0, 15) == 0 ? 0 : Draw(random, 1, 40);
    p.out_channels = Draw(random, 0, 15) == 0 ? 0 : Draw(random, 1, 120);
    problem.planar_input = Draw(random, 0, 3) == 0;
  }
  DrawPointwise(random, p.window);
  DrawEpilogue(random, p);
  return problem;
}

TEST(NhwcConvTest, AgreesWithPlanesOnRandomProblems) {
  std::map<std::string_view, int> accepted;
  std::mt19937 random(20241124);
  for (int round = 0; round < 150 && !HasFailure(); ++round) {
    const NhwcConvProblem problem = RandomProblem(random);
    SCOPED_TRACE(problem.ToString());
    ASSERT_TRUE(CheckNhwcConv(problem).ok()) << CheckNhwcConv(problem).ToString();
    Checker checker(problem, random);
    ForEachSimdTarget([&](const std::string&) {
      for (const std::string_view variant : checker.Run()) ++accepted[variant];
    });
  }
  // A variant that declines everything would pass unseen. Winograd's have a test of their own.
  for (const auto& variant : NhwcConvVariants()) {
    if (variant.info.variant.starts_with("winograd")) continue;
    EXPECT_GT(accepted[variant.info.variant], 20) << variant.info.variant;
  }
}

NhwcConvProblem Square(int64_t channels, int64_t out_channels, int64_t size, int64_t kernel,
                       int64_t stride) {
  return {SquareConv(channels, out_channels, size, kernel, stride)};
}

// Shapes of real networks, large enough for several blocks and tasks.
TEST(NhwcConvTest, AgreesWithPlanesOnLargerProblems) {
  std::vector<NhwcConvProblem> problems = {Square(3, 20, 33, 7, 2),   Square(70, 37, 14, 3, 1),
                                           Square(300, 50, 7, 3, 2),  Square(17, 210, 9, 1, 1),
                                           Square(530, 133, 7, 1, 1), Square(64, 70, 15, 1, 2),
                                           Square(130, 600, 20, 1, 1)};
  problems[0].planar_input = true;
  problems[1].conv.has_residual = problems[4].conv.has_residual = true;
  problems[1].conv.activation.kind = Activation::kRelu;
  problems[3].conv.batch = 5;
  std::mt19937 random(5);
  for (const NhwcConvProblem& problem : problems) {
    SCOPED_TRACE(problem.ToString());
    Checker checker(problem, random);
    ForEachSimdTarget([&](const std::string&) { checker.Run(); });
    if (HasFailure()) return;
  }
}

// The kernels and strides that have code of their own, with channels that fill no vector.
TEST(NhwcConvTest, AgreesWithPlanesOnDepthwiseProblems) {
  std::mt19937 random(6);
  for (const int64_t kernel : {3, 5, 7}) {
    for (const int64_t stride : {1, 2}) {
      for (const int64_t size : {1, 2, 7, 9, 30}) {
        const int64_t channels = Draw(random, 2, 100);
        NhwcConvProblem problem = Square(channels, channels, size, kernel, stride);
        problem.conv.groups = channels;
        DrawEpilogue(random, problem.conv);
        SCOPED_TRACE(problem.ToString());
        Checker checker(problem, random);
        ForEachSimdTarget([&](const std::string&) { checker.Run(); });
        if (HasFailure()) return;
      }
    }
  }
}

// Blocks of several tiles, ragged tiles on both axes, uneven padding, and blocks that span images.
TEST(NhwcConvTest, WinogradAgreesWithPlanes) {
  std::map<std::string_view, int> accepted;
  std::mt19937 random(7);
  for (int round = 0; round < 40 && !HasFailure(); ++round) {
    const bool large = round % 10 == 0;
    NhwcConvProblem problem =
        Square(Draw(random, 1, large ? 90 : 40), Draw(random, 1, large ? 90 : 40), 8, 3, 1);
    ConvProblem& p = problem.conv;
    DrawWinogradImages(random, large, p);
    DrawEpilogue(random, p);
    SCOPED_TRACE(problem.ToString());
    Checker checker(problem, random);
    ForEachSimdTarget([&](const std::string&) {
      for (const std::string_view variant : checker.Run()) ++accepted[variant];
    });
  }
  for (const char* variant : {"winograd2", "winograd4", "winograd6"}) {
    EXPECT_GE(accepted[variant], 40) << variant;
  }
}

// Clamps would hide it.
TEST(NhwcConvTest, NanStaysNan) {
  std::mt19937 random(9);
  for (const int64_t groups : {1, 20}) {
    NhwcConvProblem problem = Square(20, 20, 9, 3, 1);
    ConvProblem& p = problem.conv;
    p.groups = groups;
    p.has_bias = false;
    p.activation = {Activation::kClip, 0, 6};
    ConvOperands operands(p, random);
    p.weights = operands.w.View().data;
    operands.x.Span<float>()[40 * 20] = std::numeric_limits<float>::quiet_NaN();
    for (const auto& variant : NhwcConvVariants()) {
      const MadeKernel made = variant.make(problem, {1, nullptr, true});
      if (!made.ok()) continue;
      TestTensor y(DType::kF32, Shape{p.OutputElements()});
      SerialFor serial;
      RunKernel(**made, {operands.x.View(), operands.w.View(), {}, {}}, {y.View()}, serial);
      EXPECT_TRUE(std::isnan(y.Span<float>()[40 * 20])) << variant.info.variant;
    }
  }
}

TEST(NhwcConvTest, RefusesWhatItDoesNotCompute) {
  NhwcConvProblem grouped = Square(8, 8, 5, 3, 1);
  grouped.conv.groups = 2;
  EXPECT_EQ(CheckNhwcConv(grouped).code(), StatusCode::kUnsupported);
  NhwcConvProblem volume = Square(8, 8, 5, 3, 1);
  volume.conv.window.in[0] = volume.conv.window.out[0] = 2;
  EXPECT_EQ(CheckNhwcConv(volume).code(), StatusCode::kUnsupported);
  NhwcConvProblem depthwise = Square(8, 8, 5, 3, 1);
  depthwise.conv.groups = 8;
  EXPECT_TRUE(CheckNhwcConv(depthwise).ok());
  depthwise.planar_input = true;
  EXPECT_EQ(CheckNhwcConv(depthwise).code(), StatusCode::kUnsupported);
}

}  // namespace
}  // namespace ergo
