// The passes about quantized models: what they make of QDQ graphs, and that the results stay within
// a step or two of the output's scale of what the float operators between them give.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/passes/passes.h"
#include "tests/engine/testing/graph_builder.h"

namespace ergo {
namespace {

using testing::Attributes;
using ::testing::ElementsAre;
using testing::GraphBuilder;
using testing::RandomInputs;
using testing::RunGraph;

constexpr float kScale = 0.05f;

std::vector<std::string> Operators(const Graph& graph) {
  std::vector<std::string> ops;
  for (const Node& node : graph.Nodes()) ops.push_back(node.op);
  return ops;
}

class QdqBuilder : public GraphBuilder {
 public:
  ValueId Scale(float scale) { return Constant(Tensor::Scalar<float>(scale)); }
  ValueId Quantize(ValueId x, float scale = kScale, uint8_t zero = 128) {
    return Op("QuantizeLinear", {x, Scale(scale), Constant(Tensor::Scalar<uint8_t>(zero))}, {}, 13);
  }
  ValueId Dequantize(ValueId x, float scale = kScale, uint8_t zero = 128) {
    return Op("DequantizeLinear", {x, Scale(scale), Constant(Tensor::Scalar<uint8_t>(zero))}, {},
              13);
  }
  ValueId Fake(ValueId x, float scale = kScale, uint8_t zero = 128) {
    return Dequantize(Quantize(x, scale, zero), scale, zero);
  }
  // Weights of int8 with a scale for each slice of `axis`.
  ValueId QuantizedWeights(const Shape& shape, int axis) {
    std::vector<int8_t> values(static_cast<size_t>(shape.Elements()));
    for (int8_t& value : values) value = static_cast<int8_t>(random_() % 255);
    std::vector<float> scales(static_cast<size_t>(shape[axis]));
    for (float& scale : scales) scale = 0.001f * static_cast<float>(1 + random_() % 9);
    const ValueId w = Constant(Tensor::FromValues<int8_t>(shape, std::span<const int8_t>(values)));
    const ValueId scale =
        Constant(Tensor::FromValues<float>({shape[axis]}, std::span<const float>(scales)));
    return Op("DequantizeLinear", {w, scale}, Attributes{{"axis", int64_t{axis}}}, 13);
  }

 private:
  std::mt19937 random_{7};
};

// The optimized graph; its outputs differ by at most `steps` of `scale` from the given one's.
Graph Optimized(const Graph& graph, double steps, double scale = kScale) {
  Graph optimized = graph;
  const auto reports = Optimize(optimized);
  EXPECT_TRUE(reports.ok()) << reports.status().ToString();
  const std::vector<Tensor> inputs = RandomInputs(graph, 5);
  ModelOptions reference;
  reference.kernels.reference = true;
  const std::vector<Tensor> expected = RunGraph(graph, inputs, reference);
  for (const ModelOptions& options : {ModelOptions(), reference}) {
    const std::vector<Tensor> got = RunGraph(optimized, inputs, options);
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].GetShape(), expected[i].GetShape());
      const auto x = got[i].Span<float>(), y = expected[i].Span<float>();
      double moved = 0;
      for (size_t k = 0; k < x.size(); ++k) {
        EXPECT_NEAR(x[k], y[k], steps * scale + 1e-4);
        moved = std::max(moved, std::abs(double{y[k]}));
      }
      EXPECT_GT(moved, 4 * scale);
    }
  }
  return optimized;
}

