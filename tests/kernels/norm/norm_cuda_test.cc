// norm on the emulated GPU against the reference, whose own rounding is allowed for.
#include <gtest/gtest.h>

#include "kernels/norm/norm.h"
#include "tests/emulator/cuda_testing.h"

namespace ergo {
namespace {

using namespace ergo::testing;

constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kBF16};
// Of warps' rows and of blocks', around their limits.
constexpr int64_t kLengths[] = {0, 1, 2, 31, 33, 768, 1024, 1025, 2600};

TestTensor Random(DType dtype, int64_t count, std::mt19937& random) {
  TestTensor x(dtype, {count});
  x.FillUniform(random, -4, 4);
  return x;
}

double UlpOf(DType dtype) {
  return dtype == DType::kF32 ? 0x1p-23 : dtype == DType::kF16 ? 0x1p-10 : 0x1p-7;
}

template <typename Problem>
void Check(CudaBench& bench, std::span<const KernelVariant<Problem>> variants,
           const Problem& problem, const std::vector<TensorView>& inputs, int64_t count,
           double tolerance) {
  const auto kernel = bench.Make(variants, problem);
  ASSERT_TRUE(kernel);
  TestTensor got(problem.dtype, {count}), expected(problem.dtype, {count});
  bench.Run(*kernel, inputs, {got.View()});
  RunReference(variants, problem, inputs, {expected.View()});
  EXPECT_TRUE(got.GuardIntact());
  VisitDType(problem.dtype, [&]<typename T>(TypeTag<T>) {
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      const double y = ToDouble(got.Span<T>()[i]), exact = ToDouble(expected.Span<T>()[i]);
      if (std::isnan(y) && std::isnan(exact)) continue;
      EXPECT_NEAR(y, exact, tolerance * std::fabs(exact) + tolerance) << i;
      if (::testing::Test::HasFailure()) return 0;
    }
    return 0;
  });
}

TEST(NormCudaTest, LinesOfEveryKind) {
  CudaBench bench;
  std::mt19937 random(1);
  for (const DType dtype : kTypes) {
    for (const int64_t length : kLengths) {
      for (const int64_t inner : {1, 3}) {
        const int64_t count = 5 * length * inner;
        const TestTensor x = Random(dtype, count, random);
        const double tolerance = 16 * 0x1p-24 + UlpOf(dtype);
        SCOPED_TRACE(fmt::format("{} length {} inner {}", DTypeName(dtype), length, inner));
        for (const SoftmaxOp op :
             {SoftmaxOp::kSoftmax, SoftmaxOp::kLogSoftmax, SoftmaxOp::kHardmax}) {
          Check(bench, SoftmaxVariants(), SoftmaxProblem{op, dtype, 5, length, inner}, {x.View()},
                count, op == SoftmaxOp::kHardmax ? 0 : 4 * tolerance);
        }
        for (const int p : {1, 2}) {
          Check(bench, LpNormVariants(), LpNormProblem{dtype, 5, length, inner, p}, {x.View()},
                count, tolerance);
        }
      }
    }
  }
}

TEST(NormCudaTest, SoftmaxOfInfinitiesAndNan) {
  CudaBench bench;
  TestTensor x(DType::kF32, {3 * 40});
  std::ranges::fill(x.Span<float>(), -HUGE_VALF);
  x.Span<float>()[45] = NAN;
  x.Span<float>()[85] = 1;
  Check(bench, SoftmaxVariants(), SoftmaxProblem{SoftmaxOp::kSoftmax, DType::kF32, 3, 40, 1},
        {x.View()}, 120, 0);
}

TEST(NormCudaTest, MomentsOfRows) {
  CudaBench bench;
  std::mt19937 random(2);
  for (const DType dtype : kTypes) {
    for (const int64_t length : kLengths) {
      if (length == 0) continue;
      SCOPED_TRACE(fmt::format("{} length {}", DTypeName(dtype), length));
      const TestTensor x = Random(dtype, 9 * length, random);
      const TestTensor scale = Random(dtype, length, random), bias = Random(dtype, length, random);
      const double tolerance = 64 * 0x1p-24 + UlpOf(dtype);
      for (const bool rms : {false, true}) {
        const LayerNormProblem problem{dtype, 9, length, 1e-5f, rms};
        Check(bench, LayerNormVariants(), problem, {x.View(), scale.View()}, 9 * length,
              8 * tolerance);
        Check(bench, LayerNormVariants(), problem, {x.View(), {}, bias.View()}, 9 * length,
              8 * tolerance);
      }
    }
  }
}

TEST(NormCudaTest, LayerNormGivesItsMoments) {
  CudaBench bench;
  std::mt19937 random(3);
  const LayerNormProblem problem{DType::kF32, 11, 300, 1e-3f};
  const TestTensor x = Random(DType::kF32, 3300, random);
  const auto kernel = bench.Make(LayerNormVariants(), problem);
  ASSERT_TRUE(kernel);
  TestTensor got[] = {{DType::kF32, {3300}}, {DType::kF32, {11}}, {DType::kF32, {11}}};
  TestTensor expected[] = {{DType::kF32, {3300}}, {DType::kF32, {11}}, {DType::kF32, {11}}};
  bench.Run(*kernel, {x.View()}, {got[0].View(), got[1].View(), got[2].View()});
  RunReference(LayerNormVariants(), problem, {x.View()},
               {expected[0].View(), expected[1].View(), expected[2].View()});
  for (size_t i = 0; i < 11; ++i) {
    EXPECT_NEAR(got[1].Span<float>()[i], expected[1].Span<float>()[i], 1e-6);
    EXPECT_NEAR(got[2].Span<float>()[i], expected[2].Span<float>()[i], 1e-6);
  }
}

TEST(NormCudaTest, GroupsBatchesAndChannels) {
  CudaBench bench;
  std::mt19937 random(4);
  for (const DType dtype : kTypes) {
    const double tolerance = 512 * 0x1p-24 + 8 * UlpOf(dtype);
    const TestTensor x = Random(dtype, 2 * 3 * 4 * 35, random);
    TestTensor scale = Random(dtype, 12, random), bias = Random(dtype, 12, random),
               mean = Random(dtype, 12, random), variance = Random(dtype, 12, random);
    variance.FillUniform(random, 0.5, 2);
    for (const bool per_group : {false, true}) {
      Check(bench, GroupNormVariants(), GroupNormProblem{dtype, 2, 3, 4, 35, 1e-5f, per_group},
            {x.View(), scale.View(), bias.View()}, 840, tolerance);
    }
    Check(bench, BatchNormVariants(), BatchNormProblem{dtype, 2, 12, 35, 1e-5f, dtype, dtype},
          {x.View(), scale.View(), bias.View(), mean.View(), variance.View()}, 840, tolerance);
    for (const int64_t size : {1, 4, 5}) {
      Check(bench, LrnVariants(), LrnProblem{dtype, 2, 12, 35, size, 0.1f, 0.75f, 1.5f}, {x.View()},
            840, tolerance);
    }
  }
}

}  // namespace
}  // namespace ergo
