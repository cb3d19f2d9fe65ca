// Every variant of the list against the reference, on every SIMD target, within the contract's
// error bound.
#include <gtest/gtest.h>

#include <map>

#include "kernels/conv/conv.h"
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
using ::ergo::testing::TestTensor;
using ::ergo::testing::ThreadedFor;

constexpr int kMaxWorkers = 3;

TestTensor RunConv(const Kernel& kernel, const ConvProblem& p, const ConvOperands& operands,
                   ParallelFor& parallel) {
  TestTensor y(DType::kF32, Shape{p.OutputElements()});
  // A kernel that may run in place does: residual and output are the same memory.
  const bool in_place = p.has_residual && kernel.MayRunInPlace(3);
  if (in_place) y = operands.residual.Copy();
  RunKernel(kernel,
            {operands.x.View(), operands.w.View(),
             p.has_bias ? TensorView(operands.bias.View()) : TensorView(),
             !p.has_residual ? TensorView()
             : in_place      ? TensorView(y.View())
                             : TensorView(operands.residual.View())},
            {y.View()}, parallel);
  EXPECT_TRUE(y.GuardIntact());
  return y;
}

// The same convolution of absolute values, for the error bound.
TestTensor Magnitudes(ConvProblem p, const ConvOperands& operands) {
  const ConvOperands absolute = operands.Absolute(p);
  p.activation = {};
  p.weights = nullptr;
  SerialFor serial;
  return RunConv(*MakeReference(ConvVariants(), p), p, absolute, serial);
}

class Checker {
 public:
  Checker(const ConvProblem& problem, std::mt19937& random)
      : problem_(problem),
        operands_(problem, random),
        magnitudes_(Magnitudes(problem, operands_)),
        expected_(Expected()) {}

  // Every variant that takes the problem, with constant and with other weights, one and several
  // workers. Returns which did.
  std::vector<std::string_view> Run() {
    std::vector<std::string_view> accepted;
    for (const auto& variant : ConvVariants()) {
      // These do not know of SIMD targets: once is enough.
      const bool fixed = variant.info.variant == "onednn" || variant.info.variant == "reference";
      if (fixed && runs_ > 0) continue;
      SCOPED_TRACE(variant.info.variant);
      PackCache packs;
      problem_.weights = operands_.w.View().data;
      const bool takes = RunVariant(variant, &packs);
      problem_.weights = nullptr;
      const bool takes_any = variant.info.requires_ != "constant weights";
      EXPECT_EQ(RunVariant(variant, nullptr), takes && takes_any);
      if (takes) accepted.push_back(variant.info.variant);
    }
    ++runs_;
    return accepted;
  }

 private:
  TestTensor Expected() const {
    SerialFor serial;
    return RunConv(*MakeReference(ConvVariants(), problem_), problem_, operands_, serial);
  }

  bool RunVariant(const KernelVariant<ConvProblem>& variant, PackCache* packs) {
    MadeKernel made = variant.make(problem_, {kMaxWorkers, packs, true});
    if (!made.ok()) {
      EXPECT_EQ(made.status().code(), StatusCode::kUnsupported) << made.status().ToString();
      EXPECT_FALSE(made.status().message().empty());
      return false;
    }
    SerialFor serial;
    ThreadedFor threads(kMaxWorkers);
    const TestTensor one = RunConv(**made, problem_, operands_, serial);
    const TestTensor several = RunConv(**made, problem_, operands_, threads);
    const auto want = expected_.Span<float>(), got = one.Span<float>();
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(got[i], several.Span<float>()[i]) << "differs between worker counts at " << i;
      EXPECT_NEAR(want[i], got[i], Bound(variant.info.variant, i)) << i;
      if (::testing::Test::HasFailure()) break;
    }
    return true;
  }

  double Bound(std::string_view variant, size_t i) const {
    const int64_t channel =
        static_cast<int64_t>(i) / problem_.window.OutElements() % problem_.out_channels;
    return ConvVariantBound(problem_, operands_, variant, channel, magnitudes_.Span<float>()[i]);
  }

  ConvProblem problem_;
  ConvOperands operands_;
  TestTensor magnitudes_;
  TestTensor expected_;
  int runs_ = 0;
};

