// elementwise on the emulated GPU against the reference.
#include <gtest/gtest.h>

#include "kernels/elementwise/elementwise_program.h"
#include "tests/emulator/cuda_testing.h"

namespace ergo {
namespace {

using namespace ergo::testing;

constexpr DType kFloats[] = {DType::kF32, DType::kF16, DType::kBF16};
constexpr DType kIntegers[] = {DType::kI8,  DType::kU8,  DType::kI16, DType::kU16,
                               DType::kI32, DType::kU32, DType::kI64};

std::vector<UnaryOp> AllUnary() {
  std::vector<UnaryOp> all;
#define ERGO_UNARY_OP(name, onnx, kind, formula) all.push_back(UnaryOp::k##name);
#include "kernels/elementwise/unary_ops.inc"
#undef ERGO_UNARY_OP
  return all;
}

std::vector<BinaryOp> AllBinary() {
  std::vector<BinaryOp> all = {BinaryOp::kPow};
#define ERGO_BINARY_OP(name, onnx, kind, result, formula) all.push_back(BinaryOp::k##name);
#include "kernels/elementwise/binary_ops.inc"
#undef ERGO_BINARY_OP
  return all;
}

// Whether the reference takes the problem: what it takes of these types, the GPU takes.
template <typename Problem>
bool Takes(std::span<const KernelVariant<Problem>> variants, const Problem& problem) {
  return variants.back().make(problem, MakeContext()).ok();
}

TestTensor Random(DType dtype, const Shape& shape, std::mt19937& random) {
  TestTensor tensor(dtype, shape);
  const bool is_unsigned = dtype == DType::kU8 || dtype == DType::kU16 || dtype == DType::kU32;
  tensor.FillUniform(random, is_unsigned ? 0 : -9, 9);
  if (dtype == DType::kF32 && shape.Elements() > 8) {
    const float corners[] = {0.0f, -0.0f, HUGE_VALF, -HUGE_VALF, NAN, 1e-41f, 88.9f, -104.0f};
    std::copy(std::begin(corners), std::end(corners), tensor.Span<float>().begin());
  }
  return tensor;
}

void CheckUnary(CudaBench& bench, UnaryProblem problem, std::mt19937& random) {
  SCOPED_TRACE(fmt::format("{} of {}", UnaryOpName(problem.op), DTypeName(problem.dtype)));
  const auto kernel = bench.Make(UnaryVariants(), problem);
  ASSERT_TRUE(kernel);
  const TestTensor x = Random(problem.dtype, problem.shape, random);
  TestTensor got(OutputType(problem), problem.shape), expected(OutputType(problem), problem.shape);
  bench.Run(*kernel, {x.View()}, {got.View()});
  RunReference(UnaryVariants(), problem, {x.View()}, {expected.View()});
  EXPECT_TRUE(got.GuardIntact());
  for (int64_t i = 0; i < problem.shape.Elements(); ++i) {
    const auto at = static_cast<size_t>(i);
    if (got.Type() != DType::kF32) {
      ASSERT_LE(ErrorUlps(got, expected, i), 1) << i;
      continue;
    }
    const float x_i = x.Span<float>()[at], y = got.Span<float>()[at];
    const auto exact = static_cast<double>(expected.Span<float>()[at]);
    if (UlpError(y, exact) == 0) continue;
    // The reference has been rounded as well.
    ASSERT_LE(std::fabs(static_cast<double>(y) - exact),
              UnaryErrorBound(problem.op, x_i, exact) +
                  std::ldexp(std::max(std::fabs(exact), 0x1p-126), -24))
        << i << ": of " << x_i << " got " << y << ", expected " << exact;
  }
}

TEST(ElementwiseCudaTest, EveryUnaryOperator) {
  CudaBench bench;
  std::mt19937 random(1);
  int checked = 0;
  for (const UnaryOp op : AllUnary()) {
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kI8, DType::kU16,
                              DType::kI32, DType::kI64, DType::kBool}) {
      const UnaryProblem problem{op, dtype, {3, 431}, 0.5f, 1.5f};
      if (!Takes(UnaryVariants(), problem)) continue;
      CheckUnary(bench, problem, random);
      ++checked;
    }
  }
  EXPECT_GT(checked, 130);
}

