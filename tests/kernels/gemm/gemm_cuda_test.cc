// gemm through cuBLASLt's part: what is asked of the library, whose work plain loops do here, and
// what follows it.
#include <gtest/gtest.h>

#include "tests/emulator/cuda_testing.h"
#include "tests/kernels/gemm/gemm_testing.h"

namespace ergo {
namespace {

using namespace ergo::testing;

GemmProblem DrawProblem(std::mt19937& random) {
  const auto draw = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  GemmProblem p{.m = draw(1, 9), .n = draw(1, 9), .k = draw(1, 20)};
  constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kBF16};
  p.dtype = kTypes[draw(0, 2)];
  p.trans_a = draw(0, 1) == 1;
  p.trans_b = draw(0, 1) == 1;
  const Shape whole{draw(1, 3), draw(1, 3)};
  const Shape shapes[] = {whole, Shape{}, Shape{whole[1]}, Shape{whole[0], 1}};
  EXPECT_TRUE(p.SetBatches(shapes[draw(0, 3)], shapes[draw(0, 3)]).ok());
  if (p.batch.Rank() == 0 && draw(0, 1) == 1) {
    p.a_row_stride = p.ARowStride() + draw(0, 5);
    p.b_row_stride = p.BRowStride() + draw(0, 5);
  }
  p.bias = static_cast<GemmBias>(draw(0, 4));
  p.residual = draw(0, 2) == 0;
  p.activation.kind = static_cast<Activation>(draw(0, 8));
  p.activation.alpha = 0.1f;
  p.activation.beta = 0.7f;
  if (draw(0, 2) == 0) p.alpha = 0.75f;
  return p;
}

TEST(GemmCudaTest, AsksTheLibraryForWhatTheProblemSays) {
  CudaBench bench;
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    const GemmCase c(DrawProblem(random), seed);
    SCOPED_TRACE(fmt::format("seed {}: {}", seed, Describe(c.problem)));
    const auto kernel = bench.Make(GemmVariants(), c.problem, "cublas");
    ASSERT_TRUE(kernel);
    const TestTensor d(c.problem.dtype, ResultShape(c.problem));
    const TensorView bias = c.problem.bias == GemmBias::kNone ? TensorView() : c.bias.View();
    const TensorView residual = c.problem.residual ? c.residual.View() : TensorView();
    bench.Run(*kernel, {c.a.View(), c.b.View(), bias, residual}, {d.View()});
    if (c.problem.dtype == DType::kF32) {
      c.ExpectMatches<float>(d);
    } else {
      // The result is rounded once more between the library and what follows it.
      TestTensor expected(c.problem.dtype, ResultShape(c.problem));
      RunReference(GemmVariants(), c.problem, {c.a.View(), c.b.View(), bias, residual},
                   {expected.View()});
      for (int64_t i = 0; i < expected.GetShape().Elements(); ++i) {
        VisitDType(c.problem.dtype, [&]<typename T>(TypeTag<T>) {
          const double y = ToDouble(d.Span<T>()[static_cast<size_t>(i)]);
          const double exact = ToDouble(expected.Span<T>()[static_cast<size_t>(i)]);
          const double unit = c.problem.dtype == DType::kF16 ? 0x1p-9 : 0x1p-6;
          EXPECT_NEAR(y, exact, unit * (std::fabs(exact) + 4)) << i;
          return 0;
        });
      }
    }
    if (::testing::Test::HasFailure()) return;
  }
}

// Sizes around the tiles, with every edge of them, every bias and activation.
TEST(GemmCudaTest, MatrixInstructions) {
  CudaBench bench;
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    std::mt19937 random(seed);
    const auto draw = [&](int low, int high) {
      return std::uniform_int_distribution<int>(low, high)(random);
    };
    GemmProblem p{.m = draw(1, 140), .n = 8 * draw(1, 17), .k = 8 * draw(0, 14)};
    p.dtype = draw(0, 1) == 1 ? DType::kF16 : DType::kBF16;
    p.trans_b = draw(0, 1) == 1;
    if (p.trans_b && draw(0, 1) == 1) p.n = draw(1, 140);
    if (draw(0, 3) == 0) {
      ASSERT_TRUE(p.SetBatches(Shape{2}, draw(0, 1) == 1 ? Shape{2} : Shape{}).ok());
    }
    p.bias = static_cast<GemmBias>(draw(0, 4));
    p.residual = draw(0, 2) == 0;
    p.activation = {static_cast<Activation>(draw(0, 8)), 0.1f, 0.7f};
    if (draw(0, 2) == 0) p.alpha = 0.75f, p.beta = -1.5f;
    const GemmCase c(p, seed);
    SCOPED_TRACE(fmt::format("seed {}: {}", seed, Describe(p)));
    const auto kernel = bench.Make(GemmVariants(), p, "mma");
    ASSERT_TRUE(kernel);
    const TestTensor d(p.dtype, ResultShape(p));
    const TensorView bias = p.bias == GemmBias::kNone ? TensorView() : c.bias.View();
    const TensorView residual = p.residual ? c.residual.View() : TensorView();
    bench.Run(*kernel, {c.a.View(), c.b.View(), bias, residual}, {d.View()});
    if (p.dtype == DType::kF16) {
      c.ExpectMatches<Float16>(d);
    } else {
      c.ExpectMatches<BFloat16>(d);
    }
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(GemmCudaTest, DeclinesWithReasons) {
  const GemmProblem p{.m = 2, .n = 2, .k = 2};
  for (const auto& variant : GemmVariants()) {
    if (variant.info.device != Device::kCuda) continue;
    EXPECT_EQ(variant.make(p, MakeContext()).status().code(), StatusCode::kUnsupported);
  }
}

}  // namespace
}  // namespace ergo