TEST(FuseQuantizedTest, ConvolutionWithBiasAndActivation) {
  for (const bool integer_bias : {false, true}) {
    QdqBuilder b;
    const ValueId x = b.Input("x", DType::kF32, Shape{2, 4, 7, 9});
    ValueId bias = b.Weights({6}, 0.1f);
    ValueId weights = b.QuantizedWeights({6, 4, 3, 3}, 0);
    if (integer_bias) {
      const auto scales = b.Raw().Constant(b.Raw().Nodes().back().inputs[1])->Span<float>();
      std::vector<float> products;
      for (const float scale : scales) products.push_back(scale * kScale);
      bias = b.Op("DequantizeLinear",
                  {b.Constant(Tensor::FromValues<int32_t>({6}, {900, -900, 20, 0, 5000, -10})),
                   b.Constant(Tensor::FromValues<float>({6}, std::span<const float>(products)))},
                  Attributes{{"axis", int64_t{0}}}, 13);
    }
    const ValueId conv = b.Op("Conv", {b.Fake(x), weights, bias},
                              Attributes{{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
    const Graph graph = Optimized(b.Build({b.Fake(b.Op("Relu", {conv}), kScale, 3)}), 1);
    EXPECT_THAT(Operators(graph),
                ElementsAre("QuantizeLinear", "QuantizedConv", "DequantizeLinear"));
    const Node& node = graph.GetNode(1);
    EXPECT_EQ(node.StringAttr("activation", ""), "relu");
    EXPECT_EQ(graph.GetValue(node.inputs[8]).dtype, integer_bias ? DType::kI32 : DType::kF32);
  }
}

TEST(FuseQuantizedTest, ProductsWithWeightsEitherWay) {
  for (const bool transposed : {false, true}) {
    QdqBuilder b;
    const ValueId x = b.Input("x", DType::kF32, Shape{5, 20});
    const ValueId w = transposed ? b.QuantizedWeights({7, 20}, 0) : b.QuantizedWeights({20, 7}, 1);
    const ValueId y =
        b.Op("Gemm", {b.Fake(x), w, b.Weights({7})}, Attributes{{"transB", int64_t{transposed}}});
    const Graph graph = Optimized(b.Build({b.Fake(b.Op("Sigmoid", {y}), 0.01f, 0)}), 1, 0.01);
    EXPECT_THAT(Operators(graph),
                ElementsAre("QuantizeLinear", "QuantizedGemm", "DequantizeLinear"));
  }
}

TEST(FuseQuantizedTest, ProductOfTwoActivations) {
  QdqBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 3, 4, 8});
  const ValueId y = b.Input("y", DType::kF32, Shape{3, 8, 5});
  const Graph graph = Optimized(b.Build({b.Op("MatMul", {b.Fake(x), b.Fake(y)})}), 0);
  EXPECT_THAT(Operators(graph), ElementsAre("QuantizeLinear", "QuantizeLinear", "QuantizedGemm"));
}

TEST(FuseQuantizedTest, ResidualOfItsOwnScale) {
  QdqBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{1, 4, 6, 6});
  const ValueId fake = b.Fake(x);
  const ValueId conv = b.Op("Conv", {fake, b.QuantizedWeights({4, 4, 1, 1}, 0)});
  const ValueId sum = b.Op("Relu", {b.Op("Add", {conv, b.Fake(x, 0.02f, 100)})});
  const Graph graph = Optimized(b.Build({b.Fake(sum)}), 1);
  EXPECT_THAT(Operators(graph),
              ElementsAre("QuantizeLinear", "QuantizeLinear", "QuantizedConv", "DequantizeLinear"));
}

TEST(FuseQuantizedTest, WhatElseReadsTheResultGetsItInFloat) {
  QdqBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{1, 4, 6, 6});
  const ValueId conv = b.Op("Conv", {b.Fake(x), b.QuantizedWeights({4, 4, 1, 1}, 0)});
  const Graph graph = Optimized(b.Build({b.Fake(conv), b.Op("Exp", {conv})}), 1);
  EXPECT_THAT(Operators(graph), ElementsAre("QuantizeLinear", "QuantizedConv", "QuantizeLinear",
                                            "DequantizeLinear", "Exp"));
}

TEST(FuseQuantizedTest, SumsOfQuantizedTensors) {
  for (const bool relu : {false, true}) {
    QdqBuilder b;
    const ValueId x = b.Input("x", DType::kF32, Shape{2, 3, 5});
    const ValueId y = b.Input("y", DType::kF32, Shape{2, 3, 5});
    ValueId sum = b.Op("Add", {b.Fake(x), b.Fake(y, 0.02f, 90)});
    if (relu) sum = b.Op("Relu", {sum});
    const Graph graph = Optimized(b.Build({b.Fake(sum, 0.06f, 100)}), 1, 0.06);
    EXPECT_THAT(Operators(graph), ElementsAre("QuantizeLinear", "QuantizeLinear", "QuantizedAdd",
                                              "DequantizeLinear"));
  }
}

TEST(FuseQuantizedTest, SumsThatBroadcastStayFloat) {
  QdqBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 3, 5});
  const ValueId y = b.Input("y", DType::kF32, Shape{3, 5});
  const Graph graph = Optimized(b.Build({b.Fake(b.Op("Add", {b.Fake(x), b.Fake(y)}))}), 1);
  EXPECT_THAT(Operators(graph), ::testing::Contains("Add"));
}

TEST(FuseQuantizedTest, ScalesAlongAnotherAxisStayFloat) {
  QdqBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{5, 20});
  const Graph graph =
      Optimized(b.Build({b.Op("MatMul", {b.Fake(x), b.QuantizedWeights({20, 7}, 0)})}), 0);
  EXPECT_THAT(Operators(graph),
              ElementsAre("QuantizeLinear", "DequantizeLinear", "DequantizeLinear", "FusedGemm"));
}

// x quantized by its own range; the operator's sums scaled back.
ValueId Dynamic(QdqBuilder& b, ValueId x, const std::string& op, ValueId w, ValueId scale,
                const Attributes& attributes = {}) {
  Node quantize;
  quantize.name = "quantize";
  quantize.op = "DynamicQuantizeLinear";
  quantize.opset = 11;
  quantize.inputs = {x};
  for (const char* name : {"bytes", "scale", "zero"}) {
    quantize.outputs.push_back(b.Raw().AddValue(b.Raw().UniqueName(name)));
  }
  const std::vector<ValueId> parts = quantize.outputs;
  b.Raw().AddNode(std::move(quantize));
  const ValueId zero = b.Constant(Tensor::Scalar<int8_t>(0));
  const ValueId sums = b.Op(op, {parts[0], w, parts[2], zero}, attributes, 10);
  const ValueId wide = b.Op("Cast", {sums}, Attributes{{"to", int64_t{1}}});
  return b.Op("Mul", {wide, b.Op("Mul", {parts[1], scale})});
}

