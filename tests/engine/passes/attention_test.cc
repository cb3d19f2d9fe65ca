// Attention recognized in the forms that exporters write, and near misses.
#include <limits>

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

ValueId C(GraphBuilder& b, float value) {
  return b.Constant(Tensor::Scalar(value));
}
ValueId Transpose(GraphBuilder& b, ValueId x, Ints perm) {
  return b.Op("Transpose", {x}, Attributes{{"perm", std::move(perm)}});
}

// Operands [2, 3, 5, 4] that the graph computes, so that their scales can go astray.
struct Operands {
  GraphBuilder b;
  ValueId q, k, v;
  Operands() {
    q = b.Input("q", DType::kF32, Shape{2, 3, 5, 4});
    k = b.Input("k", DType::kF32, Shape{2, 3, 5, 4});
    v = b.Input("v", DType::kF32, Shape{2, 3, 5, 4});
  }
  ValueId Scores() { return b.Op("MatMul", {q, Transpose(b, k, {0, 1, 3, 2})}); }
  ValueId Weigh(ValueId scores) {
    return b.Op("MatMul", {b.Op("Softmax", {scores}, Attributes{{"axis", int64_t{-1}}}), v});
  }
};

ValueId Triangle(GraphBuilder& b, int64_t n, bool hidden = false) {
  std::vector<uint8_t> values;
  for (int64_t i = 0; i < n * n; ++i) values.push_back((i % n <= i / n) != hidden);
  const Shape shape{1, 1, n, n};
  return b.Constant(Tensor::FromValues<uint8_t>(shape, std::span<const uint8_t>(values))
                        .Reinterpreted(DType::kBool, shape));
}

TEST(RecognizeAttentionTest, ScalesWhereverTheyStand) {
  for (int form = 0; form < 5; ++form) {
    Operands o;
    ValueId scores = kNoValue;
    switch (form) {
      case 0: scores = o.Scores(); break;
      case 1: scores = o.b.Op("Div", {o.Scores(), C(o.b, 2)}); break;
      case 2: scores = o.b.Op("Mul", {C(o.b, 0.5f), o.Scores()}); break;
      case 3:
        o.q = o.b.Op("Mul", {o.q, C(o.b, 0.5f)});
        scores = o.Scores();
        break;
      case 4: {  // PyTorch: the root of the scale on both operands
        const ValueId root = C(o.b, 0.70710678f);
        o.q = o.b.Op("Mul", {o.q, root});
        const ValueId k = o.b.Op("Mul", {Transpose(o.b, o.k, {0, 1, 3, 2}), root});
        scores = o.b.Op("MatMul", {o.q, k});
      }
    }
    const Graph graph = AfterPass(o.b.Build({o.Weigh(scores)}), RecognizeAttention);
    EXPECT_THAT(Operators(graph), ElementsAre("Attention"));
    EXPECT_NEAR(graph.GetNode(0).FloatAttr("scale", 0), form == 0 ? 1 : 0.5, 1e-6);
    EXPECT_EQ(graph.GetNode(0).inputs.size(), 3u);
  }
}

TEST(RecognizeAttentionTest, AddedMasks) {
  for (const Shape& shape : {Shape{2, 1, 1, 5}, Shape{5, 5}, Shape{3, 1, 5}, Shape{1}}) {
    Operands o;
    const ValueId mask = o.b.Input("mask", DType::kF32, shape);
    const ValueId scores = o.b.Op("Add", {mask, o.b.Op("Div", {o.Scores(), C(o.b, 2)})});
    const Graph graph = AfterPass(o.b.Build({o.Weigh(scores)}), RecognizeAttention);
    EXPECT_THAT(Operators(graph), ElementsAre("Attention"));
    EXPECT_EQ(graph.GetNode(0).inputs.size(), 4u);
  }
}

