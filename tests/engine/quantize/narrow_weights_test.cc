#include "engine/quantize/narrow_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/passes/passes.h"
#include "engine/plan/widen.h"
#include "tests/engine/testing/graph_builder.h"

namespace ergo {
namespace {

using testing::GraphBuilder;
using testing::LargestDifference;
using testing::RandomInputs;
using testing::RunGraph;

Graph TwoLayers() {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{4, 24});
  const ValueId h = b.Op("Relu", {b.Op("MatMul", {x, b.Weights({24, 32}, 0.2f)})});
  return b.Build({b.Op("MatMul", {h, b.Weights({32, 8}, 0.2f)})});
}

int64_t ConstantBytes(const Graph& graph) {
  int64_t bytes = 0;
  for (ValueId id = 0; id < graph.ValueCount(); ++id) {
    if (graph.Constant(id) != nullptr) bytes += graph.Constant(id)->Bytes();
  }
  return bytes;
}

TEST(NarrowWeightsTest, HalvesTheBytesAndRoundsOnce) {
  // A product of n terms whose weights err by u each errs by at most u times the sum of magnitudes;
  // the values here stay below 10.
  for (const auto& [dtype, unit] : {std::pair(DType::kF16, 0x1p-11), {DType::kBF16, 0x1p-8}}) {
    Graph graph = TwoLayers();
    ASSERT_TRUE(Optimize(graph).ok());
    const std::vector<Tensor> inputs = RandomInputs(graph, 3);
    const std::vector<Tensor> expected = RunGraph(graph, inputs);
    const int64_t before = ConstantBytes(graph);
    const auto report = NarrowWeights(graph, dtype);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_EQ(report->narrowed, 2);
    EXPECT_EQ(report->bytes_after * 2, report->bytes_before);
    graph.Compact();
    EXPECT_EQ(ConstantBytes(graph) * 2, before);
    const double difference = LargestDifference(RunGraph(graph, inputs), expected);
    EXPECT_LT(difference, 10 * unit);
    EXPECT_GT(difference, 0);
  }
}

TEST(NarrowWeightsTest, PassesLeaveThemNarrowAndLoadingWidensThem) {
  Graph graph = TwoLayers();
  ASSERT_TRUE(Optimize(graph).ok());
  ASSERT_TRUE(NarrowWeights(graph, DType::kF16).ok());
  const int nodes = graph.NodeCount();
  ASSERT_TRUE(Optimize(graph).ok());
  EXPECT_EQ(graph.NodeCount(), nodes);
  const auto model = Model::Create(graph, {});
  ASSERT_TRUE(model.ok());
  for (const Node& node : (*model)->GetGraph().Nodes()) EXPECT_NE(node.op, "Cast");
}

TEST(NarrowWeightsTest, KeepsWhatFloat16CannotHoldAndWhatIsSmall) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{100});
  std::vector<float> large(100, 1.0f);
  large[7] = 70000.0f;
  const ValueId sum =
      b.Op("Add", {x, b.Constant(Tensor::FromValues<float>({100}, std::span<const float>(large)))});
  Graph graph = b.Build({b.Op("Mul", {sum, b.Weights({1})})});
  Graph other = graph;
  const auto half = NarrowWeights(graph, DType::kF16);
  ASSERT_TRUE(half.ok());
  EXPECT_EQ(half->narrowed, 0);
  EXPECT_EQ(half->out_of_range, 1);
  const auto brain = NarrowWeights(other, DType::kBF16);
  ASSERT_TRUE(brain.ok());
  EXPECT_EQ(brain->narrowed, 1);
  EXPECT_EQ(NarrowWeights(other, DType::kI8).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ergo
