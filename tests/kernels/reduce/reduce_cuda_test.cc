// Reductions on the emulated GPU against the reference.
#include <gtest/gtest.h>

#include "kernels/reduce/reduce.h"
#include "kernels/reduce/reduce_plan.h"
#include "tests/emulator/cuda_testing.h"

namespace ergo {
namespace {

using namespace ergo::testing;

constexpr ReduceOp kOps[] = {ReduceOp::kSum,    ReduceOp::kMean,      ReduceOp::kMax,
                             ReduceOp::kMin,    ReduceOp::kL1,        ReduceOp::kL2,
                             ReduceOp::kLogSum, ReduceOp::kLogSumExp, ReduceOp::kSumSquare};

void CheckReduction(CudaBench& bench, const ReduceProblem& problem, std::mt19937& random) {
  SCOPED_TRACE(fmt::format("{} of {} {} axes {:#x}", ReduceOpName(problem.op),
                           DTypeName(problem.dtype), problem.input.ToString(), problem.axes));
  const ReducePlan plan = PlanReduce(problem.input, problem.axes);
  const auto kernel = bench.Make(ReduceVariants(), problem);
  ASSERT_TRUE(kernel);
  TestTensor x(problem.dtype, problem.input);
  x.FillUniform(random, problem.op == ReduceOp::kLogSum ? 0.5 : -2, 2);
  TestTensor got(problem.dtype, {plan.kept.count}), expected(problem.dtype, {plan.kept.count});
  bench.Run(*kernel, {x.View()}, {got.View()});
  RunReference(ReduceVariants(), problem, {x.View()}, {expected.View()});
  EXPECT_TRUE(got.GuardIntact());
  for (int64_t i = 0; i < plan.kept.count; ++i) {
    if (problem.dtype != DType::kF32) {
      // Sums that cancel lose digits before they are rounded.
      if (problem.op != ReduceOp::kSum && problem.op != ReduceOp::kMean) {
        ASSERT_LE(ErrorUlps(got, expected, i), 1) << i;
      }
      continue;
    }
    const auto exact = static_cast<double>(expected.Span<float>()[static_cast<size_t>(i)]);
    const auto y = static_cast<double>(got.Span<float>()[static_cast<size_t>(i)]);
    if (ErrorUlps(got, expected, i) == 0) continue;
    const auto magnitude = 2 * static_cast<double>(plan.reduced.count);
    const double sum = problem.op == ReduceOp::kLogSum ? std::exp(exact) : exact;
    ASSERT_LE(std::fabs(y - exact),
              4 * ReduceErrorBound(problem.op, plan.reduced.count, exact, sum, 2 * magnitude))
        << i << ": " << y << " and " << exact;
  }
}

TEST(ReduceCudaTest, AnyAxes) {
  CudaBench bench;
  for (uint32_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937 random(seed);
    const auto draw = [&](int low, int high) {
      return std::uniform_int_distribution<int>(low, high)(random);
    };
    ReduceProblem problem;
    problem.op = kOps[draw(0, 8)];
    constexpr DType kTypes[] = {DType::kF32, DType::kF32, DType::kF16, DType::kBF16};
    problem.dtype = kTypes[draw(0, 3)];
    const int rank = draw(0, 4);
    for (int axis = 0; axis < rank; ++axis) {
      problem.input.Append(draw(0, 12) == 0 ? 0 : draw(1, axis == rank - 1 ? 40 : 6));
    }
    problem.axes = static_cast<uint32_t>(draw(0, (1 << rank) - 1));
    CheckReduction(bench, problem, random);
  }
}

TEST(ReduceCudaTest, RowsOfBlocksAndColumnsOfThreads) {
  CudaBench bench;
  std::mt19937 random(7);
  for (const ReduceOp op : kOps) {
    CheckReduction(bench, {op, DType::kF32, {2, 5000}, 2}, random);
    CheckReduction(bench, {op, DType::kF32, {300, 70}, 1}, random);
    CheckReduction(bench, {op, DType::kF32, {3, 100}, 2}, random);
  }
}

TEST(ReduceCudaTest, IndicesOfTheLargestAndSmallest) {
  CudaBench bench;
  for (uint32_t seed = 1; seed <= 80; ++seed) {
    std::mt19937 random(seed);
    const auto draw = [&](int low, int high) {
      return std::uniform_int_distribution<int>(low, high)(random);
    };
    ArgReduceProblem problem;
    problem.input = {draw(1, 4), draw(1, 90), draw(1, 3)};
    problem.axis = draw(0, 2);
    problem.largest = draw(0, 1) == 1;
    problem.last = draw(0, 1) == 1;
    TestTensor x(DType::kF32, problem.input);
    x.FillUniform(random, -3, 3);
    for (float& value : x.Span<float>()) value = draw(0, 200) == 0 ? NAN : std::round(value);
    const int64_t lines = problem.input.Elements() / problem.input[problem.axis];
    TestTensor got(DType::kI64, {lines}), expected(DType::kI64, {lines});
    const auto kernel = bench.Make(ArgReduceVariants(), problem);
    ASSERT_TRUE(kernel);
    bench.Run(*kernel, {x.View()}, {got.View()});
    RunReference(ArgReduceVariants(), problem, {x.View()}, {expected.View()});
    for (int64_t i = 0; i < lines; ++i)
      ASSERT_EQ(ErrorUlps(got, expected, i), 0) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ergo