TEST(FuseDynamicQuantizedTest, ProductsAndConvolutions) {
  for (const bool conv : {false, true}) {
    QdqBuilder b;
    std::vector<int8_t> values;
    for (int i = 0; i < 6 * 5; ++i) values.push_back(static_cast<int8_t>(i * 37 % 255 - 127));
    const auto weights = [&](const Shape& shape) {
      return b.Constant(Tensor::FromValues<int8_t>(shape, std::span<const int8_t>(values)));
    };
    const ValueId scale = b.Scale(0.02f);
    ValueId y = kNoValue;
    if (conv) {
      const ValueId x = b.Input("x", DType::kF32, Shape{2, 6, 3, 4});
      y = b.Op("Add", {Dynamic(b, x, "ConvInteger", weights({5, 6, 1, 1}), scale),
                       b.Weights({1, 5, 1, 1})});
    } else {
      const ValueId x = b.Input("x", DType::kF32, Shape{2, 4, 6});
      y = b.Op("Add", {b.Weights({5}), Dynamic(b, x, "MatMulInteger", weights({6, 5}), scale)});
    }
    const Graph graph = Optimized(b.Build({b.Op("Relu", {y})}), 0.1);
    EXPECT_THAT(Operators(graph),
                ElementsAre("DynamicQuantizeLinear", conv ? "QuantizedConv" : "QuantizedGemm"));
    EXPECT_EQ(graph.Nodes().back().StringAttr("activation", ""), "relu");
  }
}

TEST(FuseDynamicQuantizedTest, ABiasOfAnotherShapeStaysBehind) {
  QdqBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{4, 6});
  std::vector<int8_t> values(24, 3);
  const ValueId w = b.Constant(Tensor::FromValues<int8_t>({6, 4}, std::span<const int8_t>(values)));
  const ValueId y = Dynamic(b, x, "MatMulInteger", w, b.Scale(0.02f));
  const Graph graph = Optimized(b.Build({b.Op("Add", {y, b.Weights({4, 1})})}), 0.1);
  EXPECT_THAT(Operators(graph), ElementsAre("DynamicQuantizeLinear", "QuantizedGemm", "Add"));
}

TEST(PropagateQuantizedTest, PastWhatOnlyMovesElements) {
  QdqBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{1, 4, 6, 6});
  const ValueId conv = b.Op("Conv", {b.Fake(x), b.QuantizedWeights({4, 4, 1, 1}, 0)});
  const ValueId pooled = b.Op("MaxPool", {conv},
                              Attributes{{"kernel_shape", std::vector<int64_t>{2, 2}},
                                         {"strides", std::vector<int64_t>{2, 2}}});
  const ValueId turned =
      b.Op("Transpose", {pooled}, Attributes{{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
  const ValueId flat = b.Op("Reshape", {b.Fake(turned), b.Ints({1, 36})});
  const ValueId y = b.Op("MatMul", {b.Fake(flat), b.QuantizedWeights({36, 3}, 1)});
  const Graph graph = Optimized(b.Build({y}), 1);
  EXPECT_THAT(Operators(graph), ElementsAre("QuantizeLinear", "QuantizedConv", "MaxPool",
                                            "Transpose", "Reshape", "QuantizedGemm"));
}

TEST(PropagateQuantizedTest, OverAConcat) {
  QdqBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{1, 4, 6, 6});
  const ValueId fake = b.Fake(x);
  const ValueId left = b.Op("Conv", {fake, b.QuantizedWeights({4, 4, 1, 1}, 0)});
  const ValueId right = b.Op("Conv", {fake, b.QuantizedWeights({2, 4, 1, 1}, 0)});
  const ValueId both = b.Op("Concat", {left, right}, Attributes{{"axis", int64_t{1}}});
  const Graph graph =
      Optimized(b.Build({b.Op("Conv", {b.Fake(both), b.QuantizedWeights({3, 6, 1, 1}, 0)})}), 1);
  EXPECT_THAT(Operators(graph), ElementsAre("QuantizeLinear", "QuantizedConv", "QuantizedConv",
                                            "Concat", "QuantizedConv"));
}

TEST(PropagateQuantizedTest, OutputsKeepTheirNamesAndTypes) {
  QdqBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 3});
  const ValueId q = b.Quantize(b.Dequantize(b.Quantize(x)));
  Graph graph = b.Build({b.Op("Transpose", {b.Dequantize(q)}), q});
  const std::string first = graph.GetValue(graph.outputs[0]).name;
  const std::string second = graph.GetValue(graph.outputs[1]).name;
  ASSERT_TRUE(Optimize(graph).ok());
  EXPECT_EQ(graph.GetValue(graph.outputs[0]).name, first);
  EXPECT_EQ(graph.GetValue(graph.outputs[1]).name, second);
  EXPECT_EQ(graph.GetValue(graph.outputs[1]).dtype, DType::kU8);
}

}  // namespace
}  // namespace ergo
