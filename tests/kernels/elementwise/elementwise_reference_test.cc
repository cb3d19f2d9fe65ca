// The reference kernels against hand-worked cases of the standard and against long double formulas
// written down independently.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "kernels/elementwise/elementwise.h"
#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using testing::MakeReference;
using testing::RunKernel;
using testing::TestTensor;
using testing::ToDouble;
using testing::UlpError;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

template <typename Out, typename In>
std::vector<Out> Unary(UnaryOp op, std::initializer_list<In> values, float alpha = 0,
                       float beta = 0) {
  const Shape shape{static_cast<int64_t>(values.size())};
  const UnaryProblem problem{op, DTypeOf<In>::value, shape, alpha, beta};
  const auto kernel = MakeReference(UnaryVariants(), problem);
  const TestTensor x = TestTensor::Of<In>(shape, values);
  const TestTensor y(OutputType(problem), shape);
  SerialFor serial;
  RunKernel(*kernel, {x.View()}, {y.View()}, serial);
  EXPECT_TRUE(y.GuardIntact());
  return {y.Span<Out>().begin(), y.Span<Out>().end()};
}

template <typename Out, typename A, typename B = A>
std::vector<Out> Binary(BinaryOp op, std::initializer_list<A> a, std::initializer_list<B> b) {
  const Shape shape{static_cast<int64_t>(a.size())};
  const BinaryProblem problem{op, DTypeOf<A>::value, DTypeOf<B>::value, shape, shape};
  const auto kernel = MakeReference(BinaryVariants(), problem);
  const TestTensor x = TestTensor::Of<A>(shape, a);
  const TestTensor y = TestTensor::Of<B>(shape, b);
  const TestTensor z(OutputType(problem), shape);
  SerialFor serial;
  RunKernel(*kernel, {x.View(), y.View()}, {z.View()}, serial);
  EXPECT_TRUE(z.GuardIntact());
  return {z.Span<Out>().begin(), z.Span<Out>().end()};
}

template <typename To, typename From>
std::vector<To> Cast(std::initializer_list<From> values) {
  const Shape shape{static_cast<int64_t>(values.size())};
  const CastProblem problem{DTypeOf<From>::value, DTypeOf<To>::value, shape};
  const auto kernel = MakeReference(CastVariants(), problem);
  const TestTensor x = TestTensor::Of<From>(shape, values);
  const TestTensor y(problem.to, shape);
  SerialFor serial;
  RunKernel(*kernel, {x.View()}, {y.View()}, serial);
  EXPECT_TRUE(y.GuardIntact());
  return {y.Span<To>().begin(), y.Span<To>().end()};
}

struct Formula {
  UnaryOp op;
  double low, high;
  std::function<long double(long double)> exact;
  float alpha = 0, beta = 0;
};

