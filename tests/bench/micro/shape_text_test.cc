#include "bench/micro/shape_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ergo::micro {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ShapeTextTest, ReadsDimensionsNumbersAndWords) {
  auto shape = ShapeText::Parse("64x56x7,m128,k3x5,leaky_relu");
  ASSERT_TRUE(shape.ok()) << shape.status().ToString();
  EXPECT_THAT(shape->Dims(2, 4).value(), ElementsAre(64, 56, 7));
  EXPECT_EQ(shape->Number("m", 1).value(), 128);
  EXPECT_EQ(shape->Number("g", 7).value(), 7);
  EXPECT_THAT(shape->Numbers("k"), ElementsAre(3, 5));
  EXPECT_FALSE(shape->Word("bias"));
  EXPECT_EQ(shape->AnyWord(), "leaky_relu");
  EXPECT_TRUE(shape->Finish().ok());
}

TEST(ShapeTextTest, NamesWhatNobodyAskedFor) {
  auto shape = ShapeText::Parse("8x8,m4,bias");
  ASSERT_TRUE(shape.ok());
  EXPECT_THAT(shape->Finish().ToString(), HasSubstr("unknown word 'bias'"));
  EXPECT_TRUE(shape->Word("bias"));
  EXPECT_THAT(shape->Finish().ToString(), HasSubstr("unknown number 'm'"));
  EXPECT_EQ(shape->Number("m", 0).value(), 4);
  EXPECT_FALSE(shape->Finish().ok());  // the dimensions
}

TEST(ShapeTextTest, RefusesWhatItCannotRead) {
  for (const char* text : {"", "8x8,", "8x", "8y8", "m-3", "m99999999999999999999", "8,9",
                           "relu,relu", "k3,k3", "8x2147483648"}) {
    EXPECT_EQ(ShapeText::Parse(text).status().code(), StatusCode::kInvalidArgument) << text;
  }
  auto shape = ShapeText::Parse("8x8x8,k3x3");
  ASSERT_TRUE(shape.ok());
  EXPECT_FALSE(shape->Dims(1, 2).ok());
  EXPECT_FALSE(shape->Number("k", 1).ok());
}

}  // namespace
}  // namespace ergo::micro
