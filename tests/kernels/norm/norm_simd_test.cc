// The SIMD variants against the reference in double precision, on every target that this machine
// can run.
#include <gtest/gtest.h>

#include "kernels/norm/norm.h"
#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using testing::ForEachSimdTarget;
using testing::MakeReference;
using testing::RunKernel;
using testing::TestTensor;
using testing::ThreadedFor;

constexpr int kWorkers = 2;

template <typename Problem>
std::unique_ptr<Kernel> MakeSimd(const Problem& problem) {
  MakeContext context;
  context.max_workers = kWorkers;
  MadeKernel made = MakeNormSimd(problem, context);
  EXPECT_TRUE(made.ok()) << made.status().ToString();
  return made.ok() ? std::move(made).value() : nullptr;
}

TestTensor Widened(const TestTensor& x) {
  TestTensor wide(DType::kF64, x.GetShape());
  std::copy(x.Span<float>().begin(), x.Span<float>().end(), wide.Span<double>().begin());
  return wide;
}

TestTensor Uniform(int64_t count, std::mt19937& random, double low = -3, double high = 3) {
  TestTensor x(DType::kF32, {count});
  x.FillUniform(random, low, high);
  return x;
}

// Runs the SIMD variant, apart and in place, and hands both results to `check`.
template <typename Problem, typename Check>
void RunBothWays(const Problem& problem, const TestTensor& x, std::vector<TensorView> parameters,
                 const Check& check) {
  const auto kernel = MakeSimd(problem);
  ThreadedFor threads(kWorkers);
  std::vector<TensorView> inputs = {x.View()};
  inputs.insert(inputs.end(), parameters.begin(), parameters.end());
  const TestTensor y(DType::kF32, x.GetShape());
  RunKernel(*kernel, inputs, {y.View()}, threads);
  EXPECT_TRUE(y.GuardIntact());
  check(y.Span<float>());
  ASSERT_TRUE(kernel->MayRunInPlace(0));
  const TestTensor in_place = x.Copy();
  inputs[0] = in_place.View();
  SerialFor serial;
  RunKernel(*kernel, inputs, {in_place.View()}, serial);
  EXPECT_TRUE(in_place.GuardIntact());
  EXPECT_EQ(std::memcmp(in_place.Span<float>().data(), y.Span<float>().data(),
                        static_cast<size_t>(y.View().Bytes())),
            0);
}

void CompareSoftmax(SoftmaxProblem problem, std::mt19937& random) {
  SCOPED_TRACE(fmt::format("{} [{}, {}, {}]", SoftmaxOpName(problem.op), problem.outer,
                           problem.length, problem.inner));
  const int64_t count = problem.outer * problem.length * problem.inner;
  const TestTensor x = Uniform(count, random, -20, 20);
  const TestTensor wide = Widened(x);
  problem.dtype = DType::kF64;
  SerialFor serial;
  RunKernel(*MakeReference(SoftmaxVariants(), problem), {wide.View()}, {wide.View()}, serial);
  problem.dtype = DType::kF32;
  RunBothWays(problem, x, {}, [&](std::span<const float> y) {
    for (size_t i = 0; i < y.size(); ++i) {
      const double exact = wide.Span<double>()[i];
      ASSERT_NEAR(static_cast<double>(y[i]), exact, SoftmaxErrorBound(problem, exact)) << i;
    }
  });
}

TEST(SoftmaxSimdTest, AgreesWithTheReference) {
  ForEachSimdTarget([](const std::string&) {
    std::mt19937 random(3);
    for (const SoftmaxOp op : {SoftmaxOp::kSoftmax, SoftmaxOp::kLogSoftmax}) {
      // Rows, long and short; lines side by side; both with remainders; nothing.
      for (const int64_t length : {1, 2, 7, 23, 24, 31, 64, 1000, 9001}) {
        CompareSoftmax({op, DType::kF32, 5, length, 1}, random);
      }
      CompareSoftmax({op, DType::kF32, 4420, 2, 1}, random);
      CompareSoftmax({op, DType::kF32, 2, 5, 37}, random);
      CompareSoftmax({op, DType::kF32, 3, 40, 16}, random);
      CompareSoftmax({op, DType::kF32, 7, 30, 3}, random);
      CompareSoftmax({op, DType::kF32, 0, 3, 1}, random);
      CompareSoftmax({op, DType::kF32, 2, 0, 1}, random);
      CompareSoftmax({op, DType::kF32, 200, 100, 1}, random);
    }
  });
}