std::vector<Formula> Formulas() {
  using L = long double;
  const auto sigmoid = [](L x) { return 1.0L / (1.0L + std::exp(-x)); };
  const auto clamp01 = [](L x) { return std::min(1.0L, std::max(0.0L, x)); };
  const L pi = 3.14159265358979323846264338327950288L;
  return {
      {UnaryOp::kAbs, -9, 9, [](L x) { return std::abs(x); }},
      {UnaryOp::kNeg, -9, 9, [](L x) { return -x; }},
      {UnaryOp::kSign, -9, 9, [](L x) { return x > 0 ? 1.0L : -1.0L; }},
      {UnaryOp::kRelu, -9, 9, [](L x) { return std::max(x, 0.0L); }},
      {UnaryOp::kLeakyRelu, -9, 9, [](L x) { return x < 0 ? 0.25L * x : x; }, 0.25f},
      {UnaryOp::kThresholdedRelu, -3, 3, [](L x) { return x > 1.5L ? x : 0.0L; }, 1.5f},
      {UnaryOp::kElu, -9, 9, [](L x) { return x < 0 ? 0.5L * (std::exp(x) - 1) : x; }, 0.5f},
      {UnaryOp::kSelu, -9, 9,
       [](L x) { return 1.25L * (std::max(x, 0.0L) + std::min(0.0L, 1.5L * (std::exp(x) - 1))); },
       1.5f, 1.25f},
      {UnaryOp::kCelu, -9, 9,
       [](L x) { return std::max(0.0L, x) + std::min(0.0L, 2 * (std::exp(x / 2) - 1)); }, 2.0f},
      {UnaryOp::kClip, -9, 9, [](L x) { return std::min(std::max(x, -1.5L), 2.5L); }, -1.5f, 2.5f},
      {UnaryOp::kShrink, -3, 3,
       [](L x) { return x < -1.5L  ? x + 0.5L
                        : x > 1.5L ? x - 0.5L
                                   : 0.0L; }, 1.5f, 0.5f},
      {UnaryOp::kSigmoid, -90, 40, sigmoid},
      {UnaryOp::kHardSigmoid, -9, 9, [=](L x) { return clamp01(0.25L * x + 0.5L); }, 0.25f, 0.5f},
      {UnaryOp::kSwish, -60, 60, [=](L x) { return x * sigmoid(1.5L * x); }, 1.5f},
      {UnaryOp::kHardSwish, -9, 9, [=](L x) { return x * clamp01((x + 3) / 6); }},
      {UnaryOp::kMish, -20, 20, [](L x) { return x * std::tanh(std::log1p(std::exp(x))); }},
      {UnaryOp::kGelu, -4, 9, [](L x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0L))); }},
      {UnaryOp::kGeluTanh, -4, 9,
       [=](L x) {
         return x / 2 * (1 + std::tanh(std::sqrt(2 / pi) * (x + 0.044715L * x * x * x)));
       }},
      {UnaryOp::kSoftplus, -30, 90, [](L x) { return std::log1p(std::exp(x)); }},
      {UnaryOp::kSoftsign, -9, 9, [](L x) { return x / (1 + std::abs(x)); }},
      {UnaryOp::kTanh, -9, 9, [](L x) { return std::tanh(x); }},
      {UnaryOp::kErf, -4, 4, [](L x) { return std::erf(x); }},
      {UnaryOp::kExp, -87, 88, [](L x) { return std::exp(x); }},
      {UnaryOp::kLog, 1e-30, 9, [](L x) { return std::log(x); }},
      {UnaryOp::kSqrt, 0, 9, [](L x) { return std::sqrt(x); }},
      {UnaryOp::kReciprocal, 1e-3, 9, [](L x) { return 1 / x; }},
      {UnaryOp::kFloor, -9, 9, [](L x) { return std::floor(x); }},
      {UnaryOp::kCeil, -9, 9, [](L x) { return std::ceil(x); }},
      {UnaryOp::kRound, -9, 9, [](L x) { return x - std::remainder(x, 1.0L); }},
      {UnaryOp::kSin, -9, 9, [](L x) { return std::sin(x); }},
      {UnaryOp::kCos, -9, 9, [](L x) { return std::cos(x); }},
      {UnaryOp::kTan, -1.5, 1.5, [](L x) { return std::sin(x) / std::cos(x); }},
      {UnaryOp::kAsin, -1, 1, [](L x) { return std::atan2(x, std::sqrt(1 - x * x)); }},
      {UnaryOp::kAcos, -1, 1, [](L x) { return std::atan2(std::sqrt(1 - x * x), x); }},
      {UnaryOp::kAtan, -9, 9, [](L x) { return std::atan2(x, 1.0L); }},
      {UnaryOp::kSinh, 0.1, 9, [](L x) { return (std::exp(x) - std::exp(-x)) / 2; }},
      {UnaryOp::kCosh, -9, 9, [](L x) { return (std::exp(x) + std::exp(-x)) / 2; }},
      {UnaryOp::kAsinh, 0.1, 9, [](L x) { return std::log(x + std::sqrt(x * x + 1)); }},
      {UnaryOp::kAcosh, 1.1, 9, [](L x) { return std::log(x + std::sqrt(x * x - 1)); }},
      {UnaryOp::kAtanh, 0.1, 0.9, [](L x) { return std::log((1 + x) / (1 - x)) / 2; }},
  };
}