void CheckBinary(CudaBench& bench, const BinaryProblem& problem, std::mt19937& random) {
  SCOPED_TRACE(fmt::format("{} of {} {} and {}", BinaryOpName(problem.op), DTypeName(problem.dtype),
                           problem.a.ToString(), problem.b.ToString()));
  const auto kernel = bench.Make(BinaryVariants(), problem);
  ASSERT_TRUE(kernel);
  const Shape shape = *BroadcastShapes(problem.a, problem.b);
  const TestTensor a = Random(problem.dtype, problem.a, random);
  const TestTensor b = Random(problem.dtype, problem.b, random);
  TestTensor got(OutputType(problem), shape), expected(OutputType(problem), shape);
  bench.Run(*kernel, {a.View(), b.View()}, {got.View()});
  RunReference(BinaryVariants(), problem, {a.View(), b.View()}, {expected.View()});
  EXPECT_TRUE(got.GuardIntact());
  for (int64_t i = 0; i < shape.Elements(); ++i) {
    ASSERT_LE(ErrorUlps(got, expected, i), problem.dtype == DType::kF32 ? 0 : 1) << i;
  }
}

TEST(ElementwiseCudaTest, EveryBinaryOperator) {
  CudaBench bench;
  std::mt19937 random(2);
  int checked = 0;
  for (const BinaryOp op : AllBinary()) {
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kI8, DType::kU8,
                              DType::kI16, DType::kU32, DType::kI64, DType::kBool}) {
      const BinaryProblem problem{op, dtype, dtype, {7, 1, 37}, {5, 37}};
      if (!Takes(BinaryVariants(), problem)) continue;
      if (op == BinaryOp::kPow && !IsFloatingPoint(dtype)) continue;
      CheckBinary(bench, problem, random);
      ++checked;
    }
  }
  EXPECT_GT(checked, 120);
}

TEST(ElementwiseCudaTest, ShapesThatBroadcast) {
  CudaBench bench;
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937 random(seed);
    const auto draw = [&](int low, int high) {
      return std::uniform_int_distribution<int>(low, high)(random);
    };
    Shape a, b;
    const int rank = draw(0, 5);
    for (int axis = 0; axis < rank; ++axis) {
      const int64_t dim = draw(0, 20) == 0 ? 0 : draw(1, 5);
      a.Append(draw(0, 2) == 0 ? 1 : dim);
      if (axis >= rank / 3) b.Append(draw(0, 2) == 0 ? 1 : dim);
    }
    CheckBinary(bench, {BinaryOp::kSub, DType::kF32, DType::kF32, a, b}, random);
  }
}

TEST(ElementwiseCudaTest, WhereTakesEitherSide) {
  CudaBench bench;
  std::mt19937 random(3);
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kI64, DType::kBool}) {
    const WhereProblem problem{dtype, {4, 1, 33}, {4, 5, 1}, {33}};
    const auto kernel = bench.Make(WhereVariants(), problem);
    ASSERT_TRUE(kernel);
    const TestTensor condition = Random(DType::kBool, problem.condition, random);
    const TestTensor a = Random(dtype, problem.a, random), b = Random(dtype, problem.b, random);
    TestTensor got(dtype, {4, 5, 33}), expected(dtype, {4, 5, 33});
    const std::vector<TensorView> inputs = {condition.View(), a.View(), b.View()};
    bench.Run(*kernel, inputs, {got.View()});
    RunReference(WhereVariants(), problem, inputs, {expected.View()});
    for (int64_t i = 0; i < 4 * 5 * 33; ++i) ASSERT_EQ(ErrorUlps(got, expected, i), 0) << i;
  }
}

TEST(ElementwiseCudaTest, CastsBetweenAllTypes) {
  CudaBench bench;
  std::mt19937 random(4);
  std::vector<DType> types(std::begin(kFloats), std::end(kFloats));
  types.insert(types.end(), std::begin(kIntegers), std::end(kIntegers));
  types.push_back(DType::kBool);
  int checked = 0;
  for (const DType from : types) {
    for (const DType to : types) {
      SCOPED_TRACE(fmt::format("{} to {}", DTypeName(from), DTypeName(to)));
      const CastProblem problem{from, to, {700}};
      for (const auto& variant : CastVariants()) {
        if (variant.info.variant != "cuda") continue;
        const MadeKernel made = variant.make(problem, bench.Context());
        if (!made.ok()) continue;
        const TestTensor x = Random(from, problem.shape, random);
        if (from == DType::kF32) x.Span<float>()[9] = 3e10f;
        TestTensor got(to, problem.shape), expected(to, problem.shape);
        bench.Run(**made, {x.View()}, {got.View()});
        RunReference(CastVariants(), problem, {x.View()}, {expected.View()});
        for (int64_t i = 0; i < 700; ++i) ASSERT_EQ(ErrorUlps(got, expected, i), 0) << i;
        ++checked;
      }
    }
  }
  EXPECT_GT(checked, 110);
}

