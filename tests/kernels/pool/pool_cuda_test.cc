// Pooling on the emulated GPU against the reference.
#include <gtest/gtest.h>

#include "kernels/pool/pool.h"
#include "tests/emulator/cuda_testing.h"

namespace ergo {
namespace {

using namespace ergo::testing;

void CheckPooling(CudaBench& bench, const PoolProblem& problem, std::mt19937& random) {
  SCOPED_TRACE(problem.ToString());
  const auto kernel = bench.Make(PoolVariants(), problem);
  ASSERT_TRUE(kernel);
  const Shape in{problem.planes, problem.window.in[0], problem.window.in[1], problem.window.in[2]};
  const Shape out{problem.planes, problem.window.out[0], problem.window.out[1],
                  problem.window.out[2]};
  TestTensor x(problem.dtype, in);
  x.FillUniform(random, -3, 3);
  TestTensor got(problem.dtype, out), expected(problem.dtype, out);
  TestTensor got_indices(DType::kI64, out), expected_indices(DType::kI64, out);
  const auto outputs = [&](const TestTensor& y, const TestTensor& indices) {
    std::vector<MutableTensorView> views = {y.View()};
    if (problem.has_indices) views.push_back(indices.View());
    return views;
  };
  bench.Run(*kernel, {x.View()}, outputs(got, got_indices));
  RunReference(PoolVariants(), problem, {x.View()}, outputs(expected, expected_indices));
  EXPECT_TRUE(got.GuardIntact());
  for (int64_t i = 0; i < out.Elements(); ++i) {
    const double of_type = problem.dtype == DType::kF32 ? 1e-5 : 0.05;
    VisitDType(problem.dtype, [&]<typename T>(TypeTag<T>) {
      const double y = ToDouble(got.Span<T>()[static_cast<size_t>(i)]);
      const double exact = ToDouble(expected.Span<T>()[static_cast<size_t>(i)]);
      if (y != exact) {
        EXPECT_NEAR(y, exact, problem.kind == PoolKind::kMax ? 0 : of_type) << i;
      }
      return 0;
    });
    if (problem.has_indices) {
      ASSERT_EQ(ErrorUlps(got_indices, expected_indices, i), 0) << i;
    }
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(PoolCudaTest, RandomWindows) {
  CudaBench bench;
  for (uint32_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937 random(seed);
    const auto draw = [&](int low, int high) {
      return std::uniform_int_distribution<int>(low, high)(random);
    };
    PoolProblem problem;
    constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kBF16};
    problem.dtype = kTypes[draw(0, 2)];
    problem.kind = static_cast<PoolKind>(draw(0, 2));
    problem.planes = draw(0, 5);
    problem.count_include_pad = draw(0, 1) == 1;
    problem.has_indices = problem.kind == PoolKind::kMax && draw(0, 1) == 1;
    problem.column_major = draw(0, 1) == 1;
    problem.p = draw(1, 3);
    Window& w = problem.window;
    for (size_t axis = draw(0, 2) == 0 ? 0 : 1; axis < 3; ++axis) {
      w.in[axis] = draw(1, 14);
      w.kernel[axis] = draw(1, 9);
      w.strides[axis] = draw(1, 3);
      w.dilations[axis] = draw(1, 2);
      w.pads_begin[axis] = draw(0, 2);
      w.pads_end[axis] = draw(0, 2);
      // One more than fits, as with ceil_mode: the window reaches beyond the padding.
      w.out[axis] = w.FittingOut(axis) + draw(0, 1);
    }
    CheckPooling(bench, problem, random);
  }
}

}  // namespace
}  // namespace ergo
