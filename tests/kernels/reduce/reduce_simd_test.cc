// The SIMD variant against the reference in double precision, on every target that this machine can
// run.
#include <gtest/gtest.h>

#include "kernels/reduce/reduce.h"
#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using testing::ForEachSimdTarget;
using testing::MakeReference;
using testing::RunKernel;
using testing::TestTensor;
using testing::ThreadedFor;

constexpr ReduceOp kOps[] = {ReduceOp::kSum,    ReduceOp::kMean,      ReduceOp::kMax,
                             ReduceOp::kMin,    ReduceOp::kL1,        ReduceOp::kL2,
                             ReduceOp::kLogSum, ReduceOp::kLogSumExp, ReduceOp::kSumSquare};

int64_t OutputCount(const ReduceProblem& problem) {
  int64_t count = 1;
  for (int axis = 0; axis < problem.input.Rank(); ++axis) {
    if ((problem.axes >> axis & 1) == 0) count *= problem.input[axis];
  }
  return count;
}

// The reference's answer in double for float operands.
std::vector<double> Exact(ReduceProblem problem, const TestTensor& x) {
  problem.dtype = DType::kF64;
  const TestTensor wide(DType::kF64, x.GetShape()), y(DType::kF64, {OutputCount(problem)});
  std::copy(x.Span<float>().begin(), x.Span<float>().end(), wide.Span<double>().begin());
  SerialFor serial;
  RunKernel(*MakeReference(ReduceVariants(), problem), {wide.View()}, {y.View()}, serial);
  return {y.Span<double>().begin(), y.Span<double>().end()};
}

ReduceOp MagnitudeOp(ReduceOp op) {
  return op == ReduceOp::kL2 || op == ReduceOp::kSumSquare ? ReduceOp::kSumSquare : ReduceOp::kL1;
}

// False where the variant declines.
bool Compare(const ReduceProblem& problem, std::mt19937& random) {
  SCOPED_TRACE(fmt::format("{} of {}, axes {:#x}", ReduceOpName(problem.op),
                           problem.input.ToString(), problem.axes));
  const MadeKernel made = MakeReduceSimd(problem, MakeContext{});
  if (!made.ok()) {
    EXPECT_EQ(made.status().code(), StatusCode::kUnsupported);
    return false;
  }
  TestTensor x(DType::kF32, problem.input);
  x.FillUniform(random, problem.op == ReduceOp::kLogSum ? 0.1 : -3, 3);
  const int64_t outputs = OutputCount(problem);
  const TestTensor y(DType::kF32, {outputs});
  ThreadedFor threads(2);
  RunKernel(**made, {x.View()}, {y.View()}, threads);
  EXPECT_TRUE(y.GuardIntact());

  const std::vector<double> exact = Exact(problem, x);
  const auto of = [&](ReduceOp op) {
    ReduceProblem other = problem;
    other.op = op;
    return Exact(other, x);
  };
  const std::vector<double> sums = of(ReduceOp::kSum), magnitudes = of(MagnitudeOp(problem.op));
  const int64_t count = outputs == 0 ? 0 : problem.input.Elements() / outputs;
  for (size_t i = 0; i < exact.size(); ++i) {
    const auto got = static_cast<double>(y.Span<float>()[i]);
    if (!std::isfinite(exact[i])) {
      EXPECT_TRUE(got == exact[i] || (std::isnan(got) && std::isnan(exact[i]))) << got;
      continue;
    }
    EXPECT_NEAR(got, exact[i],
                ReduceErrorBound(problem.op, count, exact[i], sums[i], magnitudes[i]))
        << i;
  }
  return true;
}

TEST(ReduceSimdTest, AgreesWithTheReferenceForChosenShapes) {
  const std::pair<Shape, uint32_t> cases[] = {
      {{7}, 1},          {{1000}, 1},      {{10007}, 1},     {{3, 50}, 2},     {{50, 3}, 1},
      {{3000, 70}, 1},   {{2, 9, 131}, 2}, {{2, 9, 131}, 5}, {{2, 9, 131}, 1}, {{4, 3, 5, 6}, 10},
      {{4, 3, 5, 6}, 5}, {{400, 300}, 2},  {{40, 5000}, 1},  {{6, 5}, 0},      {{}, 0},
      {{3, 0}, 2},       {{0, 3}, 1},      {{0, 3}, 2},      {{3, 0}, 1},      {{2500, 1, 17}, 3},
  };
  ForEachSimdTarget([&](const std::string&) {
    std::mt19937 random(21);
    for (const ReduceOp op : kOps) {
      for (const auto& [shape, axes] : cases) {
        const bool ran = Compare({op, DType::kF32, shape, axes}, random);
        EXPECT_TRUE(ran || op == ReduceOp::kLogSumExp);
      }
    }
  });
}

TEST(ReduceSimdTest, AgreesWithTheReferenceForRandomShapes) {
  ForEachSimdTarget([&](const std::string&) {
    std::mt19937 random(22);
    for (int round = 0; round < 200; ++round) {
      Shape shape;
      const int rank = static_cast<int>(random() % 5);
      for (int axis = 0; axis < rank; ++axis) shape.Append(1 + random() % 20);
      const uint32_t axes = static_cast<uint32_t>(random()) & ((1u << rank) - 1);
      Compare({kOps[random() % std::size(kOps)], DType::kF32, shape, axes}, random);
    }
  });
}

TEST(ReduceSimdTest, FindsNaNWhereverItStands) {
  ForEachSimdTarget([](const std::string&) {
    for (const ReduceOp op : {ReduceOp::kMax, ReduceOp::kMin, ReduceOp::kSum}) {
      for (size_t at = 0; at < 75; ++at) {
        for (const uint32_t axes : {1u, 2u, 3u}) {
          const ReduceProblem problem{op, DType::kF32, {3, 25}, axes};
          const TestTensor x(DType::kF32, {3, 25});
          std::ranges::fill(x.Span<float>(), 1.0f);
          x.Span<float>()[at] = NAN;
          const TestTensor y(DType::kF32, {OutputCount(problem)});
          SerialFor serial;
          RunKernel(**MakeReduceSimd(problem, MakeContext{}), {x.View()}, {y.View()}, serial);
          const size_t hit = axes == 3 ? 0 : axes == 1 ? at % 25 : at / 25;
          for (size_t i = 0; i < y.Span<float>().size(); ++i) {
            ASSERT_EQ(std::isnan(y.Span<float>()[i]), i == hit)
                << ReduceOpName(op) << " axes " << axes << " at " << at;
          }
        }
      }
    }
  });
}

TEST(ReduceSimdTest, RefusesAxesThatAreNotThere) {
  EXPECT_EQ(MakeReduceSimd(ReduceProblem{ReduceOp::kSum, DType::kF32, {3}, 2}, MakeContext{})
                .status()
                .code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ergo
