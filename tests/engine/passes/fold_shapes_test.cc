#include "tests/engine/passes/pass_testing.h"

namespace ergo {
namespace {

using testing::AfterPass;
using testing::Attributes;
using ::testing::ElementsAre;
using testing::GraphBuilder;
using testing::Operators;
using testing::Optimized;

const SymbolicShape kTokens({Dim::Symbol("batch"), Dim::Symbol("tokens"), Dim(12)});

ValueId DimOf(GraphBuilder& b, ValueId x, int64_t axis) {
  const ValueId index = b.Constant(Tensor::Scalar<int64_t>(axis));
  const ValueId dim = b.Op("Gather", {b.Op("Shape", {x}), index});
  return b.Op("Unsqueeze", {dim, b.Ints({0})});
}

ValueId Join(GraphBuilder& b, std::vector<ValueId> parts) {
  return b.Op("Concat", std::move(parts), Attributes{{"axis", int64_t{0}}});
}

std::vector<int64_t> TargetOf(const Graph& graph, const Node& node) {
  const Tensor* target = graph.Constant(node.Input(1));
  if (target == nullptr) return {};
  return {target->Span<int64_t>().begin(), target->Span<int64_t>().end()};
}

TEST(FoldShapesTest, SplittingHeadsNeedsNoShapes) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, kTokens);
  const ValueId target = Join(b, {DimOf(b, x, 0), DimOf(b, x, 1), b.Ints({3}), b.Ints({4})});
  const Graph graph = AfterPass(b.Build({b.Op("Reshape", {x, target})}), FoldShapes);
  EXPECT_THAT(Operators(graph), ElementsAre("Reshape"));
  EXPECT_THAT(TargetOf(graph, graph.GetNode(0)), ElementsAre(0, 0, 3, 4));
  EXPECT_EQ(graph.GetValue(graph.outputs[0]).shape.ToString(), "[batch, tokens, 3, 4]");
}

TEST(FoldShapesTest, OneDimensionThatMovesIsWhatIsLeft) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, kTokens);
  const ValueId rows = b.Op("Mul", {DimOf(b, x, 0), DimOf(b, x, 1)});
  const Graph graph =
      AfterPass(b.Build({b.Op("Reshape", {x, Join(b, {rows, b.Ints({12})})})}), FoldShapes);
  EXPECT_THAT(Operators(graph), ElementsAre("Reshape"));
  EXPECT_THAT(TargetOf(graph, graph.GetNode(0)), ElementsAre(-1, 12));
}

TEST(FoldShapesTest, TwoDimensionsThatMoveStay) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, kTokens);
  const ValueId target = Join(b, {b.Ints({12}), DimOf(b, x, 0), DimOf(b, x, 1)});
  const Graph graph = AfterPass(b.Build({b.Op("Reshape", {x, target})}), FoldShapes, false);
  EXPECT_TRUE(TargetOf(graph, graph.GetNode(graph.NodeCount() - 1)).empty());
}

TEST(FoldShapesTest, ARunTimeTargetMayHoldAnything) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{3, 4});
  const ValueId target = b.Input("target", DType::kI64, Shape{1});
  Graph graph = b.Build({b.Op("Reshape", {x, Join(b, {target, b.Ints({4})})})});
  ASSERT_TRUE(InferShapes(graph).ok());
  EXPECT_EQ(*FoldShapes(graph), 0);
}

TEST(FoldShapesTest, KnownDimensionsAmongSymbolsAreNumbers) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, kTokens);
  const ValueId width = DimOf(b, x, -1);
  const ValueId half = b.Op("Div", {width, b.Ints({2})});
  const Graph graph =
      AfterPass(b.Build({b.Op("Slice", {x, b.Ints({0}), half, b.Ints({2})})}), FoldShapes);
  EXPECT_THAT(Operators(graph), ElementsAre("Slice"));
  EXPECT_EQ(graph.GetValue(graph.outputs[0]).shape.ToString(), "[batch, tokens, 6]");
}

// What PyTorch makes of expand(-1, ...): where(shape == -1, ones, shape).
TEST(FoldShapesTest, ExpandToWhatIsThere) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, kTokens);
  const ValueId wanted = Join(b, {DimOf(b, x, 0), DimOf(b, x, 1), b.Ints({-1})});
  const ValueId missing = b.Op("Equal", {wanted, b.Ints({-1, -1, -1})});
  const ValueId target = b.Op("Where", {missing, b.Ints({1, 1, 1}), wanted});
  const Graph graph = Optimized(b.Build({b.Op("Neg", {b.Op("Expand", {x, target})})}));
  EXPECT_THAT(Operators(graph), ElementsAre("Neg"));
}

