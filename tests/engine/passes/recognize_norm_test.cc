// Softmax, LayerNormalization and RMSNormalization in the forms that exporters write, and near
// misses of each.
#include "tests/engine/passes/pass_testing.h"

namespace ergo {
namespace {

using testing::AfterPass;
using testing::Attributes;
using ::testing::ElementsAre;
using testing::GraphBuilder;
using testing::Operators;
using Ints = std::vector<int64_t>;

ValueId C(GraphBuilder& b, float value) {
  return b.Constant(Tensor::Scalar(value));
}

ValueId Reduce(GraphBuilder& b, const std::string& op, ValueId x, Ints axes, int64_t keep = 1) {
  const int axes_input = op == "ReduceSum" ? 13 : 18;
  Attributes attributes{{"keepdims", keep}};
  if (axes_input == 13) return b.Op(op, {x, b.Ints(std::move(axes))}, attributes, 13);
  attributes["axes"] = std::move(axes);
  return b.Op(op, {x}, attributes, 13);
}

TEST(RecognizeSoftmaxTest, WithAndWithoutTheMaximum) {
  for (const bool shifted : {false, true}) {
    for (const bool log : {false, true}) {
      GraphBuilder b;
      const ValueId x = b.Input("x", DType::kF32, Shape{2, 5, 3});
      const ValueId s = shifted ? b.Op("Sub", {x, Reduce(b, "ReduceMax", x, {1})}) : x;
      const ValueId e = b.Op("Exp", {s});
      const ValueId sum = Reduce(b, "ReduceSum", e, {-2});
      const ValueId y = log ? b.Op("Sub", {s, b.Op("Log", {sum})}) : b.Op("Div", {e, sum});
      const Graph graph = AfterPass(b.Build({y}), RecognizeSoftmax);
      EXPECT_THAT(Operators(graph), ElementsAre(log ? "LogSoftmax" : "Softmax"));
      EXPECT_EQ(graph.GetNode(0).IntAttr("axis", -1), 1);
    }
  }
}

TEST(RecognizeSoftmaxTest, LogOfSoftmax) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 5});
  const Graph graph =
      AfterPass(b.Build({b.Op("Log", {b.Op("Softmax", {x}, Attributes{{"axis", int64_t{0}}})})}),
                RecognizeSoftmax);
  EXPECT_THAT(Operators(graph), ElementsAre("LogSoftmax"));
}

TEST(RecognizeSoftmaxTest, NearMisses) {
  const auto softmax = [](Ints max_axes, Ints sum_axes, bool sum_of_exp) {
    GraphBuilder b;
    const ValueId x = b.Input("x", DType::kF32, Shape{2, 5, 3});
    const ValueId e = b.Op("Exp", {b.Op("Sub", {x, Reduce(b, "ReduceMax", x, max_axes)})});
    const ValueId sum = Reduce(b, "ReduceSum", sum_of_exp ? e : b.Op("Exp", {x}), sum_axes);
    return b.Build({b.Op("Div", {e, sum})});
  };
  AfterPass(softmax({1}, {2}, true), RecognizeSoftmax, false);
  AfterPass(softmax({1, 2}, {1, 2}, true), RecognizeSoftmax, false);
  AfterPass(softmax({1}, {1}, false), RecognizeSoftmax, false);
  // Without keepdims the sums stand against other elements.
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{4, 4});
  const ValueId e = b.Op("Exp", {x});
  AfterPass(b.Build({b.Op("Div", {e, Reduce(b, "ReduceSum", e, {1}, 0)})}), RecognizeSoftmax,
            false);
}

struct NormParts {
  GraphBuilder b;
  ValueId x, mean, deviation, sum;  // sum: variance + epsilon

  explicit NormParts(Ints axes = {-1}, bool power = true, Ints moment_axes = {}) {
    x = b.Input("x", DType::kF32, SymbolicShape({Dim::Symbol("batch"), Dim(5), Dim(6)}));
    mean = Reduce(b, "ReduceMean", x, axes);
    deviation = b.Op("Sub", {x, mean});
    const ValueId square =
        power ? b.Op("Pow", {deviation, C(b, 2)}) : b.Op("Mul", {deviation, deviation});
    const ValueId variance =
        Reduce(b, "ReduceMean", square, moment_axes.empty() ? axes : moment_axes);
    sum = b.Op("Add", {variance, C(b, 1e-5f)});
  }
};

