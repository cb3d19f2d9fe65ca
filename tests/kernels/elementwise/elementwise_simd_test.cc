// The SIMD variant against the reference, on every target that this machine can run.
#include <gtest/gtest.h>

#include "kernels/elementwise/elementwise.h"
#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using testing::ForEachSimdTarget;
using testing::MakeReference;
using testing::RunKernel;
using testing::TestTensor;
using testing::ThreadedFor;

// Null where the variant declines, which it may do for lack of a vector form only.
template <typename Problem>
std::unique_ptr<Kernel> MakeSimd(const Problem& problem) {
  MadeKernel made = MakeElementwiseSimd(problem, MakeContext{});
  if (made.ok()) return std::move(made).value();
  EXPECT_EQ(made.status().code(), StatusCode::kUnsupported) << made.status().ToString();
  return nullptr;
}

struct Parameters {
  float alpha, beta;
};
Parameters ParametersOf(UnaryOp op) {
  switch (op) {
    case UnaryOp::kSelu: return {1.6732632f, 1.0507010f};
    case UnaryOp::kHardSigmoid: return {0.2f, 0.5f};
    case UnaryOp::kClip: return {-1.5f, 2.5f};
    case UnaryOp::kCelu: return {0.75f, 0};
    default: return {1.25f, 0};
  }
}

