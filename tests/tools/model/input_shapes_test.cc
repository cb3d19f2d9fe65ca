#include "tools/ergo/input_shapes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace ergo::tool {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Dim Sym(const char* name) {
  return Dim::Symbol(name);
}

std::vector<Model::Port> Ports() {
  return {{"image", DType::kF32, SymbolicShape({Sym("batch"), 3, Sym("height"), Dim()})},
          {"state", DType::kF32, SymbolicShape({2, Sym("batch"), 128})},
          {"rate", DType::kI64, SymbolicShape(Shape())}};
}

ShapeRequest Request(std::vector<std::string> dims, std::vector<std::string> shapes = {}) {
  return {{std::move(dims), std::move(shapes)}, std::nullopt, {}, {}};
}

std::string ErrorOf(const ShapeRequest& request) {
  const std::vector<Model::Port> ports = Ports();
  const Result<BoundShapes> bound = BindShapes(ports, request);
  if (bound.ok()) return "";
  EXPECT_EQ(bound.status().code(), StatusCode::kInvalidArgument);
  return std::string(bound.status().message());
}

TEST(InputShapes, FreeDimensionsBecomeOneAndThatIsSaid) {
  const std::vector<Model::Port> ports = Ports();
  const Result<BoundShapes> bound = BindShapes(ports, Request({}));
  ASSERT_TRUE(bound.ok()) << bound.status().ToString();
  EXPECT_THAT(bound->shapes, ElementsAre(Shape{1, 3, 1, 1}, Shape{2, 1, 128}, Shape()));
  EXPECT_THAT(bound->assumed, ElementsAre("batch = 1", "height = 1", "axis 3 of 'image' = 1"));
}

TEST(InputShapes, ASymbolIsTheSameNumberEverywhere) {
  const std::vector<Model::Port> ports = Ports();
  const Result<BoundShapes> bound = BindShapes(ports, Request({"batch=4", "height=0"}));
  ASSERT_TRUE(bound.ok()) << bound.status().ToString();
  EXPECT_THAT(bound->shapes, ElementsAre(Shape{4, 3, 0, 1}, Shape{2, 4, 128}, Shape()));
  EXPECT_THAT(bound->assumed, ElementsAre("axis 3 of 'image' = 1"));
}

TEST(InputShapes, AWholeShapeBindsTheSymbolsInIt) {
  const std::vector<Model::Port> ports = Ports();
  const Result<BoundShapes> bound = BindShapes(ports, Request({}, {"image=5,3,8,9"}));
  ASSERT_TRUE(bound.ok()) << bound.status().ToString();
  EXPECT_THAT(bound->shapes, ElementsAre(Shape{5, 3, 8, 9}, Shape{2, 5, 128}, Shape()));
  EXPECT_THAT(bound->assumed, IsEmpty());
}

TEST(InputShapes, AnArrayThatWasGivenBindsTheSymbolsInItsShape) {
  const std::vector<Model::Port> ports = Ports();
  ShapeRequest request;
  request.given = {std::nullopt, Shape{2, 7, 128}, std::nullopt};
  const Result<BoundShapes> bound = BindShapes(ports, request);
  ASSERT_TRUE(bound.ok()) << bound.status().ToString();
  EXPECT_EQ(bound->shapes[0], (Shape{7, 3, 1, 1}));
}

TEST(InputShapes, BatchBindsTheLeadingDimensionsThatAreFree) {
  const std::vector<Model::Port> ports = Ports();
  ShapeRequest request;
  request.batch = 6;
  const Result<BoundShapes> bound = BindShapes(ports, request);
  ASSERT_TRUE(bound.ok()) << bound.status().ToString();
  // "state" has its batch in the middle, under the same name.
  EXPECT_THAT(bound->shapes, ElementsAre(Shape{6, 3, 1, 1}, Shape{2, 6, 128}, Shape()));

  const std::vector<Model::Port> nameless = {{"x", DType::kF32, SymbolicShape({Dim(), 4})}};
  const Result<BoundShapes> bound_nameless = BindShapes(nameless, request);
  ASSERT_TRUE(bound_nameless.ok()) << bound_nameless.status().ToString();
  EXPECT_THAT(bound_nameless->shapes, ElementsAre(Shape{6, 4}));

  const std::vector<Model::Port> fixed = {{"x", DType::kF32, SymbolicShape(Shape{1, 4})}};
  const Result<BoundShapes> refused = BindShapes(fixed, request);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.status().ToString(), HasSubstr("'x' is [1, 4]"));
  request.batch = 1;
  EXPECT_TRUE(BindShapes(fixed, request).ok());
}

TEST(InputShapes, WhatTheModelDoesNotHaveIsNamedBesideWhatItHas) {
  EXPECT_THAT(ErrorOf(Request({"bacth=4"})), HasSubstr("'bacth': there are batch, height"));
  EXPECT_THAT(ErrorOf(Request({}, {"img=1"})), HasSubstr("'img': its inputs are 'image', 'state'"));
}

TEST(InputShapes, Contradictions) {
  EXPECT_THAT(ErrorOf(Request({"batch=4", "batch=5"})), HasSubstr("both 4 and 5"));
  EXPECT_THAT(ErrorOf(Request({"batch=4"}, {"image=5,3,1,1"})), HasSubstr("both 5 and 4"));
  EXPECT_THAT(ErrorOf(Request({}, {"image=5,4,1,1"})), HasSubstr("[batch, 3, height, ?]"));
  EXPECT_THAT(ErrorOf(Request({}, {"image=5,3"})), HasSubstr("does not fit"));
}

TEST(InputShapes, WhatIsNotANumber) {
  for (const char* text :
       {"batch=", "batch=-1", "batch=x", "batch=1x", "batch=99999999999999999999", "batch", "=4"}) {
    EXPECT_NE(ErrorOf(Request({text})), "") << text;
  }
  for (const char* text : {"image=1,3,,1", "image=1,3,1,1,", "image=1;3;1;1", "image=1,3,1,-1"}) {
    EXPECT_NE(ErrorOf(Request({}, {text})), "") << text;
  }
}

TEST(InputShapes, AnUnknownRankHasToBeGiven) {
  const std::vector<Model::Port> ports = {{"x", DType::kF32, SymbolicShape()}};
  const Result<BoundShapes> refused = BindShapes(ports, Request({}));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.status().ToString(), HasSubstr("--shape x=DIMS"));
  const Result<BoundShapes> bound = BindShapes(ports, Request({}, {"x=2,3"}));
  ASSERT_TRUE(bound.ok());
  EXPECT_THAT(bound->shapes, ElementsAre(Shape{2, 3}));
}

TEST(InputShapes, SplitAssignment) {
  const auto split = SplitAssignment("--input", "a=b=c");
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(split->first, "a");
  EXPECT_EQ(split->second, "b=c");
  EXPECT_FALSE(SplitAssignment("--input", "a").ok());
  EXPECT_FALSE(SplitAssignment("--input", "=a").ok());
}

}  // namespace
}  // namespace ergo::tool