TEST(RecognizeLayerNormTest, PyTorch) {
  NormParts p;
  const ValueId n = p.b.Op("Div", {p.deviation, p.b.Op("Sqrt", {p.sum})});
  const ValueId y = p.b.Op("Add", {p.b.Op("Mul", {n, p.b.Weights({6})}), p.b.Weights({6})});
  const Graph graph = AfterPass(p.b.Build({y}), RecognizeLayerNorm);
  EXPECT_THAT(Operators(graph), ElementsAre("LayerNormalization"));
  EXPECT_EQ(graph.GetNode(0).FloatAttr("epsilon", 0), 1e-5f);
  EXPECT_EQ(graph.GetNode(0).inputs.size(), 3u);
}

TEST(RecognizeLayerNormTest, TwoAxesAndNoParameters) {
  NormParts p({1, 2}, false);
  const ValueId root = p.b.Op("Reciprocal", {p.b.Op("Sqrt", {p.sum})});
  const Graph graph =
      AfterPass(p.b.Build({p.b.Op("Mul", {p.deviation, root})}), RecognizeLayerNorm);
  EXPECT_THAT(Operators(graph), ElementsAre("LayerNormalization"));
  EXPECT_EQ(graph.GetNode(0).IntAttr("axis", -1), 1);
}

TEST(RecognizeLayerNormTest, TensorFlowFoldsTheScaleIntoTheRoot) {
  NormParts p({-1}, false);
  const ValueId root = p.b.Op("Reciprocal", {p.b.Op("Sqrt", {p.sum})});
  const ValueId gain = p.b.Op("Mul", {root, p.b.Weights({6})});
  const ValueId shift = p.b.Op("Sub", {p.b.Weights({6}), p.b.Op("Mul", {p.mean, gain})});
  const Graph graph = AfterPass(p.b.Build({p.b.Op("Add", {p.b.Op("Mul", {p.x, gain}), shift})}),
                                RecognizeLayerNorm);
  EXPECT_THAT(Operators(graph), ElementsAre("LayerNormalization"));
}

TEST(RecognizeLayerNormTest, NearMisses) {
  const auto finish = [](NormParts p) {
    return p.b.Build({p.b.Op("Div", {p.deviation, p.b.Op("Sqrt", {p.sum})})});
  };
  AfterPass(finish(NormParts({1})), RecognizeLayerNorm, false);               // not the last axis
  AfterPass(finish(NormParts({-1}, true, {-2})), RecognizeLayerNorm, false);  // two different axes
  {
    NormParts p;  // somebody reads the variance
    const ValueId y = p.b.Op("Div", {p.deviation, p.b.Op("Sqrt", {p.sum})});
    AfterPass(p.b.Build({y, p.sum}), RecognizeLayerNorm, false);
  }
  {
    NormParts p;  // the mean, not the deviation, over the root
    AfterPass(p.b.Build({p.b.Op("Div", {p.mean, p.b.Op("Sqrt", {p.sum})}), p.deviation}),
              RecognizeLayerNorm, false);
  }
}

TEST(RecognizeLayerNormTest, AScaleOfOtherAxesStaysApart) {
  NormParts p;
  const ValueId n = p.b.Op("Div", {p.deviation, p.b.Op("Sqrt", {p.sum})});
  const Graph graph =
      AfterPass(p.b.Build({p.b.Op("Mul", {n, p.b.Weights({5, 1})})}), RecognizeLayerNorm);
  EXPECT_THAT(Operators(graph), ElementsAre("LayerNormalization", "Mul"));
}

TEST(RecognizeLayerNormTest, RootMeanSquare) {
  for (const bool divide : {false, true}) {
    GraphBuilder b;
    const ValueId x = b.Input("x", DType::kF32, Shape{2, 5, 6});
    const ValueId moment = Reduce(b, "ReduceMean", b.Op("Pow", {x, C(b, 2)}), {-1});
    const ValueId root = b.Op("Sqrt", {b.Op("Add", {moment, C(b, 1e-6f)})});
    const ValueId n =
        divide ? b.Op("Div", {x, root}) : b.Op("Mul", {x, b.Op("Div", {C(b, 1), root})});
    const Graph graph = AfterPass(b.Build({b.Op("Mul", {b.Weights({6}), n})}), RecognizeLayerNorm);
    EXPECT_THAT(Operators(graph), ElementsAre("RMSNormalization"));
    EXPECT_EQ(graph.GetNode(0).FloatAttr("epsilon", 0), 1e-6f);
  }
}

TEST(RecognizeLayerNormTest, RootOfAnotherMeanSquare) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 5, 6});
  const ValueId other = b.Op("Neg", {x});
  const ValueId moment = Reduce(b, "ReduceMean", b.Op("Pow", {other, C(b, 2)}), {-1});
  const ValueId root = b.Op("Sqrt", {b.Op("Add", {moment, C(b, 1e-6f)})});
  AfterPass(b.Build({b.Op("Div", {x, root})}), RecognizeLayerNorm, false);
}

}  // namespace
}  // namespace ergo