TEST(RecognizeAttentionTest, ChosenMasks) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const bool hides : {false, true}) {
    Operands o;
    const ValueId fill = C(o.b, -infinity);
    // The first key always shows, so that no row is empty: there the original has NaN.
    std::vector<uint8_t> values(25);
    for (size_t i = 0; i < values.size(); ++i) values[i] = (i % 5 == 0 || i % 3 == 0) != hides;
    const ValueId mask =
        o.b.Constant(Tensor::FromValues<uint8_t>({5, 5}, std::span<const uint8_t>(values))
                         .Reinterpreted(DType::kBool, {5, 5}));
    const ValueId scores = o.Scores();
    const ValueId masked =
        hides ? o.b.Op("Where", {mask, fill, scores}) : o.b.Op("Where", {mask, scores, fill});
    const Graph graph = AfterPass(o.b.Build({o.Weigh(masked)}), RecognizeAttention);
    EXPECT_EQ(Operators(graph).back(), "Attention");
    EXPECT_EQ(graph.NodeCount(), hides ? 2 : 1);
  }
}

TEST(RecognizeAttentionTest, TrianglesAreCausal) {
  for (const bool hides : {false, true}) {
    Operands o;
    const ValueId mask = Triangle(o.b, 5, hides), fill = C(o.b, -1e9f);
    const ValueId scores = o.b.Op("Div", {o.Scores(), C(o.b, 2)});
    const ValueId masked =
        hides ? o.b.Op("Where", {mask, fill, scores}) : o.b.Op("Where", {mask, scores, fill});
    const Graph graph = AfterPass(o.b.Build({o.Weigh(masked)}), RecognizeAttention);
    EXPECT_THAT(Operators(graph), ElementsAre("Attention"));
    EXPECT_EQ(graph.GetNode(0).IntAttr("is_causal", 0), 1);
    EXPECT_EQ(graph.GetNode(0).inputs.size(), 3u);
  }
}

// GPT-2: a slice of a constant triangle chooses, and the padding mask is added.
TEST(RecognizeAttentionTest, TwoMasksBecomeOne) {
  Operands o;
  const ValueId padding = o.b.Input("padding", DType::kF32, Shape{2, 1, 1, 5});
  const ValueId slice =
      o.b.Op("Slice", {Triangle(o.b, 8), o.b.Ints({0}), o.b.Ints({5}), o.b.Ints({2})});
  const ValueId causal = o.b.Op("Slice", {slice, o.b.Ints({0}), o.b.Ints({5}), o.b.Ints({3})});
  const ValueId chosen = o.b.Op("Where", {causal, o.Scores(), C(o.b, -3.4e38f)});
  const Graph graph =
      AfterPass(o.b.Build({o.Weigh(o.b.Op("Add", {chosen, padding}))}), RecognizeAttention);
  EXPECT_THAT(Operators(graph), ElementsAre("Slice", "Slice", "Where", "Attention"));
}

TEST(RecognizeAttentionTest, NaNOfEmptyRowsIsReplacedAnyway) {
  Operands o;
  const ValueId p = o.b.Op("Softmax", {o.Scores()}, Attributes{{"axis", int64_t{3}}});
  const ValueId safe = o.b.Op("Where", {o.b.Op("IsNaN", {p}, {}, 20), C(o.b, 0), p});
  const Graph graph = AfterPass(o.b.Build({o.b.Op("MatMul", {safe, o.v})}), RecognizeAttention);
  EXPECT_THAT(Operators(graph), ElementsAre("Attention"));
}

TEST(RecognizeAttentionTest, OperandsWithoutHeads) {
  GraphBuilder b;
  const ValueId q = b.Input("q", DType::kF32, Shape{6, 5, 4});
  const ValueId k = b.Input("k", DType::kF32, Shape{6, 7, 4});
  const ValueId v = b.Input("v", DType::kF32, Shape{6, 7, 3});
  const ValueId mask = b.Input("mask", DType::kF32, Shape{6, 5, 7});
  const ValueId scores = b.Op("Add", {b.Op("MatMul", {q, Transpose(b, k, {0, 2, 1})}), mask});
  const ValueId y = b.Op("MatMul", {b.Op("Softmax", {scores}), v});
  const Graph graph = AfterPass(b.Build({y}), RecognizeAttention);
  EXPECT_THAT(Operators(graph), ElementsAre("Unsqueeze", "Attention"));
}

