// Shape and type rules of elementwise operators, reductions, normalizations and recurrent layers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/testing/single_node.h"

namespace ergo {
namespace {

using ::testing::HasSubstr;
using testing::Infer;
using testing::NodeOperand;
using testing::NodeSpec;

constexpr DType kF = DType::kF32;
constexpr DType kI = DType::kI64;

NodeOperand Of(DType dtype, std::vector<Dim> dims) {
  return {dtype, SymbolicShape(std::move(dims))};
}
NodeOperand Ranked(DType dtype) {
  return {dtype, SymbolicShape()};
}
Dim Sym(const char* name) {
  return Dim::Symbol(name);
}
Tensor Ints(std::initializer_list<int64_t> values) {
  return Tensor::FromValues<int64_t>(Shape{static_cast<int64_t>(values.size())}, values);
}

TEST(SchemaElementwiseTest, BroadcastsKnownAndSymbolicDimensions) {
  EXPECT_EQ(Infer({"Add"}, {Of(kF, {2, 1, 4}), Of(kF, {3, 1})}), "float32 [2, 3, 4]");
  EXPECT_EQ(Infer({"Mul"}, {Of(kF, {Sym("b"), 3}), Of(kF, {3})}), "float32 [b, 3]");
  EXPECT_EQ(Infer({"Mul"}, {Of(kF, {Sym("b"), 3}), Of(kF, {Sym("b"), 1})}), "float32 [b, 3]");
  EXPECT_EQ(Infer({"Max"}, {Of(kI, {2, 1}), Of(kI, {1, 3}), Of(kI, {})}), "int64 [2, 3]");
  EXPECT_EQ(Infer({"Less"}, {Of(kF, {2}), Of(kF, {2})}), "bool [2]");
  EXPECT_EQ(Infer({"Add"}, {Ranked(kF), Of(kF, {2})}), "float32 ?");
  EXPECT_EQ(Infer({"Where"}, {Of(DType::kBool, {2, 1}), Of(kF, {3}), Of(kF, {})}),
            "float32 [2, 3]");
  EXPECT_EQ(Infer({"Pow"}, {Of(kF, {2}), Of(kI, {2})}), "float32 [2]");
}

TEST(SchemaElementwiseTest, RefusesWhatDoesNotFit) {
  EXPECT_THAT(Infer({"Add"}, {Of(kF, {2}), Of(kF, {3})}), HasSubstr("do not broadcast"));
  EXPECT_THAT(Infer({"Add"}, {Of(kF, {2}), Of(kI, {2})}), HasSubstr("input 1 is int64"));
  EXPECT_THAT(Infer({"Where"}, {Of(kF, {2}), Of(kF, {2}), Of(kF, {2})}), HasSubstr("not bool"));
  EXPECT_THAT(Infer({"Cast", {{"to", int64_t{8}}}}, {Of(kF, {2})}), HasSubstr("INVALID_ARGUMENT"));
  EXPECT_THAT(Infer({"Cast"}, {Of(kF, {2})}), HasSubstr("INVALID_ARGUMENT"));
  EXPECT_THAT(Infer({"Gelu", {}, 19}, {Of(kF, {2})}), HasSubstr("UNSUPPORTED"));
  EXPECT_THAT(Infer({"Add"}, {Of(kF, {2})}), HasSubstr("1 inputs"));
}

TEST(SchemaElementwiseTest, ChangesTypes) {
  EXPECT_EQ(Infer({"Cast", {{"to", int64_t{7}}}}, {Of(kF, {Sym("n")})}), "int64 [n]");
  EXPECT_EQ(Infer({"CastLike"}, {Of(kF, {2}), Of(DType::kF16, {})}), "float16 [2]");
  EXPECT_EQ(Infer({"IsNaN"}, {Of(kF, {2})}), "bool [2]");
  EXPECT_EQ(Infer({"Dropout", {}, 13, 2}, {Of(kF, {2})}), "float32 [2]; bool [2]");
  EXPECT_EQ(Infer({"Dropout", {}, 7, 2}, {Of(kF, {2})}), "float32 [2]; float32 [2]");
}

TEST(SchemaReduceTest, TakesAxesFromAttributeOrInput) {
  const NodeOperand x = Of(kF, {2, Sym("n"), 4});
  EXPECT_EQ(Infer({"ReduceSum", {{"axes", std::vector<int64_t>{-1}}}, 11}, {x}),
            "float32 [2, n, 1]");
  EXPECT_EQ(Infer({"ReduceSum", {{"keepdims", int64_t{0}}}, 13}, {x, Ints({1, 2})}), "float32 [2]");
  EXPECT_EQ(Infer({"ReduceMean", {{"keepdims", int64_t{0}}}}, {x}), "float32 []");
  EXPECT_EQ(Infer({"ReduceMax", {{"noop_with_empty_axes", int64_t{1}}}}, {x, Ints({})}),
            "float32 [2, n, 4]");
  EXPECT_EQ(Infer({"ReduceMax"}, {x, Ints({})}), "float32 [1, 1, 1]");
}

TEST(SchemaReduceTest, KnowsTheRankAtLeastOfAxesThatComeAtRunTime) {
  const NodeOperand x = Of(kF, {2, 3}), axes = Of(kI, {1});
  EXPECT_EQ(Infer({"ReduceSum"}, {x, axes}), "float32 [?, ?]");
  EXPECT_EQ(Infer({"ReduceSum", {{"keepdims", int64_t{0}}}}, {x, axes}), "float32 ?");
}

TEST(SchemaReduceTest, RefusesAxesThatAreNotThere) {
  EXPECT_THAT(Infer({"ReduceSum"}, {Of(kF, {2}), Ints({1})}), HasSubstr("axis 1"));
  EXPECT_THAT(Infer({"ArgMax", {{"axis", int64_t{-3}}}}, {Of(kF, {2, 2})}), HasSubstr("axis -3"));
}

TEST(SchemaReduceTest, GivesIndices) {
  EXPECT_EQ(Infer({"ArgMax", {{"axis", int64_t{-1}}}}, {Of(kF, {2, 3})}), "int64 [2, 1]");
  EXPECT_EQ(Infer({"ArgMin", {{"keepdims", int64_t{0}}}}, {Of(kF, {2, 3})}), "int64 [3]");
  EXPECT_EQ(Infer({"CumSum"}, {Of(kF, {2, 3}), Of(kI, {})}), "float32 [2, 3]");
}

TEST(SchemaNormTest, KeepsTheShape) {
  const NodeOperand x = Of(kF, {2, 3, Sym("n")}), c = Of(kF, {3});
  EXPECT_EQ(Infer({"BatchNormalization", {}, 15}, {x, c, c, c, c}), "float32 [2, 3, n]");
  EXPECT_EQ(Infer({"Softmax"}, {x}), "float32 [2, 3, n]");
  EXPECT_EQ(Infer({"LayerNormalization", {{"axis", int64_t{1}}}, 17, 3}, {x, c}),
            "float32 [2, 3, n]; float32 [2, 1, 1]; float32 [2, 1, 1]");
  EXPECT_EQ(Infer({"RMSNormalization", {}, 23}, {x, Of(DType::kF16, {3})}), "float16 [2, 3, n]");
}

TEST(SchemaNormTest, KnowsTheDefaultAxisOfEachOpset) {
  const NodeOperand x = Of(kF, {4});
  EXPECT_EQ(Infer({"Softmax", {}, 13}, {x}), "float32 [4]");
  EXPECT_THAT(Infer({"Softmax", {}, 11}, {x}), HasSubstr("axis 1"));
}

TEST(SchemaRecurrentTest, FollowsDirectionAndLayout) {
  const NodeOperand x = Of(kF, {Sym("t"), Sym("b"), 5});
  const NodeOperand w = Of(kF, {2, 16, 5}), r = Of(kF, {2, 16, 4});
  const Attribute both = std::string("bidirectional");
  EXPECT_EQ(Infer({"LSTM", {{"direction", both}}, 14, 3}, {x, w, r}),
            "float32 [t, 2, b, 4]; float32 [2, b, 4]; float32 [2, b, 4]");
  EXPECT_EQ(Infer({"GRU", {{"layout", int64_t{1}}, {"hidden_size", int64_t{4}}}, 14, 2}, {x, w, r}),
            "float32 [t, b, 1, 4]; float32 [t, 1, 4]");
  EXPECT_THAT(Infer({"RNN", {}, 14}, {Of(kF, {1, 2}), w, r}), HasSubstr("3 dimensions"));
}

}  // namespace
}  // namespace ergo
