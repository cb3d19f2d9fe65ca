#include "kernels/select/select.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>

namespace ergo {
namespace {

using ::testing::ElementsAre;

template <typename T>
TensorView View(const std::vector<T>& values, const Shape& shape) {
  return {values.data(), DTypeOf<T>::value, Device::kCpu, shape};
}

TEST(FindNonZeroTest, NaNIsNotZeroAndNegativeZeroIs) {
  const std::vector<float> values = {0, -0.0f, 1, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_THAT(*FindNonZero(View(values, {4})), ElementsAre(2, 3));
  EXPECT_TRUE(FindNonZero(View(values, {0}))->empty());
}

TEST(FindUniqueTest, SortsOrKeepsTheOrderOfOccurrence) {
  const std::vector<int32_t> values = {2, 1, 1, 3, 4, 3};
  const UniqueResult sorted = *FindUnique(View(values, {6}), -1, true);
  EXPECT_THAT(sorted.first, ElementsAre(1, 0, 3, 4));
  EXPECT_THAT(sorted.inverse, ElementsAre(1, 0, 0, 2, 3, 2));
  EXPECT_THAT(sorted.counts, ElementsAre(2, 1, 2, 1));
  const UniqueResult occurring = *FindUnique(View(values, {6}), -1, false);
  EXPECT_THAT(occurring.first, ElementsAre(0, 1, 3, 4));
  EXPECT_THAT(occurring.inverse, ElementsAre(0, 1, 1, 2, 3, 2));
  EXPECT_THAT(occurring.counts, ElementsAre(1, 2, 2, 1));
}

TEST(FindUniqueTest, ComparesSlicesOfAnAxis) {
  // Columns (1,0), (0,1), (1,0).
  const std::vector<float> values = {1, 0, 1, 0, 1, 0};
  const UniqueResult unique = *FindUnique(View(values, {2, 3}), 1, true);
  EXPECT_THAT(unique.first, ElementsAre(1, 0));
  EXPECT_THAT(unique.inverse, ElementsAre(1, 0, 1));
}

// Against std::map on random data.
TEST(FindUniqueTest, AgreesWithAMap) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 rng(seed);
    std::vector<int64_t> values(rng() % 200);
    for (int64_t& value : values) value = static_cast<int64_t>(rng() % 20) - 10;
    std::map<int64_t, int64_t> counts;
    for (const int64_t value : values) ++counts[value];
    const Shape shape{static_cast<int64_t>(values.size())};
    const UniqueResult unique = *FindUnique(View(values, shape), -1, true);
    ASSERT_EQ(unique.first.size(), counts.size());
    size_t i = 0;
    for (const auto& [value, count] : counts) {
      EXPECT_EQ(values[static_cast<size_t>(unique.first[i])], value);
      EXPECT_EQ(unique.counts[i++], count);
    }
    for (size_t k = 0; k < values.size(); ++k) {
      const auto slice = static_cast<size_t>(unique.inverse[k]);
      EXPECT_EQ(values[static_cast<size_t>(unique.first[slice])], values[k]);
    }
  }
}

TEST(NonMaxSuppressionTest, KeepsTheBestOfOverlappingBoxes) {
  const std::vector<float> boxes = {0, 0, 1, 1, 0, 0.1f, 1, 1.1f, 5, 5, 6, 6};
  const std::vector<float> scores = {0.8f, 0.9f, 0.5f};
  NonMaxSuppressionParams params;
  params.max_output_boxes_per_class = 10;
  params.iou_threshold = 0.5f;
  const TensorView box_view = View(boxes, {1, 3, 4}), score_view = View(scores, {1, 1, 3});
  EXPECT_THAT(*NonMaxSuppression(box_view, score_view, params), ElementsAre(0, 0, 1, 0, 0, 2));
  params.has_score_threshold = true;
  params.score_threshold = 0.5f;  // strictly above
  EXPECT_THAT(*NonMaxSuppression(box_view, score_view, params), ElementsAre(0, 0, 1));
  params.iou_threshold = 0.9f;
  EXPECT_THAT(*NonMaxSuppression(box_view, score_view, params), ElementsAre(0, 0, 1, 0, 0, 0));
  params.max_output_boxes_per_class = 0;
  EXPECT_TRUE(NonMaxSuppression(box_view, score_view, params)->empty());
}

TEST(NonMaxSuppressionTest, RefusesShapesThatDoNotFit) {
  const std::vector<float> boxes(12), scores(4);
  EXPECT_FALSE(NonMaxSuppression(View(boxes, {1, 3, 4}), View(scores, {1, 1, 4}), {}).ok());
}

}  // namespace
}  // namespace ergo
