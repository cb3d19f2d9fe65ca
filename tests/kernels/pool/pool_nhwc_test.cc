// Every variant of pooling with channels innermost against the reference of the one with planes,
// its operands and results permuted, on every SIMD target.
#include "kernels/pool/pool_nhwc.h"

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
using ::ergo::testing::Swapped;
using ::ergo::testing::TestTensor;
using ::ergo::testing::ThreadedFor;

constexpr int kMaxWorkers = 3;

NhwcPoolProblem RandomProblem(std::mt19937& random) {
  NhwcPoolProblem problem;
  problem.channels = Draw(random, 1, 90);
  PoolProblem& p = problem.pool;
  p.kind = Draw(random, 0, 1) == 0 ? PoolKind::kMax : PoolKind::kAverage;
  p.planes = problem.channels * Draw(random, 1, 2);
  p.window = testing::RandomWindow(random);
  Window& w = p.window;
  w.in[0] = w.out[0] = w.kernel[0] = w.strides[0] = w.dilations[0] = 1;
  w.pads_begin[0] = w.pads_end[0] = 0;
  // ceil_mode: windows may end beyond the padding.
  if (Draw(random, 0, 3) == 0) ++w.out[2];
  p.count_include_pad = p.kind == PoolKind::kAverage && Draw(random, 0, 1) == 0;
  return problem;
}

TEST(NhwcPoolTest, AgreesWithPlanes) {
  std::map<std::string_view, int> accepted;
  std::mt19937 random(20241125);
  for (int round = 0; round < 150 && !HasFailure(); ++round) {
    const NhwcPoolProblem problem = RandomProblem(random);
    const PoolProblem& p = problem.pool;
    SCOPED_TRACE(problem.ToString());
    const int64_t images = problem.Images(), in = p.window.InElements(),
                  out = p.window.OutElements();
    TestTensor x(DType::kF32, Shape{p.planes * in}), y(DType::kF32, Shape{p.planes * out});
    x.FillUniform(random, -1, 1);
    SerialFor serial;
    ThreadedFor threads(kMaxWorkers);
    RunKernel(*MakeReference(PoolVariants(), p), {x.View()}, {y.View()}, serial);
    const TestTensor want = Swapped(y, images, problem.channels, out);
    const TestTensor innermost = Swapped(x, images, problem.channels, in);
    ForEachSimdTarget([&](const std::string&) {
      for (const auto& variant : NhwcPoolVariants()) {
        SCOPED_TRACE(variant.info.variant);
        const MadeKernel made = variant.make(problem, {kMaxWorkers, nullptr});
        ASSERT_TRUE(made.ok()) << made.status().ToString();
        ++accepted[variant.info.variant];
        for (ParallelFor* parallel : std::initializer_list<ParallelFor*>{&serial, &threads}) {
          TestTensor got(DType::kF32, Shape{p.planes * out});
          RunKernel(**made, {innermost.View()}, {got.View()}, *parallel);
          EXPECT_TRUE(got.GuardIntact());
          for (size_t i = 0; i < want.Span<float>().size(); ++i) {
            if (want.Span<float>()[i] == got.Span<float>()[i]) continue;  // infinities too
            ASSERT_NEAR(want.Span<float>()[i], got.Span<float>()[i], PoolErrorBound(p, 1.0)) << i;
          }
        }
      }
    });
  }
  for (const auto& variant : NhwcPoolVariants()) EXPECT_GE(accepted[variant.info.variant], 150);
}

TEST(NhwcPoolTest, RefusesWhatItDoesNotCompute) {
  NhwcPoolProblem problem;
  problem.channels = 4;
  problem.pool.planes = 8;
  EXPECT_TRUE(CheckNhwcPool(problem).ok());
  problem.pool.kind = PoolKind::kLp;
  EXPECT_EQ(CheckNhwcPool(problem).code(), StatusCode::kUnsupported);
  problem.pool.kind = PoolKind::kMax;
  problem.channels = 3;
  EXPECT_EQ(CheckNhwcPool(problem).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ergo