void DrawChannels(std::mt19937& random, ConvProblem& p) {
  switch (Draw(random, 0, 3)) {
    case 0:  // depthwise, with multipliers
      p.groups = p.in_channels = Draw(random, 1, 9);
      p.out_channels = p.groups * Draw(random, 1, 3);
      return;
    case 1:
      p.groups = Draw(random, 2, 4);
      p.in_channels = p.groups * Draw(random, 1, 5);
      p.out_channels = p.groups * Draw(random, 1, 7);
      return;
    default:
      p.in_channels = Draw(random, 0, 15) == 0 ? 0 : Draw(random, 1, 40);
      p.out_channels = Draw(random, 0, 15) == 0 ? 0 : Draw(random, 1, 40);
  }
}

ConvProblem RandomProblem(std::mt19937& random) {
  ConvProblem p;
  p.batch = Draw(random, 0, 20) == 0 ? 0 : Draw(random, 1, 3);
  DrawChannels(random, p);
  p.window = testing::RandomWindow(random);
  DrawPointwise(random, p.window);
  DrawEpilogue(random, p);
  return p;
}

TEST(ConvVariantsTest, AgreeWithTheReferenceOnRandomProblems) {
  std::map<std::string_view, int> accepted;
  std::mt19937 random(20240603);
  for (int round = 0; round < 150 && !HasFailure(); ++round) {
    const ConvProblem problem = RandomProblem(random);
    SCOPED_TRACE(problem.ToString());
    ASSERT_TRUE(CheckConv(problem).ok()) << CheckConv(problem).ToString();
    Checker checker(problem, random);
    ForEachSimdTarget([&](const std::string&) {
      for (const std::string_view variant : checker.Run()) ++accepted[variant];
    });
  }
  // A variant that declines everything would pass unseen. Winograd's have a test of their own.
  for (const auto& variant : ConvVariants()) {
    if (variant.info.variant.starts_with("winograd")) continue;
    if (variant.info.device != Device::kCpu) continue;
    EXPECT_GT(accepted[variant.info.variant], 20) << variant.info.variant;
  }
}

// Shapes of real networks and beyond, large enough for several blocks of positions, of input
// channels and of output channels.
TEST(ConvVariantsTest, AgreeWithTheReferenceOnLargerProblems) {
  std::vector<ConvProblem> problems = {
      SquareConv(3, 20, 33, 7, 2),  SquareConv(70, 37, 14, 3, 1), SquareConv(300, 50, 7, 3, 2),
      SquareConv(17, 210, 9, 1, 1), SquareConv(530, 33, 7, 1, 1), SquareConv(64, 70, 15, 1, 2),
  };
  problems[1].has_residual = problems[4].has_residual = true;
  problems[1].activation.kind = Activation::kRelu;
  problems[3].batch = 5;
  ConvProblem wide = SquareConv(5, 6, 1, 1, 1);  // a long signal
  wide.window.in = {1, 1, 3001};
  wide.window.kernel = {1, 1, 25};
  wide.window.strides = {1, 1, 4};
  wide.window.pads_begin = {0, 0, 12};
  wide.window.pads_end = {0, 0, 9};
  wide.window.out = {1, 1, wide.window.FittingOut(2)};
  problems.push_back(wide);
  std::mt19937 random(5);
  for (const ConvProblem& problem : problems) {
    SCOPED_TRACE(problem.ToString());
    ASSERT_TRUE(CheckConv(problem).ok()) << CheckConv(problem).ToString();
    Checker checker(problem, random);
    ForEachSimdTarget([&](const std::string&) { checker.Run(); });
    if (HasFailure()) return;
  }
}

// The kernels and strides that have code of their own.
TEST(ConvVariantsTest, AgreeWithTheReferenceOnDepthwiseProblems) {
  std::mt19937 random(6);
  for (const int64_t kernel : {3, 5}) {
    for (const int64_t stride : {1, 2}) {
      for (const int64_t size : {1, 2, 7, 16, 17, 40, 100}) {
        ConvProblem problem = SquareConv(3, 6, size, kernel, stride);
        problem.groups = 3;
        problem.window.dilations[2] = size == 17 ? 2 : 1;
        problem.window.out[2] = problem.window.FittingOut(2);
        problem.has_bias = size % 2 == 0;
        problem.has_residual = size % 3 == 1;
        problem.activation.kind = size == 7 ? Activation::kSilu : Activation::kRelu;
        SCOPED_TRACE(problem.ToString());
        Checker checker(problem, random);
        ForEachSimdTarget([&](const std::string&) { checker.Run(); });
        if (HasFailure()) return;
      }
    }
  }
}

