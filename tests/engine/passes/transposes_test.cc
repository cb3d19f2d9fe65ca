// Passes on Transpose and Reshape.
#include "tests/engine/passes/pass_testing.h"

namespace ergo {
namespace {

using testing::AfterPass;
using testing::Attributes;
using ::testing::ElementsAre;
using testing::GraphBuilder;
using testing::Operators;
using testing::Optimized;
using Ints = std::vector<int64_t>;

ValueId Transpose(GraphBuilder& b, ValueId x, Ints perm) {
  return b.Op("Transpose", {x}, Attributes{{"perm", std::move(perm)}});
}
ValueId ToLast(GraphBuilder& b, ValueId x) {
  return Transpose(b, x, {0, 2, 3, 1});
}
ValueId ToFirst(GraphBuilder& b, ValueId x) {
  return Transpose(b, x, {0, 3, 1, 2});
}

TEST(MergeReshapesTest, ChainsBecomeOne) {
  GraphBuilder b;
  const ValueId x =
      b.Input("x", DType::kF32, SymbolicShape({Dim::Symbol("batch"), Dim(3), Dim(4)}));
  const ValueId flat = b.Op("Flatten", {x});
  const ValueId split = b.Op("Reshape", {flat, b.Ints({0, 2, 6})});
  const ValueId y = b.Op("Unsqueeze", {split, b.Ints({1})});
  const Graph graph = AfterPass(b.Build({y}), MergeReshapes);
  EXPECT_THAT(Operators(graph), ElementsAre("Reshape"));
  EXPECT_EQ(graph.GetValue(graph.outputs[0]).shape.ToString(), "[batch, 1, 2, 6]");
}

TEST(MergeReshapesTest, SqueezeUndoesUnsqueeze) {
  GraphBuilder b;
  const ValueId x =
      b.Input("x", DType::kF32, SymbolicShape({Dim::Symbol("a"), Dim::Symbol("b"), Dim(4)}));
  const ValueId wide = b.Op("Unsqueeze", {b.Op("Neg", {x}), b.Ints({1})});
  const Graph graph = Optimized(b.Build({b.Op("Abs", {b.Op("Squeeze", {wide, b.Ints({1})})})}));
  EXPECT_THAT(Operators(graph), ElementsAre("Neg", "Abs"));
}

TEST(MergeReshapesTest, TwoUnknownDimensionsStay) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 6});
  const ValueId target = b.Input("target", DType::kI64, Shape{2});
  const ValueId y = b.Op("Reshape", {b.Op("Reshape", {x, b.Ints({3, 4})}), target});
  Graph graph = b.Build({y});
  ASSERT_TRUE(InferShapes(graph).ok());
  EXPECT_EQ(*MergeReshapes(graph), 0);
}

TEST(MergeTransposesTest, TwoBecomeOneAndInversesNone) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 3, 4, 5});
  const ValueId y = Transpose(b, Transpose(b, x, {0, 2, 3, 1}), {1, 0, 3, 2});
  const ValueId z = ToFirst(b, ToLast(b, b.Op("Neg", {x})));
  const Graph graph = AfterPass(b.Build({y, b.Op("Abs", {z})}), MergeTransposes);
  EXPECT_THAT(Operators(graph), ElementsAre("Transpose", "Neg", "Transpose", "Abs"));
  const Graph lean = Optimized(graph);
  EXPECT_THAT(Operators(lean), ElementsAre("Transpose", "Neg", "Abs"));
}

TEST(MergeTransposesTest, OfMatricesWhoseBatchesWereJoined) {
  for (const bool same_batches : {true, false}) {
    GraphBuilder b;
    const ValueId x = b.Input("x", DType::kF32, Shape{2, 3, 4, 5});
    const ValueId joined = b.Op("Reshape", {x, b.Ints({6, 4, 5})});
    const ValueId y = b.Op("Reshape", {Transpose(b, joined, {0, 2, 1}),
                                       b.Ints(same_batches ? Ints{2, 3, 5, 4} : Ints{3, 2, 5, 4})});
    const Graph graph = AfterPass(b.Build({y}), MergeTransposes, same_batches);
    EXPECT_EQ(graph.NodeCount(), same_batches ? 1 : 3);
  }
}

