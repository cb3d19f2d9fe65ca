#include "engine/quantize/linear_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/passes/passes.h"
#include "tests/engine/testing/graph_builder.h"

namespace ergo {
namespace {

using testing::Attributes;
using ::testing::ElementsAre;
using testing::GraphBuilder;
using testing::RandomInputs;
using testing::RunGraph;

// Two products that read the same input, weights either way round, one of a depth that is no
// multiple of a block; and a small one.
Graph Products() {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{3, 5, 70});
  const ValueId left =
      b.Op("Relu", {b.Op("Add", {b.Op("MatMul", {x, b.Weights({70, 40})}), b.Weights({40})})});
  const ValueId flat = b.Op("Reshape", {x, b.Ints({15, 70})});
  const ValueId right = b.Op("Gemm", {flat, b.Weights({33, 70}), b.Weights({33})},
                             Attributes{{"transB", int64_t{1}}});
  Graph graph = b.Build({b.Op("MatMul", {left, b.Weights({40, 2})}), right});
  ERGO_CHECK(Optimize(graph).ok());
  return graph;
}

int Count(const Graph& graph, std::string_view op) {
  return static_cast<int>(std::ranges::count(graph.Nodes(), op, &Node::op));
}

double RelativeError(const Tensor& got, const Tensor& expected) {
  double difference = 0, magnitude = 0;
  for (size_t i = 0; i < expected.Span<float>().size(); ++i) {
    const double x = got.Span<float>()[i], y = expected.Span<float>()[i];
    difference += (x - y) * (x - y);
    magnitude += y * y;
  }
  return std::sqrt(difference / magnitude);
}

TEST(LinearWeightsTest, DynamicProductsAreOfIntegers) {
  const Graph before = Products();
  Graph graph = before;
  const auto report = QuantizeLinearDynamic(graph);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->layers.size(), 2u);
  EXPECT_EQ(Count(graph, "QuantizedGemm"), 2);
  EXPECT_EQ(Count(graph, "FusedGemm"), 1);
  for (const auto& layer : report->layers) {
    EXPECT_LT(layer.bytes_after, layer.bytes_before / 3);
    EXPECT_LT(layer.weight_error, 0.01);
  }
  // The passes leave it as it is.
  const int nodes = graph.NodeCount();
  ASSERT_TRUE(Optimize(graph).ok());
  EXPECT_EQ(graph.NodeCount(), nodes);
  const std::vector<Tensor> inputs = RandomInputs(before, 4);
  const std::vector<Tensor> expected = RunGraph(before, inputs), got = RunGraph(graph, inputs);
  for (size_t i = 0; i < expected.size(); ++i) {
    // Steps of x are 1/255 of its range of about 7 deviations, uniform errors 0.29 of a step: 0.8
    // %; weights add their 0.6 %.
    EXPECT_LT(RelativeError(got[i], expected[i]), 0.02);
    EXPECT_GT(RelativeError(got[i], expected[i]), 0.001);
  }
}

TEST(LinearWeightsTest, AnInputThatSeveralReadIsQuantizedOnce) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 64});
  Graph graph =
      b.Build({b.Op("MatMul", {x, b.Weights({64, 32})}), b.Op("MatMul", {x, b.Weights({64, 16})})});
  ASSERT_TRUE(Optimize(graph).ok());
  ASSERT_TRUE(QuantizeLinearDynamic(graph).ok());
  EXPECT_EQ(Count(graph, "DynamicQuantizeLinear"), 1);
  EXPECT_EQ(Count(graph, "QuantizedGemm"), 2);
}

TEST(LinearWeightsTest, FourBitsStayInTheGraphAndWidenWhenItIsLoaded) {
  const Graph before = Products();
  Graph graph = before;
  const auto report = QuantizeLinearInt4(graph);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->layers.size(), 2u);
  for (const auto& layer : report->layers) {
    EXPECT_LT(layer.bytes_after, layer.bytes_before / 5);
    EXPECT_LT(layer.weight_error, 0.12);
  }
  ASSERT_TRUE(Optimize(graph).ok());
  EXPECT_EQ(Count(graph, "DequantizeLinear"), 2);
  int64_t bytes = 0;
  for (ValueId id = 0; id < graph.ValueCount(); ++id) {
    if (graph.Constant(id) != nullptr && graph.Constant(id)->Type() == DType::kI4) {
      bytes += graph.Constant(id)->Bytes();
    }
  }
  EXPECT_EQ(bytes, 70 * 40 / 2 + 33 * 70 / 2);
  const auto model = Model::Create(graph, {});
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  EXPECT_EQ(Count((*model)->GetGraph(), "DequantizeLinear"), 0);
  const std::vector<Tensor> inputs = RandomInputs(before, 4);
  const std::vector<Tensor> expected = RunGraph(before, inputs), got = RunGraph(graph, inputs);
  for (size_t i = 0; i < expected.size(); ++i) {
    // Independent errors of the weights go into the products as they are.
    EXPECT_LT(RelativeError(got[i], expected[i]), 0.15);
    EXPECT_GT(RelativeError(got[i], expected[i]), 0.02);
  }
}

TEST(LinearWeightsTest, ModelsWithoutLargeProductsAreRefused) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 8});
  Graph graph = b.Build({b.Op("MatMul", {x, b.Weights({8, 8})})});
  ASSERT_TRUE(Optimize(graph).ok());
  EXPECT_EQ(QuantizeLinearDynamic(graph).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(QuantizeLinearInt4(graph).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(graph.NodeCount(), 1);
}

}  // namespace
}  // namespace ergo
