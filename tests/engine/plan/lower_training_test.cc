// Operators that behave otherwise in training: Dropout and BatchNormalization.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/engine/testing/single_node.h"

namespace ergo {
namespace {

using ::testing::Each;
using ::testing::ElementsAreArray;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using testing::NodeSpec;
using ::testing::Pointwise;
using testing::RunNode;
using testing::ValuesOf;

std::vector<float> Draw(int64_t count, uint32_t seed, float low, float high) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> draw(low, high);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = draw(random);
  return values;
}
Tensor Random(const Shape& shape, uint32_t seed, float low = 0.5f, float high = 2) {
  return Tensor::FromValues<float>(shape, Draw(shape.Elements(), seed, low, high));
}

const NodeSpec kDropout{"Dropout", {{"seed", int64_t{7}}}, 13, 2};

TEST(LowerDropoutTest, IsAnIdentityWithoutTrainingOrRatio) {
  const Tensor x = Random({3, 5}, 1);
  const auto values = ValuesOf<float>(RunNode({"Identity"}, {x}));
  const Tensor half = Tensor::Scalar(0.5f), none = Tensor::Scalar(0.0f);
  const Tensor yes = Tensor::Scalar(true), no = Tensor::Scalar(false);
  for (const auto& inputs : {std::vector{x}, {x, half, no}, {x, none, yes}}) {
    // The mode and the ratio may be known only at the run.
    for (const unsigned constants : {0u, 6u}) {
      const auto results = RunNode(kDropout, inputs, constants);
      EXPECT_THAT(ValuesOf<float>(results), ElementsAreArray(values));
      EXPECT_THAT(ValuesOf<bool>(results, 1), Each(true));
    }
  }
}

TEST(LowerDropoutTest, DropsTheRatioAndScalesTheRest) {
  const Tensor x = Random({100, 100}, 2);
  for (const float ratio : {0.25f, 0.9f}) {
    const auto results = RunNode(kDropout, {x, Tensor::Scalar(ratio), Tensor::Scalar(true)}, 0b110);
    const auto y = ValuesOf<float>(results);
    const auto mask = ValuesOf<bool>(results, 1);
    ASSERT_EQ(y.size(), 10000u);
    ASSERT_EQ(mask.size(), 10000u);
    double kept = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      kept += mask[i];
      EXPECT_FLOAT_EQ(y[i], mask[i] ? x.Span<float>()[i] / (1 - ratio) : 0);
    }
    // Six deviations of a binomial distribution.
    EXPECT_NEAR(kept, 10000 * (1 - ratio), 6 * std::sqrt(10000 * ratio * (1 - ratio)));
  }
  const auto all = RunNode(kDropout, {x, Tensor::Scalar(1.0f), Tensor::Scalar(true)}, 0b110);
  EXPECT_THAT(ValuesOf<float>(all), Each(0.0f));
  const auto first = RunNode(kDropout, {x, Tensor::Scalar(0.5), Tensor::Scalar(true)}, 0b110);
  const auto again = RunNode(kDropout, {x, Tensor::Scalar(0.5), Tensor::Scalar(true)}, 0b111);
  EXPECT_EQ(ValuesOf<float>(first), ValuesOf<float>(again));
  EXPECT_THAT(
      RunNode(kDropout, {x, Tensor::Scalar(1.5f), Tensor::Scalar(true)}, 6).status().ToString(),
      HasSubstr("the ratio is not a number from 0 to 1"));
}

// What training gives, by the formulas of the standard in double.
struct Trained {
  std::vector<float> y, mean, variance, batch_mean, batch_variance;
};