TEST(MergeTransposesTest, MovingOnesIsReshaping) {
  for (const int64_t moved : {1, 2}) {
    GraphBuilder b;
    const ValueId x =
        b.Input("x", DType::kF32, SymbolicShape({Dim::Symbol("batch"), Dim(moved), Dim(5)}));
    const Graph graph =
        AfterPass(b.Build({Transpose(b, x, {0, 2, 1})}), MergeTransposes, moved == 1);
    EXPECT_THAT(Operators(graph), ElementsAre(moved == 1 ? "Reshape" : "Transpose"));
  }
}

// A channels-last network as converters export it: each convolution between two Transposes.
TEST(SinkTransposesTest, ChannelsLastNetworksLoseThem) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{1, 7, 6, 3});
  const auto conv = [&](ValueId in, const Shape& weights) {
    return ToLast(b, b.Op("Conv", {ToFirst(b, in), b.Weights(weights)}));
  };
  const ValueId first = b.Op("Relu", {b.Op("Add", {conv(x, {4, 3, 1, 1}), b.Weights({4})})});
  const ValueId padded = b.Op("Pad", {first, b.Ints({0, 1, 1, 0, 0, 1, 2, 0})});
  const ValueId second = conv(padded, {4, 4, 2, 2});
  const ValueId mean =
      b.Op("ReduceMean", {second}, Attributes{{"axes", Ints{1, 2}}, {"keepdims", int64_t{0}}}, 13);
  const Graph graph = Optimized(b.Build({mean}));
  EXPECT_EQ(std::ranges::count(Operators(graph), "Transpose"), 1) << graph.ToString();
}

TEST(SinkTransposesTest, BothOperandsOrNone) {
  for (const bool same : {true, false}) {
    GraphBuilder b;
    const ValueId x = b.Input("x", DType::kF32, Shape{2, 3, 3, 3});
    const ValueId y = b.Input("y", DType::kF32, Shape{2, 3, 3, 3});
    const ValueId sum = b.Op("Add", {ToLast(b, x), same ? ToLast(b, y) : ToFirst(b, y)});
    const Graph graph = AfterPass(b.Build({sum}), SinkTransposes, same);
    EXPECT_EQ(graph.NodeCount(), same ? 2 : 3);
  }
}

TEST(SinkTransposesTest, ConcatJoinsElsewhere) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 3, 4, 5});
  const ValueId y = b.Input("y", DType::kF32, Shape{2, 1, 4, 5});
  const ValueId joined =
      b.Op("Concat", {ToLast(b, x), ToLast(b, y)}, Attributes{{"axis", int64_t{-1}}});
  const Graph graph = AfterPass(b.Build({joined}), SinkTransposes);
  EXPECT_THAT(Operators(graph), ElementsAre("Concat", "Transpose"));
  EXPECT_EQ(graph.GetNode(0).IntAttr("axis", 0), 1);
}

TEST(SinkTransposesTest, NearMisses) {
  {
    GraphBuilder b;  // read twice
    const ValueId t = ToLast(b, b.Input("x", DType::kF32, Shape{2, 3, 4, 5}));
    AfterPass(b.Build({b.Op("Relu", {t}), t}), SinkTransposes, false);
  }
  {
    GraphBuilder b;  // the constant has more axes
    const ValueId t = Transpose(b, b.Input("x", DType::kF32, Shape{3, 4}), {1, 0});
    AfterPass(b.Build({b.Op("Add", {t, b.Weights({2, 1, 3})})}), SinkTransposes, false);
  }
  {
    GraphBuilder b;  // what is left of the reduction would be out of order
    const ValueId t = Transpose(b, b.Input("x", DType::kF32, Shape{2, 3, 4}), {2, 1, 0});
    AfterPass(b.Build({b.Op("ReduceSum", {t, b.Ints({1})}, Attributes{{"keepdims", int64_t{0}}})}),
              SinkTransposes, false);
  }
}