// What Winograd's variants take, with blocks of several rows of tiles, ragged tiles on both axes,
// uneven padding, and images that blocks span.
TEST(ConvVariantsTest, WinogradAgreesWithTheReference) {
  std::map<std::string_view, int> accepted;
  std::mt19937 random(7);
  for (int round = 0; round < 40 && !HasFailure(); ++round) {
    const bool large = round % 10 == 0;
    ConvProblem p =
        SquareConv(Draw(random, 1, large ? 90 : 20), Draw(random, 1, large ? 90 : 20), 8, 3, 1);
    p.groups = Draw(random, 1, 4) == 1 ? 2 : 1;
    p.in_channels *= p.groups;
    p.out_channels *= p.groups;
    DrawWinogradImages(random, large, p);
    p.has_residual = Draw(random, 0, 1) == 0;
    p.activation.kind = round % 3 == 0 ? Activation::kRelu : Activation::kNone;
    SCOPED_TRACE(p.ToString());
    Checker checker(p, random);
    ForEachSimdTarget([&](const std::string&) {
      for (const std::string_view variant : checker.Run()) ++accepted[variant];
    });
  }
  for (const char* variant : {"winograd2", "winograd4", "winograd6"}) {
    EXPECT_GE(accepted[variant], 40) << variant;
  }
}

// The bound above is far from what happens: the error of random sums, for which it would pass many
// a wrong matrix entry.
TEST(ConvVariantsTest, WinogradErrsLittle) {
  std::mt19937 random(8);
  ConvProblem p = SquareConv(64, 16, 24, 3, 1);
  const ConvOperands operands(p, random);
  SerialFor serial;
  const TestTensor expected = RunConv(*MakeReference(ConvVariants(), p), p, operands, serial);
  p.weights = operands.w.View().data;
  for (const auto& [variant, limit] : std::map<std::string, double>{
           {"winograd2", 1e-6}, {"winograd4", 5e-6}, {"winograd6", 5e-5}}) {
    SelectOptions options;
    options.forced = "conv=" + variant;
    auto selected = SelectKernel(ConvVariants(), p, {1, nullptr}, options);
    ASSERT_TRUE(selected.ok()) << selected.status().ToString();
    ASSERT_EQ(selected->info.variant, variant);
    const TestTensor y = RunConv(*selected->kernel, p, operands, serial);
    double error = 0, size = 0;
    for (size_t i = 0; i < y.Span<float>().size(); ++i) {
      const double want = expected.Span<float>()[i];
      error += std::pow(y.Span<float>()[i] - want, 2);
      size += want * want;
    }
    EXPECT_LT(std::sqrt(error / size), limit) << variant;
    EXPECT_GT(error, 0) << variant;
  }
}

TEST(ConvVariantsTest, WinogradDeclinesWhatIsMoreWorkThatWay) {
  std::mt19937 random(9);
  const std::vector<float> weights(512 * 512 * 9);
  for (const auto& [problem, pays] : {std::pair(SquareConv(64, 64, 56, 3, 1), true),
                                      std::pair(SquareConv(3, 64, 224, 3, 1), false),
                                      std::pair(SquareConv(512, 512, 2, 3, 1), false)}) {
    ConvProblem p = problem;
    p.weights = weights.data();
    const auto selected = SelectKernel(ConvVariants(), p, {1, nullptr}, {});
    ASSERT_TRUE(selected.ok());
    EXPECT_EQ(selected->info.variant.starts_with("winograd"), pays) << p.ToString();
  }
}

TEST(ConvVariantsTest, PackedWeightsAreShared) {
  std::mt19937 random(9);
  ConvProblem problem = SquareConv(16, 16, 8, 3, 1);
  const ConvOperands operands(problem, random);
  problem.weights = operands.w.View().data;
  PackCache packs;
  const auto made = SelectKernel(ConvVariants(), problem, {1, &packs}, {});
  ASSERT_TRUE(made.ok());
  const size_t once = packs.TotalBytes();
  EXPECT_GT(once, 0u);
  problem.window.in = problem.window.out = {1, 8, 5};  // another shape, the same weights
  problem.batch = 2;
  const auto twin = SelectKernel(ConvVariants(), problem, {1, &packs}, {});
  ASSERT_TRUE(twin.ok());
  EXPECT_EQ(packs.TotalBytes(), once);
}

}  // namespace
}  // namespace ergo