TEST(RecognizeAttentionTest, NearMisses) {
  const auto expect_none = [](Operands& o, std::vector<ValueId> outputs) {
    AfterPass(o.b.Build(std::move(outputs)), RecognizeAttention, false);
  };
  {
    Operands o;  // somebody reads the scores
    const ValueId scores = o.Scores();
    expect_none(o, {o.Weigh(scores), scores});
  }
  {
    Operands o;  // another axis
    const ValueId p = o.b.Op("Softmax", {o.Scores()}, Attributes{{"axis", int64_t{2}}});
    expect_none(o, {o.b.Op("MatMul", {p, o.v})});
  }
  {
    Operands o;  // Q K, not Q K^T
    o.k = o.b.Input("k2", DType::kF32, Shape{2, 3, 4, 5});
    expect_none(o, {o.Weigh(o.b.Op("MatMul", {o.q, o.k}))});
  }
  {
    Operands o;  // hidden scores that still count
    const ValueId masked = o.b.Op("Where", {Triangle(o.b, 5), o.Scores(), C(o.b, -5)});
    expect_none(o, {o.Weigh(masked)});
  }
  {
    Operands o;  // rows may be empty, where a finite number attends everything alike
    const ValueId mask = o.b.Input("mask", DType::kBool, Shape{5, 5});
    expect_none(o, {o.Weigh(o.b.Op("Where", {mask, o.Scores(), C(o.b, -1e9f)}))});
  }
  {
    Operands o;  // a mask that makes more scores of them
    const ValueId mask = o.b.Input("mask", DType::kF32, Shape{7, 1, 1, 1, 1});
    expect_none(o, {o.Weigh(o.b.Op("Add", {o.Scores(), mask}))});
  }
  {
    Operands o;  // scaled by more than one number
    expect_none(o, {o.Weigh(o.b.Op("Mul", {o.Scores(), o.b.Weights({5})}))});
  }
}

// BERT: projections, heads taken apart and joined.
Graph MultiHead(bool masked) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32,
                            SymbolicShape({Dim::Symbol("batch"), Dim::Symbol("tokens"), Dim(12)}));
  const auto dim = [&](int64_t axis) {
    return b.Op("Unsqueeze",
                {b.Op("Gather", {b.Op("Shape", {x}), b.Constant(Tensor::Scalar<int64_t>(axis))}),
                 b.Ints({0})});
  };
  const auto head = [&](Ints perm) {
    const ValueId y =
        b.Op("Add", {b.Op("MatMul", {x, b.Weights({12, 12}, 0.3f)}), b.Weights({12})});
    const ValueId shape = b.Op("Concat", {dim(0), dim(1), b.Ints({3}), b.Ints({4})},
                               Attributes{{"axis", int64_t{0}}});
    return Transpose(b, b.Op("Reshape", {y, shape}), std::move(perm));
  };
  const ValueId q = head({0, 2, 1, 3}), k = head({0, 2, 3, 1}), v = head({0, 2, 1, 3});
  ValueId scores = b.Op("Div", {b.Op("MatMul", {q, k}), C(b, 2)});
  if (masked) {
    const ValueId mask =
        b.Input("mask", DType::kF32,
                SymbolicShape({Dim::Symbol("batch"), Dim(1), Dim(1), Dim::Symbol("tokens")}));
    scores = b.Op("Add", {scores, mask});
  }
  const ValueId y = b.Op("MatMul", {b.Op("Softmax", {scores}), v});
  const ValueId joined =
      b.Op("Concat", {dim(0), dim(1), b.Ints({12})}, Attributes{{"axis", int64_t{0}}});
  const ValueId merged = b.Op("Reshape", {Transpose(b, y, {0, 2, 1, 3}), joined});
  return b.Build({b.Op("MatMul", {merged, b.Weights({12, 12}, 0.3f)})});
}

