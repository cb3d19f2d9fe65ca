#include "kernels/random/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace ergo {
namespace {

using ::testing::ElementsAre;

// The known answers that the authors of Philox publish with their library (Random123, kat_vectors).
TEST(PhiloxTest, GivesThePublishedAnswers) {
  EXPECT_THAT(Philox({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  const uint32_t ones = 0xffffffff;
  EXPECT_THAT(Philox({ones, ones, ones, ones}, {ones, ones}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(Philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

std::unique_ptr<Kernel> Make(const RandomProblem& problem) {
  return std::move(SelectKernel(RandomVariants(), problem, {}, {})).value().kernel;
}

std::vector<float> DrawAll(const Kernel& kernel, int64_t elements,
                           const std::vector<TensorView>& inputs = {}) {
  std::vector<float> out(static_cast<size_t>(elements));
  const std::vector<MutableTensorView> outputs = {
      {out.data(), DType::kF32, Device::kCpu, Shape{elements}}};
  SerialFor serial;
  kernel.Run({inputs, outputs, {}, serial});
  return out;
}

struct Moments {
  double mean = 0, variance = 0;
};
Moments MomentsOf(const std::vector<float>& values) {
  Moments m;
  for (const float v : values) m.mean += v / static_cast<double>(values.size());
  for (const float v : values) {
    m.variance += (v - m.mean) * (v - m.mean) / static_cast<double>(values.size());
  }
  return m;
}

TEST(RandomTest, UniformAndNormalHaveTheirMoments) {
  constexpr int64_t kDraws = 100000;
  const auto uniform = DrawAll(
      *Make({.kind = RandomProblem::Kind::kUniform, .elements = kDraws, .a = 2, .b = 6, .seed = 1}),
      kDraws);
  const Moments u = MomentsOf(uniform);
  EXPECT_NEAR(u.mean, 4, 0.02);
  EXPECT_NEAR(u.variance, 16.0 / 12, 0.02);
  for (const float v : uniform) ASSERT_TRUE(v >= 2 && v <= 6);
  const Moments n = MomentsOf(DrawAll(
      *Make({.kind = RandomProblem::Kind::kNormal, .elements = kDraws, .a = -1, .b = 3, .seed = 2}),
      kDraws));
  EXPECT_NEAR(n.mean, -1, 0.05);
  EXPECT_NEAR(n.variance, 9, 0.15);
}

TEST(RandomTest, RunsDifferAndSequencesRepeat) {
  const RandomProblem problem{.elements = 16, .seed = 7};
  const auto first = Make(problem), second = Make(problem);
  const auto a = DrawAll(*first, 16), b = DrawAll(*first, 16);
  EXPECT_NE(a, b);
  EXPECT_EQ(a, DrawAll(*second, 16));
  EXPECT_EQ(b, DrawAll(*second, 16));
}

TEST(RandomTest, BernoulliAndMultinomialFollowTheirProbabilities) {
  constexpr int64_t kDraws = 50000;
  const std::vector<float> probabilities(kDraws, 0.3f);
  const TensorView input{probabilities.data(), DType::kF32, Device::kCpu, Shape{kDraws}};
  const auto coin = DrawAll(*Make({.kind = RandomProblem::Kind::kBernoulli, .elements = kDraws}),
                            kDraws, {input});
  EXPECT_NEAR(MomentsOf(coin).mean, 0.3, 0.01);

  const std::vector<float> scores = {std::log(0.2f), std::log(0.5f), std::log(0.3f)};
  const TensorView score_view{scores.data(), DType::kF32, Device::kCpu, Shape{1, 3}};
  const auto kernel = Make({.kind = RandomProblem::Kind::kMultinomial,
                            .dtype = DType::kI32,
                            .elements = kDraws,
                            .samples = kDraws,
                            .classes = 3});
  std::vector<int32_t> out(kDraws);
  const std::vector<MutableTensorView> outputs = {
      {out.data(), DType::kI32, Device::kCpu, Shape{1, kDraws}}};
  SerialFor serial;
  kernel->Run({std::vector{score_view}, outputs, {}, serial});
  std::map<int32_t, double> share;
  for (const int32_t v : out) share[v] += 1.0 / kDraws;
  EXPECT_NEAR(share[0], 0.2, 0.01);
  EXPECT_NEAR(share[1], 0.5, 0.01);
  EXPECT_NEAR(share[2], 0.3, 0.01);
}

}  // namespace
}  // namespace ergo