TEST(SinkTransposesTest, ReductionsThatKeepTheirAxes) {
  GraphBuilder b;
  const ValueId t = Transpose(b, b.Input("x", DType::kF32, Shape{2, 3, 4}), {2, 0, 1});
  const Graph graph = AfterPass(b.Build({b.Op("ReduceSum", {t, b.Ints({0, -1})})}), SinkTransposes);
  EXPECT_THAT(Operators(graph), ElementsAre("ReduceSum", "Transpose"));
}

TEST(FuseTransposeTest, BecomesAFlagOfTheProduct) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 3, 5, 4});
  const ValueId y = b.Input("y", DType::kF32, Shape{2, 3, 6, 5});
  const ValueId product =
      b.Op("MatMul", {Transpose(b, x, {0, 1, 3, 2}), Transpose(b, y, {0, 1, 3, 2})});
  const Graph graph = Optimized(b.Build({product}));
  EXPECT_THAT(Operators(graph), ElementsAre("FusedGemm"));
  EXPECT_EQ(graph.GetNode(0).IntAttr("trans_a", 0), 1);
  EXPECT_EQ(graph.GetNode(0).IntAttr("trans_b", 0), 1);
}

TEST(FuseTransposeTest, TwiceIsNoneAndGemmHasFlagsOfItsOwn) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{5, 4});
  const ValueId y = b.Op("Gemm", {Transpose(b, x, {1, 0}), b.Weights({5, 3})},
                         Attributes{{"transA", int64_t{0}}, {"alpha", 0.5f}});
  const ValueId z = b.Op("Gemm", {Transpose(b, x, {1, 0}), b.Weights({4, 3})},
                         Attributes{{"transA", int64_t{1}}, {"alpha", 0.5f}});
  const Graph graph = AfterPass(b.Build({y, z}), FuseTranspose);
  EXPECT_THAT(Operators(graph), ElementsAre("Gemm", "Gemm"));
  EXPECT_EQ(graph.GetNode(0).IntAttr("transA", 0), 1);
  EXPECT_EQ(graph.GetNode(1).IntAttr("transA", 0), 0);
}

TEST(FuseTransposeTest, OtherAxesStay) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 3, 4});
  const Graph graph =
      Optimized(b.Build({b.Op("MatMul", {Transpose(b, x, {1, 0, 2}), b.Weights({4, 5})})}));
  EXPECT_THAT(Operators(graph), ElementsAre("Transpose", "FusedGemm"));
}

TEST(LiftReshapesTest, DenseLayersOfKeras) {
  GraphBuilder b;
  const ValueId x =
      b.Input("x", DType::kF32, SymbolicShape({Dim::Symbol("batch"), Dim(4), Dim(6)}));
  const ValueId rows = b.Op("Reshape", {x, b.Ints({-1, 6})});
  const ValueId dense =
      b.Op("Relu", {b.Op("Add", {b.Op("MatMul", {rows, b.Weights({6, 5})}), b.Weights({5})})});
  const Graph graph = Optimized(b.Build({b.Op("Reshape", {dense, b.Ints({-1, 4, 5})})}));
  EXPECT_THAT(Operators(graph), ElementsAre("FusedGemm"));
}

TEST(LiftReshapesTest, OtherRowsStay) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 4, 6});
  const ValueId rows = b.Op("Reshape", {x, b.Ints({-1, 6})});
  const ValueId product = b.Op("MatMul", {rows, b.Weights({6, 5})});
  const Graph graph = Optimized(b.Build({b.Op("Reshape", {product, b.Ints({4, 2, 5})})}));
  EXPECT_THAT(Operators(graph), ElementsAre("Reshape", "FusedGemm", "Reshape"));
}

}  // namespace
}  // namespace ergo
