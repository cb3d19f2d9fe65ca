#include "kernels/ngram/ngram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using testing::RunKernel;
using testing::TestTensor;
using testing::ThreadedFor;
using Weighting = NgramProblem::Weighting;

// How often the n-gram stands in the row with `apart` - 1 items between its own.
int64_t Occurrences(std::span<const int64_t> row, std::span<const int64_t> ngram, size_t apart) {
  int64_t count = 0;
  for (size_t start = 0; start + (ngram.size() - 1) * apart < row.size(); ++start) {
    bool same = true;
    for (size_t i = 0; i < ngram.size(); ++i) same &= row[start + i * apart] == ngram[i];
    count += same;
  }
  return count;
}

// The definition, one n-gram of the pool after the other.
std::vector<float> Naive(const NgramProblem& p, std::span<const int64_t> row) {
  std::vector<float> counts(static_cast<size_t>(p.width), 0.0f);
  size_t ngram = 0;
  for (size_t size = 1; size <= p.starts.size(); ++size) {
    const auto begin = static_cast<size_t>(p.starts[size - 1]);
    const size_t end = size < p.starts.size() ? static_cast<size_t>(p.starts[size]) : p.pool.size();
    for (size_t at = begin; at < end; at += size, ++ngram) {
      const auto items = static_cast<int64_t>(size);
      if (items < p.min_items || items > p.max_items) continue;
      const int64_t skips = size == 1 ? 0 : p.max_skip;
      for (int64_t skip = 0; skip <= skips; ++skip) {
        counts[static_cast<size_t>(p.columns[ngram])] += static_cast<float>(
            Occurrences(row, std::span(p.pool).subspan(at, size), static_cast<size_t>(skip) + 1));
      }
    }
  }
  for (size_t i = 0; i < counts.size(); ++i) {
    if (p.weighting == Weighting::kIdf) counts[i] = counts[i] > 0 ? 1.0f : 0.0f;
    if (p.weighting != Weighting::kTf && !p.weights.empty()) counts[i] *= p.weights[i];
  }
  return counts;
}

// Distinct 1-grams and 2-grams and 3-grams of the numbers 0 to 4.
NgramProblem RandomProblem(std::mt19937& random) {
  NgramProblem p;
  const auto draw = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  p.rows = draw(0, 3);
  p.length = draw(0, 24);
  p.weighting = static_cast<Weighting>(draw(0, 2));
  p.min_items = draw(1, 3);
  p.max_items = draw(p.min_items, 3);
  p.max_skip = draw(0, 3);
  for (size_t size = 1; size <= 3; ++size) {
    p.starts.push_back(static_cast<int64_t>(p.pool.size()));
    for (int64_t number = draw(0, 1); number < (size == 1 ? 5 : 25); number += draw(1, 4)) {
      if (size == 3) p.pool.push_back(number % 3);
      if (size > 1) p.pool.push_back(number / 5);
      p.pool.push_back(number % 5);
      p.columns.push_back(static_cast<int64_t>(p.columns.size()));
    }
  }
  std::shuffle(p.columns.begin(), p.columns.end(), random);
  p.width = static_cast<int64_t>(p.columns.size());
  if (draw(0, 1) == 1) {
    for (int64_t i = 0; i < p.width; ++i)
      p.weights.push_back(0.25f * static_cast<float>(draw(1, 9)));
  }
  return p;
}

TEST(NgramTest, CountsAsTheDefinitionDoes) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937 random(seed);
    NgramProblem p = RandomProblem(random);
    p.dtype = seed % 2 == 0 ? DType::kI64 : DType::kI32;
    TestTensor x(p.dtype, {p.rows, p.length});
    x.FillUniform(random, 0, 4);
    const TestTensor y(DType::kF32, {p.rows, p.width});
    ThreadedFor parallel(3);
    RunKernel(*testing::MakeReference(NgramVariants(), p), {x.View()}, {y.View()}, parallel);
    EXPECT_TRUE(y.GuardIntact());
    std::vector<float> expected;
    for (int64_t row = 0; row < p.rows; ++row) {
      std::vector<int64_t> items;
      for (int64_t i = row * p.length; i < (row + 1) * p.length; ++i) {
        const auto at = static_cast<size_t>(i);
        items.push_back(p.dtype == DType::kI64 ? x.Span<int64_t>()[at] : x.Span<int32_t>()[at]);
      }
      for (const float value : Naive(p, items)) expected.push_back(value);
    }
    EXPECT_THAT(std::vector<float>(y.Span<float>().begin(), y.Span<float>().end()),
                ::testing::ElementsAreArray(expected));
  }
}

TEST(NgramTest, RefusesPoolsThatDoNotFit) {
  NgramProblem good;
  good.pool = {1, 2, 3, 4};
  good.starts = {0, 2};
  good.columns = {0, 1, 2};
  good.width = 3;
  good.max_items = 2;
  const auto code = [](const NgramProblem& p) {
    return SelectKernel(NgramVariants(), p, MakeContext{}, {}).status().code();
  };
  EXPECT_EQ(code(good), StatusCode::kOk);
  NgramProblem bad = good;
  bad.starts = {0, 3};
  EXPECT_EQ(code(bad), StatusCode::kInvalidArgument);
  bad = good;
  bad.starts = {0, 9};
  EXPECT_EQ(code(bad), StatusCode::kInvalidArgument);
  bad = good;
  bad.columns = {0, 1, 3};
  EXPECT_EQ(code(bad), StatusCode::kInvalidArgument);
  bad = good;
  bad.weights = {1};
  EXPECT_EQ(code(bad), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ergo
