// The vector functions of math-inl.h and activation-inl.h against double precision of libm.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/kernels/base/math_test.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include "kernels/base/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {

void ExpRow(const float* x, float* y, size_t count) {
  const hn::ScalableTag<float> d;
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    hn::StoreU(Exp(d, hn::LoadU(d, x + i)), d, y + i);
  }
}
void SigmoidRow(const float* x, float* y, size_t count) {
  const hn::ScalableTag<float> d;
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    hn::StoreU(Sigmoid(d, hn::LoadU(d, x + i)), d, y + i);
  }
}
void TanhRow(const float* x, float* y, size_t count) {
  const hn::ScalableTag<float> d;
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    hn::StoreU(Tanh(d, hn::LoadU(d, x + i)), d, y + i);
  }
}
void ErfRow(const float* x, float* y, size_t count) {
  const hn::ScalableTag<float> d;
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    hn::StoreU(Erf(d, hn::LoadU(d, x + i)), d, y + i);
  }
}
void ActivateInPlace(const ActivationSpec& spec, float* row, size_t count) {
  ActivateRow(spec, row, count);
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

HWY_EXPORT(ExpRow);
HWY_EXPORT(SigmoidRow);
HWY_EXPORT(TanhRow);
HWY_EXPORT(ErfRow);
HWY_EXPORT(ActivateInPlace);

using testing::ForEachSimdTarget;
using testing::UlpError;

constexpr size_t kCount = 1 << 16;  // a multiple of every vector length

// Floats of both signs over all exponents (a prime stride over the bit patterns), infinities, NaN
// and zeros among them.
std::vector<float> AllKinds() {
  std::vector<float> values(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    values[i] = std::bit_cast<float>(static_cast<uint32_t>(i * 65521));
  }
  const float special[] = {0.0f,   -0.0f,  INFINITY, -INFINITY, NAN,     1e-40f, -1e-40f,
                           88.72f, 88.73f, -87.34f,  -103.97f,  -104.5f, 4e-4f,  7.9053f};
  std::copy(std::begin(special), std::end(special), values.begin());
  return values;
}

// Evenly over [-limit, limit].
std::vector<float> Even(float limit) {
  std::vector<float> values(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    values[i] = limit * (2 * static_cast<float>(i) / static_cast<float>(kCount - 1) - 1);
  }
  return values;
}

using RowFunction = void (*)(const float*, float*, size_t);

void ExpectWithin(const std::vector<float>& x, RowFunction function, double (*exact)(double),
                  const std::function<bool(float got, double expected, float x)>& within) {
  std::vector<float> y(x.size());
  function(x.data(), y.data(), x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double expected = exact(static_cast<double>(x[i]));
    ASSERT_TRUE(within(y[i], expected, x[i]))
        << "f(" << x[i] << ") = " << y[i] << ", exactly " << expected;
  }
}

TEST(MathTest, ExpIsWithinTwoUlp) {
  ForEachSimdTarget([](const std::string&) {
    for (const auto& x : {AllKinds(), Even(110)}) {
      ExpectWithin(x, HWY_DYNAMIC_DISPATCH(ExpRow), std::exp,
                   [](float got, double expected, float) {
                     return UlpError(got, expected) <= 2 ||
                            std::fabs(static_cast<double>(got) - expected) <= 0x1p-148;
                   });
    }
  });
}

TEST(MathTest, SigmoidIsWithinThreeUlp) {
  ForEachSimdTarget([](const std::string&) {
    for (const auto& x : {AllKinds(), Even(100)}) {
      ExpectWithin(
          x, HWY_DYNAMIC_DISPATCH(SigmoidRow), [](double v) { return 1 / (1 + std::exp(-v)); },
          [](float got, double expected, float) {
            return UlpError(got, expected) <= 3 ||
                   std::fabs(static_cast<double>(got) - expected) <= 0x1p-126;
          });
    }
  });
}

TEST(MathTest, TanhIsWithinSixUlp) {
  ForEachSimdTarget([](const std::string&) {
    for (const auto& x : {AllKinds(), Even(10), Even(1)}) {
      ExpectWithin(x, HWY_DYNAMIC_DISPATCH(TanhRow), std::tanh,
                   [](float got, double expected, float) {
                     return UlpError(got, expected) <= 6 && !(std::fabs(got) > 1);
                   });
    }
  });
}

TEST(MathTest, ErfIsWithinItsBound) {
  ForEachSimdTarget([](const std::string&) {
    for (const auto& x : {AllKinds(), Even(5), Even(1)}) {
      ExpectWithin(x, HWY_DYNAMIC_DISPATCH(ErfRow), std::erf,
                   [](float got, double expected, float at) {
                     return UlpError(got, expected) <= 6 ||
                            (std::fabs(at) >= 1 && std::fabs(got) <= 1 &&
                             std::fabs(static_cast<double>(got) - expected) <= 0x1p-21);
                   });
    }
  });
}

const ActivationSpec kSpecs[] = {
    {Activation::kNone},          {Activation::kRelu},
    {Activation::kClip, -1, 6},   {Activation::kLeakyRelu, 0.1f},
    {Activation::kSigmoid},       {Activation::kTanh},
    {Activation::kSilu},          {Activation::kHardSwish},
    {Activation::kLeakyRelu, -3}, {Activation::kGelu},
};

TEST(ActivationTest, RowsMatchTheReferenceWithinItsBound) {
  ForEachSimdTarget([](const std::string&) {
    for (const ActivationSpec& spec : kSpecs) {
      SCOPED_TRACE(ActivationName(spec.kind));
      for (const float limit : {1.0f, 12.0f, 1000.0f}) {
        const std::vector<float> x = Even(limit);
        std::vector<float> y = x;
        HWY_DYNAMIC_DISPATCH(ActivateInPlace)(spec, y.data(), y.size());
        for (size_t i = 0; i < x.size(); ++i) {
          const double argument = x[i];
          const double expected = Activate(spec, argument);
          // The last term is the rounding of the exact value to a float.
          const double bound = ActivationErrorBound(spec, std::fabs(argument)) +
                               std::fabs(expected) * 0x1p-24 + 0x1p-126;
          ASSERT_LE(std::fabs(static_cast<double>(y[i]) - expected), bound) << x[i];
        }
      }
    }
  });
}

TEST(ActivationTest, KeepsNaNAndTouchesNothingBeyondTheRow) {
  ForEachSimdTarget([](const std::string&) {
    for (const ActivationSpec& spec : kSpecs) {
      SCOPED_TRACE(ActivationName(spec.kind));
      for (size_t count = 0; count < 70; ++count) {
        std::vector<float> row(100, 0.5f);
        if (count > 0) row[count - 1] = NAN;
        HWY_DYNAMIC_DISPATCH(ActivateInPlace)(spec, row.data(), count);
        if (count > 0) {
          EXPECT_TRUE(std::isnan(row[count - 1]));
        }
        for (size_t i = count; i < row.size(); ++i) ASSERT_EQ(row[i], 0.5f);
      }
    }
  });
}

TEST(ActivationTest, NamesAreTheirOwnInverse) {
  for (const ActivationSpec& spec : kSpecs) {
    EXPECT_EQ(ActivationFromName(ActivationName(spec.kind)), spec.kind);
  }
  EXPECT_FALSE(ActivationFromName("softmax").has_value());
}

TEST(ActivationTest, SlopeBoundsTheDerivative) {
  for (const ActivationSpec& spec : kSpecs) {
    for (double x = -20; x < 20; x += 1.0 / 64) {
      const double slope = (Activate(spec, x + 1e-6) - Activate(spec, x - 1e-6)) / 2e-6;
      EXPECT_LE(std::fabs(slope), ActivationSlope(spec) + 1e-6)
          << ActivationName(spec.kind) << " at " << x;
    }
  }
}

}  // namespace
}  // namespace ergo
#endif  // HWY_ONCE