TEST(UnaryReferenceTest, RoundsTheExactFormulaForFloat) {
  std::mt19937 random(1);
  SerialFor serial;
  for (const Formula& formula : Formulas()) {
    SCOPED_TRACE(UnaryOpName(formula.op));
    const Shape shape{501};
    const UnaryProblem problem{formula.op, DType::kF32, shape, formula.alpha, formula.beta};
    TestTensor x(DType::kF32, shape);
    x.FillUniform(random, formula.low, formula.high);
    const TestTensor y(DType::kF32, shape);
    RunKernel(*MakeReference(UnaryVariants(), problem), {x.View()}, {y.View()}, serial);
    for (size_t i = 0; i < 501; ++i) {
      const auto exact = static_cast<double>(formula.exact(x.Span<float>()[i]));
      ASSERT_LE(UlpError(y.Span<float>()[i], exact), 0.501) << "x = " << x.Span<float>()[i];
    }
  }
}

TEST(UnaryReferenceTest, CoversOtherFloatTypes) {
  std::mt19937 random(2);
  SerialFor serial;
  for (const Formula& formula : Formulas()) {
    for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF64}) {
      SCOPED_TRACE(fmt::format("{} {}", UnaryOpName(formula.op), DTypeName(dtype)));
      const double relative = dtype == DType::kF16    ? 0x1p-11
                              : dtype == DType::kBF16 ? 0x1p-8
                                                      : 0x1p-44;
      const double absolute = dtype == DType::kF16 ? 0x1p-24 : 0x1p-60;
      const Shape shape{64};
      const UnaryProblem problem{formula.op, dtype, shape, formula.alpha, formula.beta};
      TestTensor x(dtype, shape);
      x.FillUniform(random, std::max(formula.low, -8.0), std::min(formula.high, 8.0));
      const TestTensor y(dtype, shape);
      RunKernel(*MakeReference(UnaryVariants(), problem), {x.View()}, {y.View()}, serial);
      VisitDType(dtype, [&]<typename T>(TypeTag<T>) {
        if constexpr (std::is_floating_point_v<T> || sizeof(T) == 2) {
          for (int64_t i = 0; i < shape.Elements(); ++i) {
            const auto at = static_cast<size_t>(i);
            const auto in = ToDouble(x.Span<T>()[at]);
            const auto got = ToDouble(y.Span<T>()[at]);
            const auto exact = static_cast<double>(formula.exact(in));
            EXPECT_NEAR(got, exact, std::fabs(exact) * relative + absolute) << "x = " << in;
          }
        }
        return 0;
      });
    }
  }
}

TEST(UnaryReferenceTest, HandlesSpecialValues) {
  EXPECT_THAT(Unary<float>(UnaryOp::kRound, {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 3.7f}),
              ElementsAre(0, 2, 2, 0, -2, 4));
  EXPECT_THAT(Unary<float>(UnaryOp::kSign, {-kInf, -2.0f, 0.0f, 3.0f, kInf}),
              ElementsAre(-1, -1, 0, 1, 1));
  EXPECT_THAT(Unary<float>(UnaryOp::kSigmoid, {-kInf, -1e9f, 0.0f, 1e9f, kInf}),
              ElementsAre(0, 0, 0.5f, 1, 1));
  EXPECT_THAT(Unary<float>(UnaryOp::kSoftplus, {-kInf, kInf, 200.0f}), ElementsAre(0, kInf, 200));
  EXPECT_THAT(Unary<float>(UnaryOp::kElu, {-kInf, kInf}, 2.0f), ElementsAre(-2, kInf));
  EXPECT_THAT(Unary<float>(UnaryOp::kReciprocal, {0.0f, -0.0f, kInf}), ElementsAre(kInf, -kInf, 0));
  EXPECT_THAT(Unary<float>(UnaryOp::kClip, {1.0f, 9.0f}, 5.0f, 3.0f), ElementsAre(3, 3));
  EXPECT_THAT(Unary<bool>(UnaryOp::kIsNaN, {1.0f, kNaN, kInf}), ElementsAre(false, true, false));
  EXPECT_THAT(Unary<bool>(UnaryOp::kIsInf, {kInf, -kInf, kNaN}, 0.0f, 1.0f),
              ElementsAre(true, false, false));
  EXPECT_THAT(Unary<bool>(UnaryOp::kIsInf, {kInf, -kInf, 0.0f}, 1.0f, 0.0f),
              ElementsAre(false, true, false));
  EXPECT_THAT(Unary<bool>(UnaryOp::kNot, {true, false}), ElementsAre(false, true));
}