TEST(PackAttentionTest, MultiHeadAttentionNeedsNoTransposes) {
  for (const bool masked : {false, true}) {
    const Graph graph = Optimized(MultiHead(masked));
    EXPECT_THAT(Operators(graph),
                ElementsAre("FusedGemm", "FusedGemm", "FusedGemm", "Attention", "FusedGemm"))
        << graph.ToString();
  }
}

// Llama: keys and values repeated for the heads of a group.
TEST(PackAttentionTest, GroupsShareTheirHeads) {
  for (const int64_t axis : {2, 1}) {
    GraphBuilder b;
    const ValueId q = b.Input("q", DType::kF32, Shape{2, 6, 5, 4});
    const auto repeated = [&](const std::string& name) {
      const ValueId x =
          b.Input(name, DType::kF32, SymbolicShape({Dim(2), Dim(2), Dim::Symbol("keys"), Dim(4)}));
      const ValueId apart = b.Op("Unsqueeze", {x, b.Ints({axis})});
      const ValueId target = b.Ints(axis == 2 ? Ints{1, 1, 3, 1, 1} : Ints{1, 3, 1, 1, 1});
      return b.Op("Reshape", {b.Op("Expand", {apart, target}), b.Ints({2, 6, -1, 4})});
    };
    const ValueId y = b.Op("Attention", {q, repeated("k"), repeated("v")}, {}, 23);
    const Graph graph = Optimized(b.Build({y}));
    if (axis == 2) {
      EXPECT_THAT(Operators(graph), ElementsAre("Attention"));
    } else {  // heads one after the other, not each repeated
      EXPECT_EQ(graph.NodeCount(), 7) << graph.ToString();
    }
  }
}

// PyTorch's nn.MultiheadAttention: batch and heads joined, transposed, and parted again.
TEST(RecognizeAttentionTest, BatchAndHeadsJoinedAndParted) {
  GraphBuilder b;
  const ValueId x =
      b.Input("x", DType::kF32, SymbolicShape({Dim(5), Dim::Symbol("batch"), Dim(12)}));
  const auto heads = [&] {
    const ValueId y = b.Op("MatMul", {x, b.Weights({12, 12}, 0.3f)});
    const ValueId joined = Transpose(b, b.Op("Reshape", {y, b.Ints({5, -1, 4})}), {1, 0, 2});
    return b.Op("Reshape", {joined, b.Ints({-1, 3, 5, 4})});
  };
  const ValueId q = heads(), k = heads(), v = heads();
  // The keys once more as matrices.
  const ValueId flat = Transpose(b, b.Op("Reshape", {k, b.Ints({-1, 5, 4})}), {0, 2, 1});
  const ValueId scores = b.Op("MatMul", {q, b.Op("Reshape", {flat, b.Ints({-1, 3, 4, 5})})});
  const Graph graph = Optimized(b.Build({b.Op("MatMul", {b.Op("Softmax", {scores}), v})}));
  const auto ops = Operators(graph);
  EXPECT_EQ(std::ranges::count(ops, "Attention"), 1) << graph.ToString();
  EXPECT_EQ(graph.GetValue(graph.outputs[0]).shape.ToString(), "[batch, 3, 5, 4]");
}

TEST(PackAttentionTest, OtherTransposesStay) {
  GraphBuilder b;
  const ValueId q = b.Input("q", DType::kF32, Shape{5, 2, 3, 4});
  const ValueId k = b.Input("k", DType::kF32, Shape{2, 3, 5, 4});
  const ValueId y = b.Op("Attention", {Transpose(b, q, {1, 2, 0, 3}), k, k}, {}, 23);
  AfterPass(b.Build({y}), PackAttention, false);
}

}  // namespace
}  // namespace ergo
