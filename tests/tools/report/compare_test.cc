#include "tools/ergo/compare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <vector>

#include "engine/graph/tensor.h"

namespace ergo::tool {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

Comparison CompareF32(std::initializer_list<float> actual, std::initializer_list<float> expected,
                      const Tolerance& tolerance = {}) {
  const Shape shape{static_cast<int64_t>(expected.size())};
  const Tensor a = Tensor::FromValues<float>(shape, actual);
  const Tensor e = Tensor::FromValues<float>(shape, expected);
  return Compare(a.View(), e.View(), tolerance);
}

TEST(Compare, FloatsMatchWithinAtolPlusRtolTimesExpected) {
  EXPECT_TRUE(CompareF32({100.09f, 0.000009f}, {100, 0}).Matches());
  EXPECT_FALSE(CompareF32({100.11f}, {100}).Matches());
  EXPECT_FALSE(CompareF32({0.000011f}, {0}).Matches());
  EXPECT_TRUE(CompareF32({110}, {100}, {0.1, 1e-3}).Matches());
  EXPECT_FALSE(CompareF32({100.0001f}, {100}, {0.0, 0}).Matches());
}

TEST(Compare, NanMatchesNanAndInfinityItself) {
  EXPECT_TRUE(CompareF32({kNan, kInf, -kInf}, {kNan, kInf, -kInf}).Matches());
  EXPECT_FALSE(CompareF32({1}, {kNan}).Matches());
  EXPECT_FALSE(CompareF32({kNan}, {1}).Matches());
  EXPECT_FALSE(CompareF32({kInf}, {-kInf}).Matches());
  EXPECT_FALSE(CompareF32({kInf}, {3e38f}).Matches());
  EXPECT_FALSE(CompareF32({3e38f}, {kInf}, {10, 0}).Matches());
}

TEST(Compare, TellsWhereTheLargestErrorsAre) {
  const Tensor expected = Tensor::FromValues<float>({2, 3}, {1, 2, 100, 4, 5, 6});
  const Tensor actual = Tensor::FromValues<float>({2, 3}, {1, 2, 101, 4, 5.5f, 6});
  const Comparison comparison = Compare(actual.View(), expected.View(), {});
  EXPECT_EQ(comparison.mismatches, 2);
  EXPECT_EQ(comparison.elements, 6);
  EXPECT_DOUBLE_EQ(comparison.max_abs, 1);
  EXPECT_EQ(comparison.max_abs_at, "[0, 2]");
  EXPECT_DOUBLE_EQ(comparison.max_rel, 0.1);
  EXPECT_EQ(comparison.max_rel_at, "[1, 1]");
  EXPECT_EQ(comparison.first_mismatch, "[0, 2]: 101, expected 100");
}

TEST(Compare, CosineAndPercentileSayHowFarQuantizedModelsAreOff) {
  EXPECT_DOUBLE_EQ(CompareF32({3, 4}, {6, 8}).cosine, 1);
  EXPECT_DOUBLE_EQ(CompareF32({1, 0}, {0, 1}).cosine, 0);
  EXPECT_DOUBLE_EQ(CompareF32({0, 0}, {0, 0}).cosine, 1);
  EXPECT_NEAR(CompareF32({1, 1}, {1, 0}).cosine, std::sqrt(0.5), 1e-12);
  std::vector<float> errors(200, 0.5f);
  errors[7] = 100;
  std::vector<float> zeros(200, 0);
  const Tensor a = Tensor::FromValues<float>({200}, std::span<const float>(errors));
  const Tensor e = Tensor::FromValues<float>({200}, std::span<const float>(zeros));
  EXPECT_DOUBLE_EQ(Compare(a.View(), e.View(), {}).abs_p99, 0.5);
  EXPECT_DOUBLE_EQ(Compare(a.View(), e.View(), {}).max_abs, 100);
}

TEST(Compare, IntegersAndBoolsMatchExactly) {
  const auto compare = [](const Tensor& a, const Tensor& e) {
    return Compare(a.View(), e.View(), {1e9, 1e9});
  };
  EXPECT_TRUE(compare(Tensor::Scalar<int32_t>(7), Tensor::Scalar<int32_t>(7)).Matches());
  EXPECT_FALSE(compare(Tensor::Scalar<int32_t>(7), Tensor::Scalar<int32_t>(8)).Matches());
  EXPECT_FALSE(compare(Tensor::Scalar<bool>(true), Tensor::Scalar<bool>(false)).Matches());
  // One apart, which doubles cannot tell.
  const int64_t large = int64_t{1} << 60;
  EXPECT_FALSE(compare(Tensor::Scalar(large), Tensor::Scalar(large + 1)).Matches());
}

TEST(Compare, HalfTypesHaveTolerancesOfTheirOwn) {
  const auto compare = [](auto a, auto e) {
    return Compare(Tensor::Scalar(a).View(), Tensor::Scalar(e).View(), {});
  };
  EXPECT_TRUE(compare(Float16(1.0f), Float16(1.0f + 0x1p-10f)).Matches());
  EXPECT_FALSE(compare(Float16(1.0f), Float16(1.0f + 0x3p-10f)).Matches());
  EXPECT_TRUE(compare(BFloat16(1.0f), BFloat16(1.0f + 0x1p-7f)).Matches());
  EXPECT_FALSE(compare(BFloat16(1.0f), BFloat16(1.0f + 0x3p-7f)).Matches());
}

TEST(Compare, OtherTypesAndShapesAreAProblem) {
  const Tensor f32 = Tensor::FromValues<float>({2}, {1, 2});
  const Tensor f64 = Tensor::FromValues<double>({2}, {1, 2});
  const Tensor row = f32.Reshaped({1, 2});
  const Comparison types = Compare(f32.View(), f64.View(), {});
  EXPECT_FALSE(types.Matches());
  EXPECT_EQ(types.problem, "is float32 [2], expected float64 [2]");
  EXPECT_FALSE(Compare(f32.View(), row.View(), {}).Matches());
  EXPECT_EQ(Compare(f32.View(), row.View(), {}).problem, "is float32 [2], expected float32 [1, 2]");
}

TEST(Compare, NothingMatchesNothing) {
  const Tensor none = Tensor::FromValues<float>({3, 0}, {});
  const Comparison comparison = Compare(none.View(), none.View(), {});
  EXPECT_TRUE(comparison.Matches());
  EXPECT_EQ(comparison.elements, 0);
}

TEST(Compare, PackedTypesMatchByTheirBytes) {
  const uint8_t a[] = {0x21, 0x43}, b[] = {0x21, 0x53};
  const TensorView one{a, DType::kU4, Device::kCpu, {4}};
  const TensorView other{b, DType::kU4, Device::kCpu, {4}};
  EXPECT_TRUE(Compare(one, one, {}).Matches());
  EXPECT_FALSE(Compare(one, other, {}).Matches());
}

TEST(Compare, Coordinates) {
  EXPECT_EQ(Coordinates({}, 0), "[]");
  EXPECT_EQ(Coordinates({2, 3, 4}, 23), "[1, 2, 3]");
  EXPECT_EQ(Coordinates({2, 3, 4}, 4), "[0, 1, 0]");
}

TEST(Compare, ElementsAreWrittenAsTheirType) {
  EXPECT_EQ(ElementText(1, DType::kBool), "true");
  EXPECT_EQ(ElementText(-3, DType::kI32), "-3");
  EXPECT_EQ(ElementText(0.25, DType::kF32), "0.25");
}

}  // namespace
}  // namespace ergo::tool