TEST(SoftmaxSimdTest, HandlesSpecialValues) {
  ForEachSimdTarget([](const std::string&) {
    for (const int64_t length : {3, 40}) {
      const SoftmaxProblem problem{SoftmaxOp::kSoftmax, DType::kF32, 4, length, 1};
      const TestTensor x(DType::kF32, {4 * length});
      const auto row = [&](int64_t i) {
        return x.Span<float>().subspan(static_cast<size_t>(i * length),
                                       static_cast<size_t>(length));
      };
      std::ranges::fill(x.Span<float>(), -INFINITY);
      row(0)[1] = 1;                     // masked but for one
      std::ranges::fill(row(1), 3e38f);  // far beyond exp's range
      row(2)[0] = NAN;                   // NaN spoils its row, and no other
      row(3)[0] = row(3)[2] = 5;
      SerialFor serial;
      RunKernel(*MakeSimd(problem), {x.View()}, {x.View()}, serial);
      EXPECT_EQ(row(0)[1], 1);
      EXPECT_EQ(row(0)[0], 0);
      EXPECT_FLOAT_EQ(row(1)[2], 1.0f / static_cast<float>(length));
      for (const float value : row(2)) EXPECT_TRUE(std::isnan(value));
      EXPECT_EQ(row(3)[0], 0.5f);
      EXPECT_EQ(row(3)[1], 0);
    }
  });
}

void CompareBatchNorm(const BatchNormProblem& problem, std::mt19937& random) {
  SCOPED_TRACE(fmt::format("[{}, {}, {}]", problem.batch, problem.channels, problem.spatial));
  const TestTensor x = Uniform(problem.batch * problem.channels * problem.spatial, random);
  const TestTensor scale = Uniform(problem.channels, random);
  const TestTensor bias = Uniform(problem.channels, random);
  const TestTensor mean = Uniform(problem.channels, random);
  const TestTensor variance = Uniform(problem.channels, random, 0, 2);
  RunBothWays(problem, x, {scale.View(), bias.View(), mean.View(), variance.View()},
              [&](std::span<const float> y) {
                for (size_t i = 0; i < y.size(); ++i) {
                  const size_t c = i / static_cast<size_t>(problem.spatial) %
                                   static_cast<size_t>(problem.channels);
                  const double deviation = double{x.Span<float>()[i]} - mean.Span<float>()[c];
                  const double inv_std =
                      1 / std::sqrt(double{variance.Span<float>()[c]} + double{problem.epsilon});
                  const double factor = scale.Span<float>()[c];
                  const double shift = bias.Span<float>()[c];
                  ASSERT_NEAR(double{y[i]}, deviation * inv_std * factor + shift,
                              AffineErrorBound(deviation, inv_std, factor, shift));
                }
              });
}

TEST(BatchNormSimdTest, AgreesWithTheFormula) {
  ForEachSimdTarget([](const std::string&) {
    std::mt19937 random(4);
    CompareBatchNorm({DType::kF32, 2, 3, 49, 1e-5f}, random);
    CompareBatchNorm({DType::kF32, 3, 67, 1, 1e-3f}, random);
    CompareBatchNorm({DType::kF32, 1, 1, 1, 1e-3f}, random);
    CompareBatchNorm({DType::kF32, 2, 5, 3000, 1e-5f}, random);
    CompareBatchNorm({DType::kF32, 0, 5, 3, 1e-5f}, random);
  });
}

// What the double-precision reference gives.
template <typename Problem>
std::vector<TestTensor> Exact(std::span<const KernelVariant<Problem>> variants, Problem problem,
                              std::vector<const TestTensor*> operands, int64_t rows) {
  std::vector<TestTensor> wide, results;
  std::vector<TensorView> inputs;
  for (const TestTensor* operand : operands) {
    if (operand == nullptr) {
      inputs.emplace_back();
      continue;
    }
    wide.push_back(Widened(*operand));
    inputs.push_back(wide.back().View());
  }
  problem.dtype = DType::kF64;
  results.emplace_back(DType::kF64, operands[0]->GetShape());
  results.emplace_back(DType::kF32, Shape{rows});
  results.emplace_back(DType::kF32, Shape{rows});
  SerialFor serial;
  RunKernel(*MakeReference(variants, problem), inputs,
            {results[0].View(), results[1].View(), results[2].View()}, serial);
  return results;
}