TEST(FoldShapesTest, ExpandToAnotherValuesShapeStays) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, kTokens);
  const ValueId row = b.Input("row", DType::kF32, Shape{1, 1, 12});
  const Graph graph = Optimized(b.Build({b.Op("Expand", {row, b.Op("Shape", {x})})}));
  EXPECT_THAT(Operators(graph), ElementsAre("Shape", "Expand"));
  EXPECT_EQ(graph.GetValue(graph.outputs[0]).shape.ToString(), "[batch, tokens, 12]");
}

TEST(FoldShapesTest, DimensionsThatMayBeZeroAreNotAssumedPositive) {
  // batch - batch is a number, but batch - tokens is not even a dimension.
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, kTokens);
  const ValueId difference = b.Op("Sub", {DimOf(b, x, 0), DimOf(b, x, 1)});
  const ValueId sum = b.Op("Add", {difference, b.Ints({12})});
  const Graph graph =
      AfterPass(b.Build({b.Op("Reshape", {x, Join(b, {b.Ints({-1}), sum})})}), FoldShapes, false);
  EXPECT_TRUE(TargetOf(graph, graph.GetNode(graph.NodeCount() - 1)).empty());
}

TEST(FoldShapesTest, JoinedDimensionsPartAgain) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, kTokens);
  const ValueId joined = b.Op("Reshape", {x, b.Ints({-1, 4})});
  const ValueId tokens = DimOf(b, x, 1);
  const ValueId y =
      b.Op("Reshape", {b.Op("Neg", {joined}), Join(b, {b.Ints({-1}), tokens, b.Ints({12})})});
  const Graph graph = Optimized(b.Build({b.Op("Add", {y, x})}));
  EXPECT_EQ(graph.GetValue(graph.outputs[0]).shape.ToString(), "[batch, tokens, 12]");
}

TEST(FoldShapesTest, AllowZeroOfDynamicTargets) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, kTokens);
  const ValueId target = Join(b, {DimOf(b, x, 0), DimOf(b, x, 1), b.Ints({3}), b.Ints({4})});
  const Graph graph = AfterPass(
      b.Build({b.Op("Reshape", {x, target}, Attributes{{"allowzero", int64_t{1}}})}), FoldShapes);
  EXPECT_THAT(TargetOf(graph, graph.GetNode(0)), ElementsAre(0, 0, 3, 4));
  EXPECT_EQ(graph.GetNode(0).IntAttr("allowzero", 0), 0);
}

TEST(FoldShapesTest, UnknownDimensionsOfOneValueAreTheSame) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, kTokens);
  // At most two tokens: how many, inference cannot say.
  const ValueId some = b.Op("Slice", {x, b.Ints({0}), b.Ints({2}), b.Ints({1})});
  const ValueId product = b.Op("MatMul", {b.Op("Relu", {some}), b.Weights({12, 12})});
  const Graph graph = Optimized(b.Build({b.Op("Add", {product, some})}));
  EXPECT_THAT(Operators(graph), ElementsAre("Slice", "Relu", "FusedGemm"));
  EXPECT_EQ(graph.GetValue(graph.outputs[0]).shape.ToString(), "[batch, ?, 12]");
}

TEST(OptimizeTest, DeclaredSymbolsOfOutputsProveNothingAndComeBack) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, SymbolicShape({Dim::Symbol("tokens"), Dim(4)}));
  const ValueId y = b.Op("Slice", {x, b.Ints({1}), b.Ints({INT64_MAX}), b.Ints({0})});
  const ValueId z = b.Op("Reshape", {b.Op("Neg", {y}), b.Ints({-1, 4})});
  // As a user may name it who thinks of other inputs.
  b.Raw().GetValue(y).shape = SymbolicShape({Dim::Symbol("tokens"), Dim(4)});
  const Graph graph = Optimized(b.Build({b.Op("Add", {z, z}), y}));
  EXPECT_THAT(Operators(graph), ElementsAre("Slice", "Neg", "Add"));
  EXPECT_EQ(graph.GetValue(graph.outputs[1]).shape.ToString(), "[tokens, 4]");
}

}  // namespace
}  // namespace ergo
