#include "kernels/conv_nhwc/expand_depthwise.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/kernels/variant_testing.h"
#include "tests/kernels/window_testing.h"

namespace ergo {
namespace {

using ::ergo::testing::Draw;
using ::ergo::testing::ForEachSimdTarget;
using ::ergo::testing::MakeReference;
using ::ergo::testing::RunKernel;
using ::ergo::testing::TestTensor;
using ::ergo::testing::ThreadedFor;

constexpr int kMaxWorkers = 3;

ExpandDepthwiseProblem Pair(int64_t in, int64_t hidden, int64_t height, int64_t width,
                            int64_t kernel, int64_t stride) {
  ExpandDepthwiseProblem pair;
  ConvProblem &expand = pair.expand, &depthwise = pair.depthwise;
  expand.in_channels = in;
  expand.out_channels = hidden;
  expand.window.in = expand.window.out = {1, height, width};
  depthwise.groups = depthwise.in_channels = depthwise.out_channels = hidden;
  Window& w = depthwise.window;
  w.in = {1, height, width};
  w.kernel = {1, kernel, kernel};
  w.strides = {1, stride, stride};
  w.pads_begin = w.pads_end = {0, kernel / 2, kernel / 2};
  w.out = {1, w.FittingOut(1), w.FittingOut(2)};
  return pair;
}

// Y of every variant that takes the pair, with known weights, against the reference.
class PairChecker {
 public:
  PairChecker(const ExpandDepthwiseProblem& pair, std::mt19937& random)
      : pair_(pair),
        x_(DType::kF32, Shape{pair.expand.InputElements()}),
        w1_(DType::kF32, Shape{pair.expand.WeightElements()}),
        b1_(DType::kF32, Shape{pair.expand.out_channels}),
        w2_(DType::kF32, Shape{pair.depthwise.WeightElements()}),
        b2_(DType::kF32, Shape{pair.expand.out_channels}) {
    for (TestTensor* tensor : {&x_, &w1_, &b1_, &w2_, &b2_}) tensor->FillUniform(random, -1, 1);
    pair_.expand.weights = w1_.View().data;
    pair_.depthwise.weights = w2_.View().data;
  }

  void Run(std::map<std::string_view, int>& accepted) {
    SerialFor serial;
    ThreadedFor threads(kMaxWorkers);
    const TestTensor want = Compute(*MakeReference(ExpandDepthwiseVariants(), pair_), serial);
    ForEachSimdTarget([&](const std::string&) {
      for (const auto& variant : ExpandDepthwiseVariants()) {
        SCOPED_TRACE(variant.info.variant);
        PackCache packs;
        const MadeKernel made = variant.make(pair_, {kMaxWorkers, &packs, true});
        if (!made.ok()) {
          EXPECT_EQ(made.status().code(), StatusCode::kUnsupported) << made.status().ToString();
          continue;
        }
        ++accepted[variant.info.variant];
        const TestTensor one = Compute(**made, serial), several = Compute(**made, threads);
        for (size_t i = 0; i < want.Span<float>().size(); ++i) {
          ASSERT_EQ(one.Span<float>()[i], several.Span<float>()[i]) << i;
          ASSERT_NEAR(want.Span<float>()[i], one.Span<float>()[i], Bound()) << i;
        }
      }
    });
  }

 private:
  TestTensor Compute(const Kernel& kernel, ParallelFor& parallel) const {
    TestTensor y(DType::kF32, Shape{pair_.depthwise.OutputElements()});
    RunKernel(kernel,
              {x_.View(), w1_.View(), pair_.expand.has_bias ? TensorView(b1_.View()) : TensorView(),
               w2_.View(), pair_.depthwise.has_bias ? TensorView(b2_.View()) : TensorView()},
              {y.View()}, parallel);
    EXPECT_TRUE(y.GuardIntact());
    return y;
  }

  // Operands are at most 1: so much can the hidden values be off, and what the second convolution
  // makes of that; for both sides.
  double Bound() const {
    const double largest = static_cast<double>(pair_.expand.Depth()) + 1;
    const double hidden = ConvErrorBound(pair_.expand, largest);
    const auto taps = static_cast<double>(pair_.depthwise.window.KernelElements());
    const double magnitude = taps * (largest + hidden) + 1;
    return 2 * (ConvErrorBound(pair_.depthwise, magnitude) + 2 * taps * hidden);
  }

  ExpandDepthwiseProblem pair_;
  TestTensor x_, w1_, b1_, w2_, b2_;
};

TEST(ExpandDepthwiseTest, VariantsAgreeWithTheReference) {
  std::map<std::string_view, int> accepted;
  std::mt19937 random(20261124);
  for (int round = 0; round < 60 && !HasFailure(); ++round) {
    const bool large = round % 20 == 0;
    const int64_t hidden = round % 7 == 0 ? Draw(random, 1, 60) : 8 * Draw(random, 1, 14);
    ExpandDepthwiseProblem pair =
        Pair(Draw(random, 1, 40), hidden, Draw(random, 1, large ? 90 : 25),
             Draw(random, 1, large ? 110 : 25), 1 + 2 * Draw(random, 0, 2), Draw(random, 1, 3));
    pair.expand.batch = pair.depthwise.batch = Draw(random, 0, 9) == 0 ? 0 : Draw(random, 1, 2);
    Window& w = pair.depthwise.window;
    for (const size_t axis : {size_t{1}, size_t{2}}) {
      w.dilations[axis] = Draw(random, 1, 4) == 1 ? 2 : 1;
      w.pads_begin[axis] = Draw(random, 0, 3);
      w.pads_end[axis] = Draw(random, 0, 3);
      w.out[axis] = w.FittingOut(axis);
    }
    pair.expand.has_bias = Draw(random, 0, 1) == 0;
    pair.depthwise.has_bias = Draw(random, 0, 1) == 0;
    pair.expand.activation = {Activation::kClip, 0, 6};
    pair.depthwise.activation.kind = round % 2 == 0 ? Activation::kSilu : Activation::kNone;
    SCOPED_TRACE(pair.expand.ToString() + " -> " + pair.depthwise.ToString());
    ASSERT_TRUE(CheckExpandDepthwise(pair).ok()) << CheckExpandDepthwise(pair).ToString();
    PairChecker(pair, random).Run(accepted);
  }
  for (const auto& variant : ExpandDepthwiseVariants()) {
    EXPECT_GT(accepted[variant.info.variant], 40) << variant.info.variant;
  }
}

TEST(ExpandDepthwiseTest, RefusesWhatIsNoPair) {
  const ExpandDepthwiseProblem good = Pair(4, 8, 9, 9, 3, 1);
  EXPECT_TRUE(CheckExpandDepthwise(good).ok());
  const auto code = [](const ExpandDepthwiseProblem& pair) {
    return CheckExpandDepthwise(pair).code();
  };
  ExpandDepthwiseProblem pair = good;
  pair.expand.window.in = pair.expand.window.out = {1, 9, 8};
  EXPECT_EQ(code(pair), StatusCode::kInvalidArgument);
  pair = good;
  pair.expand.has_residual = true;
  EXPECT_EQ(code(pair), StatusCode::kInvalidArgument);
  pair = good;
  pair.depthwise.groups = 1;
  EXPECT_EQ(code(pair), StatusCode::kInvalidArgument);
  pair = good;
  pair.expand.dtype = pair.depthwise.dtype = DType::kF64;
  EXPECT_EQ(code(pair), StatusCode::kUnsupported);
}

}  // namespace
}  // namespace ergo
