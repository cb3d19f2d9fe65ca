// Both losses against their formulas over random shapes.
#include "kernels/loss/loss.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using testing::MakeReference;
using testing::RunKernel;
using testing::TestTensor;
using testing::ThreadedFor;
using Reduction = LossProblem::Reduction;

struct Operands {
  TestTensor scores, targets, weights;
  bool weighted;
};

struct Answer {
  std::vector<double> loss, log_probabilities;
};

Answer Naive(const LossProblem& p, const Operands& x) {
  Answer answer;
  const auto score = [&](int64_t b, int64_t c, int64_t i) {
    const auto at = static_cast<size_t>((b * p.classes + c) * p.inner + i);
    return static_cast<double>(x.scores.Span<float>()[at]);
  };
  answer.log_probabilities.resize(x.scores.Span<float>().size());
  double sum = 0, divisor = 0;
  for (int64_t place = 0; place < p.batch * p.inner; ++place) {
    const int64_t b = place / p.inner, i = place % p.inner;
    double exponentials = 0;
    for (int64_t c = 0; c < p.classes; ++c) exponentials += std::exp(score(b, c, i));
    const auto log_probability = [&](int64_t c) {
      return p.softmax_first ? std::log(std::exp(score(b, c, i)) / exponentials) : score(b, c, i);
    };
    for (int64_t c = 0; c < p.classes; ++c) {
      answer.log_probabilities[static_cast<size_t>((b * p.classes + c) * p.inner + i)] =
          log_probability(c);
    }
    const auto at = static_cast<size_t>(place);
    const int64_t target = p.target_dtype == DType::kI64 ? x.targets.Span<int64_t>()[at]
                                                         : x.targets.Span<int32_t>()[at];
    const bool ignored = p.has_ignore_index && target == p.ignore_index;
    double loss = 0;
    if (!ignored) {
      const double weight =
          x.weighted ? static_cast<double>(x.weights.Span<float>()[static_cast<size_t>(target)])
                     : 1;
      loss = -weight * log_probability(target);
      divisor += weight;
    }
    sum += loss;
    if (p.reduction == Reduction::kNone) answer.loss.push_back(loss);
  }
  if (p.reduction == Reduction::kSum) answer.loss = {sum};
  if (p.reduction == Reduction::kMean) answer.loss = {sum / divisor};
  return answer;
}

void ExpectNear(const TestTensor& got, const std::vector<double>& expected) {
  ASSERT_EQ(got.Span<float>().size(), expected.size());
  EXPECT_TRUE(got.GuardIntact());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(got.Span<float>()[i], expected[i], 1e-5 * (1 + std::fabs(expected[i])));
  }
}

TEST(LossTest, IsItsFormula) {
  for (uint32_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937 random(seed);
    const auto draw = [&](int64_t low, int64_t high) {
      return std::uniform_int_distribution<int64_t>(low, high)(random);
    };
    LossProblem p;
    p.target_dtype = draw(0, 1) == 1 ? DType::kI64 : DType::kI32;
    p.batch = draw(1, 5);
    p.classes = draw(2, 7);
    p.inner = draw(1, 4);
    p.reduction = static_cast<Reduction>(draw(0, 2));
    p.softmax_first = draw(0, 1) == 1;
    p.has_ignore_index = draw(0, 1) == 1;
    p.ignore_index = draw(0, 1) == 1 ? -1 : 0;
    const Shape scores{p.batch, p.classes, p.inner}, places{p.batch, p.inner};
    Operands x{TestTensor(DType::kF32, scores), TestTensor(p.target_dtype, places),
               TestTensor(DType::kF32, {p.classes}), draw(0, 1) == 1};
    x.scores.FillUniform(random, -3, 3);
    // Only an ignored target may lie outside.
    const bool outside = p.has_ignore_index && p.ignore_index < 0;
    x.targets.FillUniform(random, outside ? -1 : 0, static_cast<double>(p.classes - 1));
    // One target that counts, so that there is a mean.
    if (p.target_dtype == DType::kI64) x.targets.Span<int64_t>()[0] = 1;
    if (p.target_dtype == DType::kI32) x.targets.Span<int32_t>()[0] = 1;
    x.weights.FillUniform(random, 0.5, 2);
    const TestTensor loss(DType::kF32, p.reduction == Reduction::kNone ? places : Shape());
    const TestTensor log_probabilities(DType::kF32, scores);
    const TensorView weights = x.weighted ? TensorView(x.weights.View()) : TensorView();
    ThreadedFor parallel(3);
    RunKernel(*MakeReference(LossVariants(), p), {x.scores.View(), x.targets.View(), weights},
              {loss.View(), log_probabilities.View()}, parallel);
    const Answer expected = Naive(p, x);
    ExpectNear(loss, expected.loss);
    if (p.softmax_first) ExpectNear(log_probabilities, expected.log_probabilities);
  }
}

}  // namespace
}  // namespace ergo