std::vector<UnaryOp> OpsWithVectorForm() {
  std::vector<UnaryOp> ops;
#define ERGO_UNARY_OP(name, onnx, kind, formula)                               \
  if (MakeElementwiseSimd(UnaryProblem{UnaryOp::k##name}, MakeContext{}).ok()) \
    ops.push_back(UnaryOp::k##name);
#include "kernels/elementwise/unary_ops.inc"
#undef ERGO_UNARY_OP
  return ops;
}

// Floats over all exponents and both signs, and the operators' own interesting stretch.
TestTensor AllKinds(int64_t count) {
  TestTensor x(DType::kF32, {count});
  const auto values = x.Span<float>();
  constexpr float kSpecial[] = {0.0f,   -0.0f,  INFINITY, -INFINITY, NAN,     1e-40f, -1e-40f,
                                88.72f, 88.73f, -87.34f,  -103.97f,  -104.5f, 0.5f,   -2.5f,
                                3.0f,   -3.0f,  1.25f,    -1.25f,    1.0f,    -1.0f};
  std::mt19937 random(5);
  std::uniform_real_distribution<float> near(-12, 12);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = i % 2 == 0 ? std::bit_cast<float>(static_cast<uint32_t>(i * 327643)) : near(random);
  }
  std::copy(std::begin(kSpecial), std::end(kSpecial), values.begin());
  return x;
}

// What the double-precision reference gives for float operands.
std::vector<double> Exact(UnaryProblem problem, const TestTensor& x) {
  problem.dtype = DType::kF64;
  const TestTensor wide(DType::kF64, problem.shape), y(DType::kF64, problem.shape);
  std::copy(x.Span<float>().begin(), x.Span<float>().end(), wide.Span<double>().begin());
  SerialFor serial;
  RunKernel(*MakeReference(UnaryVariants(), problem), {wide.View()}, {y.View()}, serial);
  return {y.Span<double>().begin(), y.Span<double>().end()};
}

void ExpectWithinBound(UnaryOp op, float x, float got, double exact) {
  const auto rounded = static_cast<float>(exact);
  if (std::isnan(exact) || std::isinf(rounded)) {
    // Rounding may go either way at the border to infinity.
    const bool border = std::isfinite(exact) && std::fabs(got) > 3.4e38f;
    ASSERT_TRUE(border || (std::isnan(exact) ? std::isnan(got) : got == rounded))
        << "x = " << x << " gives " << got << ", exact is " << exact;
    return;
  }
  ASSERT_LE(std::fabs(static_cast<double>(got) - exact), UnaryErrorBound(op, x, exact))
      << "x = " << x << " gives " << got << ", exact is " << exact << ", "
      << testing::UlpError(got, exact) << " ulp";
}

TEST(UnarySimdTest, StaysWithinItsErrorBound) {
  const std::vector<UnaryOp> ops = OpsWithVectorForm();
  ASSERT_GE(ops.size(), 25u);
  const int64_t count = 8001;
  const TestTensor x = AllKinds(count);
  for (const UnaryOp op : ops) {
    SCOPED_TRACE(UnaryOpName(op));
    const auto [alpha, beta] = ParametersOf(op);
    const UnaryProblem problem{op, DType::kF32, {count}, alpha, beta};
    const std::vector<double> exact = Exact(problem, x);
    ForEachSimdTarget([&](const std::string&) {
      const TestTensor y(DType::kF32, {count});
      SerialFor serial;
      RunKernel(*MakeSimd(problem), {x.View()}, {y.View()}, serial);
      EXPECT_TRUE(y.GuardIntact());
      for (size_t i = 0; i < exact.size(); ++i) {
        ExpectWithinBound(op, x.Span<float>()[i], y.Span<float>()[i], exact[i]);
        if (::testing::Test::HasFatalFailure()) return;
      }
    });
  }
}

TEST(UnarySimdTest, GivesTheSameForAnySizePlaceAndNumberOfWorkers) {
  const TestTensor all = AllKinds(100001);
  for (const UnaryOp op : {UnaryOp::kTanh, UnaryOp::kRelu}) {
    ForEachSimdTarget([&](const std::string&) {
      const UnaryProblem whole{op, DType::kF32, all.GetShape()};
      const TestTensor expected(DType::kF32, all.GetShape());
      SerialFor serial;
      RunKernel(*MakeSimd(whole), {all.View()}, {expected.View()}, serial);
      for (const int64_t count : {0, 1, 3, 15, 16, 17, 64, 99, 65537, 100001}) {
        const UnaryProblem problem{op, DType::kF32, {count}};
        TestTensor x(DType::kF32, {count});
        const auto size = static_cast<size_t>(count);
        std::copy_n(all.Span<float>().begin(), size, x.Span<float>().begin());
        ThreadedFor threads(3);
        const auto kernel = MakeSimd(problem);
        ASSERT_TRUE(kernel->MayRunInPlace(0));
        RunKernel(*kernel, {x.View()}, {x.View()}, threads);
        EXPECT_TRUE(x.GuardIntact());
        EXPECT_EQ(std::memcmp(x.Span<float>().data(), expected.Span<float>().data(), size * 4), 0)
            << count;
      }
    });
  }
}

// All NaN are alike, since which operand's payload survives is the processor's choice.
void ExpectSameFloats(std::span<const float> got, std::span<const float> expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    const bool same = std::isnan(expected[i])
                          ? std::isnan(got[i])
                          : std::bit_cast<uint32_t>(got[i]) == std::bit_cast<uint32_t>(expected[i]);
    ASSERT_TRUE(same) << "[" << i << "] " << got[i] << " instead of " << expected[i];
  }
}

std::vector<BinaryOp> BinaryOpsWithVectorForm() {
  std::vector<BinaryOp> ops;
#define ERGO_BINARY_OP(name, onnx, kind, result, formula)                        \
  if (MakeElementwiseSimd(BinaryProblem{BinaryOp::k##name}, MakeContext{}).ok()) \
    ops.push_back(BinaryOp::k##name);
#include "kernels/elementwise/binary_ops.inc"
#undef ERGO_BINARY_OP
  return ops;
}

TestTensor WithSpecials(const Shape& shape, std::mt19937& random) {
  TestTensor x(DType::kF32, shape);
  x.FillUniform(random, -4, 4);
  constexpr float kSpecial[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-41f, 3e38f};
  for (float& value : x.Span<float>()) {
    if (random() % 5 == 0) value = kSpecial[random() % std::size(kSpecial)];
  }
  return x;
}

void CompareBinary(const BinaryProblem& problem, std::mt19937& random) {
  SCOPED_TRACE(fmt::format("{} {} {}", BinaryOpName(problem.op), problem.a.ToString(),
                           problem.b.ToString()));
  const TestTensor a = WithSpecials(problem.a, random), b = WithSpecials(problem.b, random);
  const Shape out = *BroadcastShapes(problem.a, problem.b);
  const TestTensor expected(DType::kF32, out), got(DType::kF32, out);
  SerialFor serial;
  ThreadedFor threads(2);
  RunKernel(*MakeReference(BinaryVariants(), problem), {a.View(), b.View()}, {expected.View()},
            serial);
  const auto kernel = MakeSimd(problem);
  RunKernel(*kernel, {a.View(), b.View()}, {got.View()}, threads);
  EXPECT_TRUE(got.GuardIntact());
  ExpectSameFloats(got.Span<float>(), expected.Span<float>());

  if (kernel->MayRunInPlace(0)) {
    const TestTensor in_place = a.Copy();
    RunKernel(*kernel, {in_place.View(), b.View()}, {in_place.View()}, serial);
    ExpectSameFloats(in_place.Span<float>(), expected.Span<float>());
  }
  if (kernel->MayRunInPlace(1)) {
    const TestTensor in_place = b.Copy();
    RunKernel(*kernel, {a.View(), in_place.View()}, {in_place.View()}, serial);
    ExpectSameFloats(in_place.Span<float>(), expected.Span<float>());
  }
}

TEST(BinarySimdTest, EqualsTheReferenceForEveryBroadcast) {
  const std::pair<Shape, Shape> shapes[] = {
      {{2, 3, 37}, {2, 3, 37}},  // same
      {{5, 129}, {}},            // scalar
      {{}, {77}},
      {{3, 4, 100}, {100}},  // long rows
      {{70}, {9, 70}},
      {{3, 4, 7}, {7}},  // short rows, repeated
      {{5}, {300, 1, 5}},
      {{2, 1000, 2}, {1, 1, 2}},
      {{2, 3, 4, 5}, {3, 1, 1}},  // channels
      {{4, 1}, {1, 6}},           // outer product
      {{3, 1, 5}, {2, 1}},
      {{0, 3}, {3}},  // nothing
      {{1, 0}, {4, 1}},
      {{300, 200}, {300, 200}},  // several workers
      {{40000, 2}, {2}},
  };
  const std::vector<BinaryOp> ops = BinaryOpsWithVectorForm();
  ASSERT_EQ(ops.size(), 7u);
  ForEachSimdTarget([&](const std::string&) {
    std::mt19937 random(11);
    for (const BinaryOp op : ops) {
      for (const auto& [a, b] : shapes) {
        CompareBinary({op, DType::kF32, DType::kF32, a, b}, random);
        CompareBinary({op, DType::kF32, DType::kF32, b, a}, random);
      }
    }
  });
}

TEST(BinarySimdTest, EqualsTheReferenceForRandomShapes) {
  ForEachSimdTarget([&](const std::string&) {
    std::mt19937 random(12);
    for (int round = 0; round < 150; ++round) {
      Shape a, b;
      const int rank = 1 + static_cast<int>(random() % 4);
      for (int axis = 0; axis < rank; ++axis) {
        const int64_t dim = 1 + random() % 19;
        a.Append(random() % 4 == 0 ? 1 : dim);
        b.Append(random() % 3 == 0 ? 1 : dim);
      }
      CompareBinary({BinaryOp::kSub, DType::kF32, DType::kF32, a, b}, random);
    }
  });
}

}  // namespace
}  // namespace ergo