TEST(ElementwiseCudaTest, ResultsInPlace) {
  CudaBench bench;
  std::mt19937 random(5);
  const BinaryProblem problem{BinaryOp::kMul, DType::kF32, DType::kF32, {1}, {3000}};
  const auto kernel = bench.Make(BinaryVariants(), problem);
  ASSERT_TRUE(kernel);
  EXPECT_FALSE(kernel->MayRunInPlace(0));
  ASSERT_TRUE(kernel->MayRunInPlace(1));
  const TestTensor a = Random(DType::kF32, {1}, random), b = Random(DType::kF32, {3000}, random);
  TestTensor got(DType::kF32, {3000}), expected(DType::kF32, {3000});
  bench.Run(*kernel, {a.View(), b.View()}, {got.View()}, 1);
  RunReference(BinaryVariants(), problem, {a.View(), b.View()}, {expected.View()});
  for (int64_t i = 0; i < 3000; ++i) ASSERT_EQ(ErrorUlps(got, expected, i), 0) << i;
}

// relu(c - (a * b)), with the product in each place of the difference.
TEST(ElementwiseCudaTest, ChainsComputeWhatTheirPartsDo) {
  CudaBench bench;
  std::mt19937 random(6);
  const Shape shape{6, 50};
  const TestTensor a = Random(DType::kF32, shape, random), b = Random(DType::kF32, {50}, random),
                   c = Random(DType::kF32, {6, 1}, random);
  for (const size_t operand : {size_t{0}, size_t{1}}) {
    BinaryProblem minus{BinaryOp::kSub, DType::kF32, DType::kF32, shape, {6, 1}};
    if (operand == 1) std::swap(minus.a, minus.b);
    auto chain =
        Chain(*ProgramOf(BinaryProblem{BinaryOp::kMul, DType::kF32, DType::kF32, shape, Shape{50}}),
              *ProgramOf(minus), operand);
    ASSERT_TRUE(chain);
    chain = Chain(*chain, *ProgramOf(UnaryProblem{UnaryOp::kRelu, DType::kF32, shape}), 0);
    ASSERT_TRUE(chain);
    EXPECT_EQ(chain->inputs.size(), 3u);
    MadeKernel made = MakeProgramKernel(*chain, bench.Context());
    ASSERT_TRUE(made.ok());
    TestTensor got(DType::kF32, shape);
    bench.Run(**made, {a.View(), b.View(), c.View()}, {got.View()});
    for (size_t i = 0; i < 300; ++i) {
      const float product = a.Span<float>()[i] * b.Span<float>()[i % 50];
      const float other = c.Span<float>()[i / 50];
      const float difference = operand == 0 ? product - other : other - product;
      const float expected = difference < 0 ? 0 : difference;
      ASSERT_EQ(UlpError(got.Span<float>()[i], static_cast<double>(expected)), 0) << i;
    }
  }
}

TEST(ElementwiseCudaTest, ChainsRefuseWhatIsNoChain) {
  const auto program = [](BinaryOp op, DType dtype, const Shape& a, const Shape& b) {
    return *ProgramOf(BinaryProblem{op, dtype, dtype, a, b});
  };
  const auto first = program(BinaryOp::kMul, DType::kF32, {4, 5}, {5});
  EXPECT_FALSE(Chain(first, program(BinaryOp::kAdd, DType::kF32, {4, 5}, {3, 4, 5}), 0));
  EXPECT_FALSE(Chain(first, program(BinaryOp::kAdd, DType::kI64, {4, 5}, {5}), 0));
  EXPECT_FALSE(Chain(program(BinaryOp::kMul, DType::kF16, {4}, {4}),
                     program(BinaryOp::kAdd, DType::kF16, {4}, {4}), 0))
      << "the product must be rounded to float16";
  auto longest = first;
  while (const auto longer = Chain(longest, program(BinaryOp::kAdd, DType::kF32, {4, 5}, {5}), 0)) {
    longest = *longer;
  }
  EXPECT_EQ(longest.inputs.size(), static_cast<size_t>(cuda::kMaxElementwiseInputs));
}

}  // namespace
}  // namespace ergo
