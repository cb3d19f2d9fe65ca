#include "engine/passes/dim_arithmetic.h"
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
  const Graph graph = AfterPass(b.Build({b.Op("Reshape", {x, target})}), FoldShapes);
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
      AfterPass(b.Build({b.Op("Reshape", {x, Join(b, {b.Ints({-1}), sum})})}), FoldShapes);
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

// A decoder's caches: past and new keys are as many in each layer.
TEST(FoldShapesTest, SumsOfDimensionsAreTheSame) {
  GraphBuilder b;
  const SymbolicShape cache({Dim::Symbol("batch"), Dim::Symbol("past"), Dim(12)});
  const ValueId x = b.Input("x", DType::kF32, kTokens);
  const auto joined = [&](const std::string& name) {
    return b.Op("Concat", {b.Input(name, DType::kF32, cache), x}, Attributes{{"axis", int64_t{1}}});
  };
  const ValueId first = joined("first"), second = joined("second");
  const ValueId total = b.Op("Add", {DimOf(b, x, 1), DimOf(b, b.Raw().inputs[1], 1)});
  const ValueId target = Join(b, {DimOf(b, x, 0), total, b.Ints({12})});
  const ValueId y = b.Op("Neg", {b.Op("Expand", {first, target})});
  const ValueId before = b.Op("Sub", {DimOf(b, second, 1), DimOf(b, x, 1)});
  const ValueId past = b.Op("Slice", {second, b.Ints({0}), before, b.Ints({1})});
  const Graph graph =
      Optimized(b.Build({b.Op("Add", {y, b.Op("MatMul", {second, b.Weights({12, 12})})}), past}));
  EXPECT_EQ(std::ranges::count(Operators(graph), "Expand"), 0) << graph.ToString();
  EXPECT_EQ(std::ranges::count(Operators(graph), "Add"), 0) << graph.ToString();
}

// Positions of new tokens behind a cache, as decoders number them.
TEST(FoldShapesTest, PositionsAreAsManyAsTokens) {
  for (const int64_t step : {1, 2}) {
    GraphBuilder b;
    const ValueId x = b.Input("x", DType::kF32, kTokens);
    const ValueId cache =
        b.Input("cache", DType::kF32, SymbolicShape({Dim::Symbol("past"), Dim(12)}));
    const auto dim = [&](ValueId value, int64_t axis) {
      return b.Op("Squeeze", {DimOf(b, value, axis), b.Ints({0})});
    };
    const ValueId past = dim(cache, 0);
    const ValueId positions =
        b.Op("Range", {past, b.Op("Add", {past, dim(x, 1)}), b.Constant(Tensor::Scalar(step))});
    const ValueId rows = b.Op("Gather", {b.Weights({64, 12}), positions});
    Graph graph = b.Build({step == 1 ? b.Op("Add", {x, rows}) : rows});
    ASSERT_TRUE(Optimize(graph).ok());
    EXPECT_EQ(graph.GetValue(graph.outputs[0]).shape.ToString(),
              step == 1 ? "[batch, tokens, 12]" : "[?, 12]");
  }
}

TEST(FoldShapesTest, ShapesThatAgreeAreComputedOnce) {
  for (const bool same : {true, false}) {
    GraphBuilder b;
    const ValueId x = b.Input("x", DType::kF32, kTokens);
    const ValueId y =
        b.Input("y", DType::kF32, SymbolicShape({Dim::Symbol(same ? "tokens" : "others"), Dim(5)}));
    const ValueId first = DimOf(b, x, 1), second = DimOf(b, y, 0);
    const ValueId table = b.Weights({8, 2});
    const auto rows = [&](ValueId count) {
      return b.Op("Slice", {table, b.Ints({0}), count, b.Ints({0})});
    };
    const Graph graph =
        Optimized(b.Build({b.Op("Neg", {rows(first)}), b.Op("Abs", {rows(second)})}));
    EXPECT_EQ(std::ranges::count(Operators(graph), "Slice"), same ? 1 : 2) << graph.ToString();
  }
}

TEST(DimArithmeticTest, ProductsAndSums) {
  const Dim batch = Dim::Symbol("batch"), past = Dim::Symbol("past");
  DimProduct product;
  EXPECT_TRUE(product.Multiply(batch) && product.Multiply(12));
  DimProduct again;
  EXPECT_TRUE(again.Multiply(12) && again.Multiply(batch));
  EXPECT_TRUE(product.AsDim().SameAs(again.AsDim()));
  DimProduct twelve;
  EXPECT_TRUE(twelve.Multiply(12));
  DimProduct whole;
  EXPECT_TRUE(whole.Multiply(product.AsDim()) && whole.Divide(twelve));
  EXPECT_TRUE(whole.AsDim().SameAs(batch));
  EXPECT_FALSE(whole.Divide(twelve));
  EXPECT_FALSE(whole.Multiply(Dim()));
  EXPECT_FALSE(whole.Multiply(0));
  DimSum sum, one;
  EXPECT_TRUE(sum.Add(past) && sum.Add(1) && one.Add(1));
  DimSum more;
  EXPECT_TRUE(more.Add(sum.AsDim()) && more.Subtract(one));
  EXPECT_TRUE(more.AsDim().SameAs(past));
  EXPECT_FALSE(more.Subtract(one));
  // A name with a sign in it is nobody's part.
  EXPECT_FALSE(more.Add(Dim::Symbol("past + 1")));
  EXPECT_FALSE(product.Multiply(sum.AsDim()));
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
