// TopK against std::stable_sort over random shapes, with ties and NaN.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "kernels/sort/sort.h"
#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using testing::MakeReference;
using testing::RunKernel;
using testing::TestTensor;
using testing::ThreadedFor;

template <typename T>
bool IsNaN(T x) {
  return x != x;
}

// NaN as larger than every number.
template <typename T>
bool Less(T a, T b) {
  return IsNaN(b) ? !IsNaN(a) : a < b;
}

template <typename T>
void ExpectSorted(const TopKProblem& p, const TestTensor& x) {
  const TestTensor values(p.dtype, {p.outer, p.k, p.inner});
  const TestTensor places(DType::kI64, {p.outer, p.k, p.inner});
  ThreadedFor parallel(3);
  RunKernel(*MakeReference(TopKVariants(), p), {x.View()}, {values.View(), places.View()},
            parallel);
  EXPECT_TRUE(values.GuardIntact());
  EXPECT_TRUE(places.GuardIntact());
  for (int64_t line = 0; line < p.outer * p.inner; ++line) {
    const int64_t outer = line / p.inner, inner = line % p.inner;
    const auto at = [&](int64_t i) {
      return x.Span<T>()[static_cast<size_t>((outer * p.extent + i) * p.inner + inner)];
    };
    std::vector<int64_t> order(static_cast<size_t>(p.extent));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return p.largest ? Less(at(b), at(a)) : Less(at(a), at(b));
    });
    for (int64_t i = 0; i < p.k; ++i) {
      const auto out = static_cast<size_t>((outer * p.k + i) * p.inner + inner);
      const int64_t expected = order[static_cast<size_t>(i)];
      EXPECT_EQ(places.Span<int64_t>()[out], expected) << "line " << line << ", place " << i;
      const T value = values.Span<T>()[out];
      EXPECT_TRUE(value == at(expected) || (IsNaN(value) && IsNaN(at(expected))));
    }
  }
}

TEST(TopKTest, SortsAsStableSortDoes) {
  for (uint32_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937 random(seed);
    const auto draw = [&](int64_t low, int64_t high) {
      return std::uniform_int_distribution<int64_t>(low, high)(random);
    };
    TopKProblem p;
    p.outer = draw(0, 3);
    p.extent = draw(1, seed % 10 == 0 ? 300 : 12);
    p.inner = draw(1, 4);
    p.k = draw(0, p.extent);
    p.largest = draw(0, 1) == 1;
    constexpr DType kTypes[] = {DType::kF32, DType::kI64, DType::kU8};
    p.dtype = kTypes[seed % 3];
    TestTensor x(p.dtype, {p.outer, p.extent, p.inner});
    if (p.dtype == DType::kF32) {
      // Whole numbers, so that there are ties.
      for (float& value : x.Span<float>()) {
        value = draw(0, 9) == 0 ? std::numeric_limits<float>::quiet_NaN()
                                : static_cast<float>(draw(-4, 4));
      }
      ExpectSorted<float>(p, x);
    } else if (p.dtype == DType::kI64) {
      x.FillUniform(random, -5, 5);
      ExpectSorted<int64_t>(p, x);
    } else {
      x.FillUniform(random, 0, 255);
      ExpectSorted<uint8_t>(p, x);
    }
  }
}

TEST(TopKTest, RefusesMoreThanThereIs) {
  TopKProblem p;
  p.outer = p.inner = 1;
  p.extent = 3;
  p.k = 4;
  EXPECT_EQ(SelectKernel(TopKVariants(), p, MakeContext{}, {}).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ergo