TEST(UnaryReferenceTest, KeepsNaN) {
  for (const Formula& formula : Formulas()) {
    const float got = Unary<float>(formula.op, {kNaN}, formula.alpha, formula.beta)[0];
    EXPECT_TRUE(std::isnan(got)) << UnaryOpName(formula.op) << " gives " << got;
  }
}

TEST(UnaryReferenceTest, WrapsIntegers) {
  constexpr auto kMin = std::numeric_limits<int64_t>::min();
  EXPECT_THAT(Unary<int64_t>(UnaryOp::kNeg, {int64_t{5}, kMin}), ElementsAre(-5, kMin));
  EXPECT_THAT(Unary<int64_t>(UnaryOp::kAbs, {int64_t{-5}, kMin}), ElementsAre(5, kMin));
  EXPECT_THAT(Unary<int8_t>(UnaryOp::kNeg, {int8_t{-128}, int8_t{7}}), ElementsAre(-128, -7));
  EXPECT_THAT(Unary<uint8_t>(UnaryOp::kBitwiseNot, {uint8_t{0x0f}}), ElementsAre(0xf0));
  EXPECT_THAT(Unary<int32_t>(UnaryOp::kRelu, {-3, 0, 4}), ElementsAre(0, 0, 4));
  EXPECT_THAT(Unary<uint64_t>(UnaryOp::kSign, {uint64_t{0}, uint64_t{9}}), ElementsAre(0, 1));
}

TEST(BinaryReferenceTest, FollowsTheStandardOnIntegers) {
  constexpr auto kMin = std::numeric_limits<int32_t>::min();
  constexpr auto kMax = std::numeric_limits<int32_t>::max();
  EXPECT_THAT(Binary<int32_t>(BinaryOp::kAdd, {kMax, 1}, {1, 2}), ElementsAre(kMin, 3));
  EXPECT_THAT(Binary<int32_t>(BinaryOp::kMul, {65536, -3}, {65536, 5}), ElementsAre(0, -15));
  EXPECT_THAT(Binary<int32_t>(BinaryOp::kDiv, {7, -7, 7, 1, kMin}, {2, 2, -2, 0, -1}),
              ElementsAre(3, -3, -3, 0, kMin));
  EXPECT_THAT(Binary<int32_t>(BinaryOp::kMod, {-4, 7, 5, 4, -7, 8}, {2, -3, 8, -2, 3, 5}),
              ElementsAre(0, -2, 5, 0, 2, 3));
  EXPECT_THAT(Binary<int32_t>(BinaryOp::kFmod, {-4, 7, 5, 4, -7, 8}, {2, -3, 8, -2, 3, 5}),
              ElementsAre(0, 1, 5, 0, -1, 3));
  EXPECT_THAT(Binary<int32_t>(BinaryOp::kMod, {kMin, 5}, {-1, 0}), ElementsAre(0, 0));
  EXPECT_THAT(Binary<uint8_t>(BinaryOp::kSub, {uint8_t{1}}, {uint8_t{2}}), ElementsAre(255));
  EXPECT_THAT(Binary<uint16_t>(BinaryOp::kMul, {uint16_t{65535}}, {uint16_t{65535}}),
              ElementsAre(1));
  EXPECT_THAT(Binary<uint8_t>(BinaryOp::kShiftLeft, {uint8_t{3}, uint8_t{1}, uint8_t{1}},
                              {uint8_t{7}, uint8_t{0}, uint8_t{8}}),
              ElementsAre(128, 1, 0));
  EXPECT_THAT(Binary<uint64_t>(BinaryOp::kShiftRight, {~uint64_t{0}, uint64_t{8}},
                               {uint64_t{63}, uint64_t{64}}),
              ElementsAre(1, 0));
  EXPECT_THAT(Binary<int8_t>(BinaryOp::kShiftLeft,
                             {int8_t{-3}, int8_t{64}, int8_t{1}, int8_t{1}, int8_t{1}},
                             {int8_t{2}, int8_t{1}, int8_t{7}, int8_t{8}, int8_t{-1}}),
              ElementsAre(-12, -128, -128, 0, 0));
  EXPECT_THAT(
      Binary<int32_t>(BinaryOp::kShiftRight, {-5, -1, -8, 8, -8, 8}, {1, 31, 32, 32, -1, -1}),
      ElementsAre(-3, -1, -1, 0, -1, 0));
  EXPECT_THAT(Binary<int16_t>(BinaryOp::kBitwiseXor, {int16_t{-1}}, {int16_t{5}}), ElementsAre(-6));
  EXPECT_THAT(Binary<bool>(BinaryOp::kXor, {true, true}, {true, false}), ElementsAre(false, true));
  EXPECT_THAT(Binary<bool>(BinaryOp::kEqual, {true, true}, {true, false}),
              ElementsAre(true, false));
  EXPECT_THAT(Binary<bool>(BinaryOp::kGreaterOrEqual, {uint64_t{1} << 63}, {uint64_t{1}}),
              ElementsAre(true));
}

