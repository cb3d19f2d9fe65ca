// Every variant of the list against the reference, on every SIMD target.
#include <gtest/gtest.h>

#include "kernels/pool/pool.h"
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

PoolProblem RandomProblem(std::mt19937& random) {
  PoolProblem problem;
  problem.kind = Draw(random, 0, 1) == 0 ? PoolKind::kMax : PoolKind::kAverage;
  problem.planes = Draw(random, 1, 5);
  if (problem.kind == PoolKind::kMax && Draw(random, 0, 2) == 0) {
    problem.dtype = Draw(random, 0, 1) == 0 ? DType::kU8 : DType::kI8;
  }
  if (Draw(random, 0, 5) == 0) {  // global
    const int64_t elements = Draw(random, 1, 150);
    problem.window.in = problem.window.kernel = {1, 1, elements};
    return problem;
  }
  problem.window = testing::RandomWindow(random);
  // ceil_mode: windows may end beyond the padding.
  if (Draw(random, 0, 3) == 0) ++problem.window.out[2];
  problem.count_include_pad = problem.kind == PoolKind::kAverage && Draw(random, 0, 1) == 0;
  return problem;
}

TestTensor RunPool(const Kernel& kernel, const PoolProblem& problem, const TestTensor& x,
                   ParallelFor& parallel) {
  TestTensor y(problem.dtype, Shape{problem.planes * problem.window.OutElements()});
  RunKernel(kernel, {x.View()}, {y.View()}, parallel);
  EXPECT_TRUE(y.GuardIntact());
  return y;
}

TestTensor RandomInput(const PoolProblem& problem, std::mt19937& random) {
  TestTensor x(problem.dtype, Shape{problem.planes * problem.window.InElements()});
  const bool bytes = problem.dtype != DType::kF32;
  const double low = bytes ? (problem.dtype == DType::kU8 ? 0 : -128) : -1;
  x.FillUniform(random, low, bytes ? low + 255 : 1);
  return x;
}

bool SameBytes(const TestTensor& a, const TestTensor& b) {
  return std::memcmp(a.View().data, b.View().data, static_cast<size_t>(a.View().Bytes())) == 0;
}

// Runs the variant with one and with several workers. False when it declined.
bool CheckVariant(const KernelVariant<PoolProblem>& variant, const PoolProblem& problem,
                  const TestTensor& x, const TestTensor& expected) {
  MadeKernel made = variant.make(problem, {kMaxWorkers, nullptr});
  if (!made.ok()) {
    EXPECT_EQ(made.status().code(), StatusCode::kUnsupported) << made.status().ToString();
    return false;
  }
  SerialFor serial;
  ThreadedFor threads(kMaxWorkers);
  const TestTensor one = RunPool(**made, problem, x, serial);
  const TestTensor several = RunPool(**made, problem, x, threads);
  EXPECT_TRUE(SameBytes(one, several));
  if (problem.dtype != DType::kF32) {
    EXPECT_TRUE(SameBytes(one, expected));
    return true;
  }
  const auto want = expected.Span<float>(), got = one.Span<float>();
  // Averages of magnitudes up to 1.
  const double bound = PoolErrorBound(problem, 1.0);
  for (size_t i = 0; i < want.size(); ++i) {
    if (want[i] == got[i]) continue;  // infinities too
    EXPECT_NEAR(want[i], got[i], bound) << i;
    if (::testing::Test::HasFailure()) break;
  }
  return true;
}

TEST(PoolVariantsTest, AgreeWithTheReference) {
  std::map<std::string_view, int> accepted;
  ForEachSimdTarget([&](const std::string&) {
    std::mt19937 random(20240602);
    for (int round = 0; round < 400 && !HasFailure(); ++round) {
      const PoolProblem problem = RandomProblem(random);
      SCOPED_TRACE(problem.ToString());
      ASSERT_TRUE(CheckPool(problem).ok());
      const TestTensor x = RandomInput(problem, random);
      SerialFor serial;
      const TestTensor expected =
          RunPool(*MakeReference(PoolVariants(), problem), problem, x, serial);
      for (const auto& variant : PoolVariants()) {
        SCOPED_TRACE(variant.info.variant);
        if (CheckVariant(variant, problem, x, expected)) ++accepted[variant.info.variant];
      }
    }
  });
  // A variant that declines everything would pass unseen.
  for (const auto& variant : PoolVariants()) {
    if (variant.info.device != Device::kCpu) continue;
    EXPECT_GT(accepted[variant.info.variant], 20);
  }
}

// Rows longer than the buffer of one, so that they are computed in several pieces.
TEST(PoolVariantsTest, LongRows) {
  std::mt19937 random(3);
  for (const int64_t stride : {1, 2, 3}) {
    PoolProblem problem;
    problem.kind = stride == 2 ? PoolKind::kAverage : PoolKind::kMax;
    problem.planes = 2;
    problem.window.in = {1, 3, 7001};
    problem.window.kernel = {1, 2, 5};
    problem.window.strides = {1, 1, stride};
    problem.window.dilations = {1, 1, 2};
    problem.window.pads_begin = {0, 1, 3};
    problem.window.pads_end = {0, 0, 4};
    problem.window.out = {1, problem.window.FittingOut(1), problem.window.FittingOut(2)};
    SCOPED_TRACE(problem.ToString());
    TestTensor x(DType::kF32, Shape{problem.planes * problem.window.InElements()});
    x.FillUniform(random, -1, 1);
    SerialFor serial;
    const TestTensor expected =
        RunPool(*MakeReference(PoolVariants(), problem), problem, x, serial);
    for (const auto& variant : PoolVariants()) {
      SCOPED_TRACE(variant.info.variant);
      CheckVariant(variant, problem, x, expected);
    }
  }
}

}  // namespace
}  // namespace ergo
