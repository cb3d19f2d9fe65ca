#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "tools/ergo/compare.h"
#include "tools/ergo/input_tensors.h"

namespace ergo::tool {
namespace {

using ::testing::ElementsAre;

constexpr int64_t kElements = 4096;

struct Range {
  DType dtype;
  double low, high;
};

TEST(RandomTensor, FillsTheRangeOfEachType) {
  constexpr Range kRanges[] = {{DType::kF32, -1, 1},   {DType::kF64, -1, 1}, {DType::kF16, -1, 1},
                               {DType::kBF16, -1, 1},  {DType::kU8, 0, 255}, {DType::kU16, 0, 9},
                               {DType::kI16, 0, 9},    {DType::kI32, 0, 9},  {DType::kU32, 0, 9},
                               {DType::kU64, 0, 9},    {DType::kI64, 0, 9},  {DType::kBool, 0, 1},
                               {DType::kI8, -128, 127}};
  for (const auto& [dtype, low, high] : kRanges) {
    SCOPED_TRACE(DTypeName(dtype));
    const Result<Tensor> tensor = RandomTensor(dtype, {64, 64}, 1);
    ASSERT_TRUE(tensor.ok()) << tensor.status().ToString();
    EXPECT_EQ(tensor->Type(), dtype);
    const auto values = ToDoubles(tensor->View());
    ASSERT_EQ(static_cast<int64_t>(values.size()), kElements);
    const auto [least, greatest] = std::ranges::minmax(values);
    const double margin = (high - low) / 50;
    EXPECT_GE(least, low);
    EXPECT_LE(greatest, high);
    EXPECT_LT(least, low + margin);
    EXPECT_GT(greatest, high - margin);
  }
}

TEST(RandomTensor, SameSeedSameValuesOtherSeedOtherValues) {
  const Tensor one = RandomTensor(DType::kF32, {100}, 1).value();
  const Tensor again = RandomTensor(DType::kF32, {100}, 1).value();
  const Tensor other = RandomTensor(DType::kF32, {100}, 2).value();
  EXPECT_EQ(std::memcmp(one.Data(), again.Data(), 400), 0);
  EXPECT_NE(std::memcmp(one.Data(), other.Data(), 400), 0);
}

// Recorded with Python from the standard's definition of mt19937_64: benchmarks of different
// machines should run on the same values.
TEST(RandomTensor, ValuesOfASeedAreTheSameOnEveryMachine) {
  const Tensor integers = RandomTensor(DType::kI64, {4}, 7).value();
  EXPECT_THAT(integers.Span<int64_t>(), ElementsAre(5, 0, 8, 6));
  const Tensor floats = RandomTensor(DType::kF32, {3}, 7).value();
  EXPECT_THAT(floats.Span<float>(),
              ElementsAre(0x1.047d940000000p-1f, 0x1.cc159c0000000p-1f, -0x1.87c4900000000p-1f));
}

TEST(RandomTensor, EmptyAndScalar) {
  EXPECT_EQ(RandomTensor(DType::kF32, {0, 5}, 1)->Elements(), 0);
  EXPECT_EQ(RandomTensor(DType::kI64, {}, 1)->Elements(), 1);
}

TEST(RandomTensor, TypesWithoutAnElementOfTheirOwnAreRefusedByName) {
  const Result<Tensor> tensor = RandomTensor(DType::kF8E4M3FN, {2}, 1);
  ASSERT_FALSE(tensor.ok());
  EXPECT_EQ(tensor.status().code(), StatusCode::kUnsupported);
  EXPECT_NE(tensor.status().message().find(DTypeName(DType::kF8E4M3FN)), std::string::npos);
}

}  // namespace
}  // namespace ergo::tool