TEST(BinaryReferenceTest, FollowsTheStandardOnFloats) {
  EXPECT_THAT(Binary<float>(BinaryOp::kFmod, {-4.3f, 7.2f}, {2.1f, -3.3f}),
              ElementsAre(std::fmod(-4.3f, 2.1f), std::fmod(7.2f, -3.3f)));
  EXPECT_THAT(Binary<float>(BinaryOp::kMod, {-1.0f, 5.5f}, {3.0f, -2.0f}), ElementsAre(2, -0.5f));
  EXPECT_THAT(Binary<float>(BinaryOp::kPRelu, {-4.0f, 4.0f}, {0.5f, 0.5f}), ElementsAre(-2, 4));
  EXPECT_THAT(Binary<float>(BinaryOp::kDiv, {1.0f, -1.0f}, {0.0f, 0.0f}), ElementsAre(kInf, -kInf));
  EXPECT_THAT(Binary<bool>(BinaryOp::kEqual, {kNaN, kInf, 0.0f}, {kNaN, kInf, -0.0f}),
              ElementsAre(false, true, true));
  for (const BinaryOp op : {BinaryOp::kMax, BinaryOp::kMin, BinaryOp::kAdd, BinaryOp::kMul}) {
    for (const float got : Binary<float>(op, {kNaN, 1.0f}, {1.0f, kNaN})) {
      EXPECT_TRUE(std::isnan(got)) << BinaryOpName(op);
    }
  }
  // One rounding: 2049 is no float16, and 2048 + 1 is a tie that goes to even.
  const std::vector<Float16> sum =
      Binary<Float16>(BinaryOp::kAdd, {Float16(2048.0f)}, {Float16(1.0f)});
  EXPECT_EQ(static_cast<float>(sum[0]), 2048.0f);
}

TEST(BinaryReferenceTest, RaisesToPowersOfOtherTypes) {
  EXPECT_THAT(Binary<float>(BinaryOp::kPow, {2.0f, 9.0f, -2.0f}, {3.0f, 0.5f, 2.0f}),
              ElementsAre(8, 3, 4));
  EXPECT_THAT((Binary<float, float, int64_t>(BinaryOp::kPow, {1.5f, 2.0f}, {2, -1})),
              ElementsAre(2.25f, 0.5f));
  EXPECT_THAT((Binary<int32_t, int32_t, float>(BinaryOp::kPow, {9, 2, 2}, {0.5f, 40.0f, -1.0f})),
              ElementsAre(3, std::numeric_limits<int32_t>::max(), 0));
  EXPECT_THAT(
      (Binary<int32_t, int32_t, int32_t>(BinaryOp::kPow, {3, -1, 1, 2, 3}, {4, -3, -2, -1, 0})),
      ElementsAre(81, -1, 1, 0, 1));
}