void CompareLayerNorm(const LayerNormProblem& problem, bool scaled, bool biased,
                      std::mt19937& random) {
  SCOPED_TRACE(fmt::format("[{}, {}] rms {} scale {} bias {}", problem.rows, problem.length,
                           problem.rms, scaled, biased));
  const TestTensor x = Uniform(problem.rows * problem.length, random, -1, 5);  // the bound's 5
  const TestTensor scale = Uniform(problem.length, random);
  const TestTensor bias = Uniform(problem.length, random);
  const std::vector<TestTensor> exact =
      Exact(LayerNormVariants(), problem, {&x, scaled ? &scale : nullptr, biased ? &bias : nullptr},
            problem.rows);
  RunBothWays(problem, x,
              {scaled ? TensorView(scale.View()) : TensorView(),
               biased ? TensorView(bias.View()) : TensorView()},
              [&](std::span<const float> y) {
                for (size_t i = 0; i < y.size(); ++i) {
                  const auto row = static_cast<int64_t>(i) / problem.length;
                  const size_t column = i % static_cast<size_t>(problem.length);
                  const double bound = RowNormErrorBound(
                      problem.length, 5, exact[2].Span<float>()[static_cast<size_t>(row)],
                      scaled ? scale.Span<float>()[column] : 1,
                      biased ? bias.Span<float>()[column] : 0);
                  ASSERT_NEAR(double{y[i]}, exact[0].Span<double>()[i], bound) << i;
                }
              });
}

TEST(LayerNormSimdTest, AgreesWithTheReference) {
  ForEachSimdTarget([](const std::string&) {
    std::mt19937 random(5);
    for (const bool rms : {false, true}) {
      for (const int64_t length : {1, 5, 32, 100, 769, 10000}) {
        CompareLayerNorm({DType::kF32, 3, length, 1e-5f, rms}, true, !rms, random);
      }
      CompareLayerNorm({DType::kF32, 40, 48, 1e-3f, rms}, false, false, random);
      CompareLayerNorm({DType::kF32, 300, 64, 1e-3f, rms}, true, false, random);
      CompareLayerNorm({DType::kF32, 0, 64, 1e-3f, rms}, true, false, random);
    }
  });
}

TEST(LayerNormSimdTest, GivesMeansAndInverseDeviations) {
  std::mt19937 random(6);
  const LayerNormProblem problem{DType::kF32, 3, 50, 1e-2f, false};
  const TestTensor x = Uniform(150, random), y(DType::kF32, {150});
  const TestTensor mean(DType::kF32, {3}), inv_std(DType::kF32, {3});
  const std::vector<TestTensor> exact = Exact(LayerNormVariants(), problem, {&x}, 3);
  SerialFor serial;
  RunKernel(*MakeSimd(problem), {x.View(), {}, {}}, {y.View(), mean.View(), inv_std.View()},
            serial);
  for (size_t row = 0; row < 3; ++row) {
    EXPECT_NEAR(mean.Span<float>()[row], exact[1].Span<float>()[row], 1e-6f);
    EXPECT_NEAR(inv_std.Span<float>()[row], exact[2].Span<float>()[row], 1e-6f);
  }
}

void CompareGroupNorm(const GroupNormProblem& problem, std::mt19937& random) {
  const int64_t length = problem.channels_per_group * problem.spatial;
  const int64_t rows = problem.batch * problem.groups;
  const int64_t parameters =
      problem.groups * (problem.params_per_group ? 1 : problem.channels_per_group);
  const TestTensor x = Uniform(rows * length, random);
  const TestTensor scale = Uniform(parameters, random), bias = Uniform(parameters, random);
  const std::vector<TestTensor> exact =
      Exact(GroupNormVariants(), problem, {&x, &scale, &bias}, rows);
  RunBothWays(problem, x, {scale.View(), bias.View()}, [&](std::span<const float> y) {
    for (size_t i = 0; i < y.size(); ++i) {
      // Rows of uniform numbers in [-3, 3] deviate by about 1.7; few elements may deviate less.
      const double bound = RowNormErrorBound(length, 3, 4, 3, 3);
      ASSERT_NEAR(double{y[i]}, exact[0].Span<double>()[i], bound) << i;
    }
  });
}

TEST(GroupNormSimdTest, AgreesWithTheReference) {
  ForEachSimdTarget([](const std::string&) {
    std::mt19937 random(7);
    CompareGroupNorm({DType::kF32, 2, 3, 2, 35, 1e-5f, false}, random);
    CompareGroupNorm({DType::kF32, 2, 3, 2, 35, 1e-5f, true}, random);
    CompareGroupNorm({DType::kF32, 3, 8, 1, 100, 1e-5f, false}, random);
    CompareGroupNorm({DType::kF32, 1, 2, 4, 5000, 1e-5f, false}, random);
  });
}

}  // namespace
}  // namespace ergo