Trained Train(const std::vector<Tensor>& inputs, double momentum, double epsilon) {
  const Shape& shape = inputs[0].GetShape();
  const int64_t channels = shape[1], spatial = shape.Elements(2, shape.Rank());
  const auto x = inputs[0].Span<float>();
  const auto at = [&](int input, int64_t c) {
    return static_cast<double>(
        inputs[static_cast<size_t>(input)].Span<float>()[static_cast<size_t>(c)]);
  };
  Trained trained;
  trained.y.resize(x.size());
  for (int64_t c = 0; c < channels; ++c) {
    std::vector<size_t> of_channel;
    for (size_t i = 0; i < x.size(); ++i) {
      if (static_cast<int64_t>(i) / spatial % channels == c) of_channel.push_back(i);
    }
    double mean = 0, variance = 0;
    for (const size_t i : of_channel) mean += x[i];
    mean /= static_cast<double>(of_channel.size());
    for (const size_t i : of_channel) variance += (x[i] - mean) * (x[i] - mean);
    variance /= static_cast<double>(of_channel.size());
    for (const size_t i : of_channel) {
      trained.y[i] =
          static_cast<float>((x[i] - mean) / std::sqrt(variance + epsilon) * at(1, c) + at(2, c));
    }
    trained.batch_mean.push_back(static_cast<float>(mean));
    trained.batch_variance.push_back(static_cast<float>(variance));
    trained.mean.push_back(static_cast<float>(at(3, c) * momentum + mean * (1 - momentum)));
    trained.variance.push_back(static_cast<float>(at(4, c) * momentum + variance * (1 - momentum)));
  }
  return trained;
}

auto Near(const std::vector<float>& values) {
  return Pointwise(FloatNear(2e-5f), values);
}

TEST(LowerBatchNormTest, TrainsInEveryVersion) {
  for (const Shape& shape : {Shape{2, 3, 4, 5}, Shape{7, 2}, Shape{1, 1, 9}}) {
    const Shape c{shape[1]};
    const std::vector<Tensor> inputs = {Random(shape, 3, -1, 1), Random(c, 4), Random(c, 5),
                                        Random(c, 6), Random(c, 7)};
    const Trained expected = Train(inputs, 0.75, 1e-5);
    for (const int opset : {7, 9}) {
      const auto old = RunNode({"BatchNormalization", {{"momentum", 0.75f}}, opset, 5}, inputs);
      EXPECT_THAT(ValuesOf<float>(old), Near(expected.y));
      EXPECT_THAT(ValuesOf<float>(old, 1), Near(expected.mean));
      EXPECT_THAT(ValuesOf<float>(old, 2), Near(expected.variance));
      EXPECT_THAT(ValuesOf<float>(old, 3), Near(expected.batch_mean));
      EXPECT_THAT(ValuesOf<float>(old, 4), Near(expected.batch_variance));
    }
    for (const int opset : {14, 15}) {
      const auto results = RunNode(
          {"BatchNormalization", {{"momentum", 0.75f}, {"training_mode", int64_t{1}}}, opset, 3},
          inputs);
      EXPECT_THAT(ValuesOf<float>(results), Near(expected.y));
      EXPECT_THAT(ValuesOf<float>(results, 1), Near(expected.mean));
      EXPECT_THAT(ValuesOf<float>(results, 2), Near(expected.variance));
    }
  }
}

TEST(LowerBatchNormTest, TrainsWithStatisticsOfAnotherType) {
  const Shape c{3};
  const std::vector<Tensor> inputs = {Random({2, 3, 8}, 8, -1, 1), Random(c, 9), Random(c, 10),
                                      Random(c, 11), Random(c, 12)};
  const Trained expected = Train(inputs, 0.9, 1e-5);
  std::vector<Tensor> mixed = inputs;
  for (const size_t i : {3, 4}) {
    const auto from = inputs[i].Span<float>();
    mixed[i] = Tensor::FromValues<double>(c, std::vector<double>(from.begin(), from.end()));
  }
  const auto results =
      RunNode({"BatchNormalization", {{"training_mode", int64_t{1}}}, 15, 3}, mixed);
  EXPECT_THAT(ValuesOf<float>(results), Near(expected.y));
  const auto mean = ValuesOf<double>(results, 1);
  EXPECT_THAT(std::vector<float>(mean.begin(), mean.end()), Near(expected.mean));
}

}  // namespace
}  // namespace ergo