TEST(WhereReferenceTest, BroadcastsAllThree) {
  const WhereProblem problem{DType::kI16, {2, 1}, {1, 3}, {}};
  const TestTensor condition = TestTensor::Of<bool>({2, 1}, {true, false});
  const TestTensor a = TestTensor::Of<int16_t>({1, 3}, {1, 2, 3});
  const TestTensor b = TestTensor::Of<int16_t>({}, {9});
  const TestTensor out(DType::kI16, {2, 3});
  SerialFor serial;
  RunKernel(*MakeReference(WhereVariants(), problem), {condition.View(), a.View(), b.View()},
            {out.View()}, serial);
  EXPECT_THAT(out.Span<int16_t>(), ElementsAre(1, 2, 3, 9, 9, 9));
  EXPECT_TRUE(out.GuardIntact());
}

TEST(CastReferenceTest, ConvertsAsTheStandardSays) {
  EXPECT_THAT(
      (Cast<int32_t, float>({1.9f, -1.9f, 3e9f, -3e9f, kNaN, kInf})),
      ElementsAre(1, -1, std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min(),
                  0, std::numeric_limits<int32_t>::max()));
  EXPECT_THAT((Cast<uint8_t, double>({-1.0, 255.7, 256.0})), ElementsAre(0, 255, 255));
  EXPECT_THAT((Cast<int64_t, double>({9.3e18, -9.3e18, 4503599627370497.0})),
              ElementsAre(std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min(),
                          4503599627370497));
  EXPECT_THAT((Cast<int8_t, int32_t>({127, 128, -129, 256})), ElementsAre(127, -128, 127, 0));
  EXPECT_THAT((Cast<bool, float>({0.0f, -0.0f, 0.1f, kNaN})),
              ElementsAre(false, false, true, true));
  EXPECT_THAT((Cast<float, bool>({true, false})), ElementsAre(1, 0));
  EXPECT_THAT((Cast<float, int64_t>({16777217, -1})), ElementsAre(16777216, -1));
  EXPECT_THAT((Cast<bool, int64_t>({0, 256})), ElementsAre(false, true));
}

TEST(CastReferenceTest, RoundsOnceToSixteenBits) {
  // Just above a tie of float16, by less than float can tell: twice rounded it would fall to even.
  const double above_tie = 1.0 + 0x1p-11 + 0x1p-40;
  EXPECT_EQ(static_cast<float>(Cast<Float16, double>({above_tie})[0]), 1.0f + 0x1p-10f);
  EXPECT_EQ(static_cast<float>(Cast<Float16, double>({1.0 + 0x1p-11})[0]), 1.0f);
  EXPECT_EQ(static_cast<float>(Cast<BFloat16, double>({1.0 + 0x1p-8 + 0x1p-40})[0]),
            1.0f + 0x1p-7f);
  EXPECT_EQ(static_cast<float>(Cast<Float16, int32_t>({70000})[0]), kInf);
  EXPECT_EQ(static_cast<float>(Cast<Float16, float>({65519.0f})[0]), 65504.0f);
}

TEST(ElementwiseTest, RefusesTypesThatAnOperatorDoesNotTake) {
  const auto code = [](UnaryOp op, DType dtype) {
    return SelectKernel(UnaryVariants(), UnaryProblem{op, dtype, {3}, 0, 0}, MakeContext{}, {})
        .status()
        .code();
  };
  EXPECT_EQ(code(UnaryOp::kExp, DType::kI32), StatusCode::kUnsupported);
  EXPECT_EQ(code(UnaryOp::kNot, DType::kF32), StatusCode::kUnsupported);
  EXPECT_EQ(code(UnaryOp::kAbs, DType::kBool), StatusCode::kUnsupported);
  EXPECT_EQ(code(UnaryOp::kAbs, DType::kI4), StatusCode::kUnsupported);
}

}  // namespace
}  // namespace ergo
