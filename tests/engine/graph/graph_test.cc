#include "engine/graph/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/graph/inline.h"

namespace ergo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Node MakeNode(std::string op, std::vector<ValueId> inputs, std::vector<ValueId> outputs) {
  Node node;
  node.name = op;
  node.op = std::move(op);
  node.opset = 13;
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  return node;
}

// y = Relu(Add(x, w)), with a dead Neg beside it.
Graph SmallGraph() {
  Graph graph;
  const ValueId x = graph.AddValue("x", DType::kF32, Shape{2});
  const ValueId w = graph.AddConstant("w", Tensor::FromValues<float>({2}, {1, 2}));
  const ValueId sum = graph.AddValue("sum"), dead = graph.AddValue("dead");
  const ValueId y = graph.AddValue("y");
  graph.inputs = {x};
  graph.outputs = {y};
  graph.AddNode(MakeNode("Add", {x, w}, {sum}));
  graph.AddNode(MakeNode("Neg", {sum}, {dead}));
  graph.AddNode(MakeNode("Relu", {sum}, {y}));
  return graph;
}

TEST(GraphTest, VerifiesAWellFormedGraph) {
  const Graph graph = SmallGraph();
  EXPECT_TRUE(graph.Verify().ok()) << graph.Verify().ToString();
  EXPECT_THAT(graph.ToString(), HasSubstr("sum = Add(x, w)"));
}

TEST(GraphTest, VerifyNamesTheNodeThatReadsTooEarly) {
  Graph graph = SmallGraph();
  std::swap(graph.GetNode(0), graph.GetNode(2));
  const Status status = graph.Verify();
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("Relu 'Relu': 'sum' is used before"));
}

TEST(GraphTest, VerifyFindsDoubleDefinitionsAndNames) {
  Graph twice = SmallGraph();
  twice.GetNode(1).outputs = {twice.FindValue("sum")};
  EXPECT_FALSE(twice.Verify().ok());
  Graph name = SmallGraph();
  name.GetValue(name.FindValue("sum")).name = "x";
  EXPECT_FALSE(name.Verify().ok());
  Graph range = SmallGraph();
  range.GetNode(0).inputs = {99, 0};
  EXPECT_FALSE(range.Verify().ok());
}

TEST(GraphTest, CountsUsesAndFindsProducers) {
  const Graph graph = SmallGraph();
  EXPECT_EQ(graph.UseCounts()[static_cast<size_t>(graph.FindValue("sum"))], 2);
  EXPECT_EQ(graph.UseCounts()[static_cast<size_t>(graph.FindValue("y"))], 1);
  EXPECT_EQ(graph.Producers()[static_cast<size_t>(graph.FindValue("y"))], 2);
  EXPECT_EQ(graph.Producers()[static_cast<size_t>(graph.FindValue("w"))], -1);
}

TEST(GraphTest, RemovingNodesRenumbersAndKeepsMeaning) {
  Graph graph = SmallGraph();
  graph.RemoveNodes({false, true, false});
  EXPECT_EQ(graph.NodeCount(), 2);
  EXPECT_EQ(graph.FindValue("dead"), kNoValue);
  EXPECT_EQ(graph.ValueCount(), 4);
  EXPECT_TRUE(graph.Verify().ok());
  EXPECT_EQ(graph.GetValue(graph.outputs[0]).name, "y");
}

TEST(GraphTest, TrailingAbsentInputsAreDropped) {
  Graph graph = SmallGraph();
  const ValueId z = graph.AddValue("z");
  const NodeId id = graph.AddNode(MakeNode("Clip", {0, kNoValue, kNoValue}, {z}));
  EXPECT_THAT(graph.GetNode(id).inputs, ElementsAre(0));
}

TEST(GraphTest, CopiesAreDeepForSubgraphs) {
  Graph outer = SmallGraph();
  Node branch = MakeNode("If", {0}, {outer.AddValue("z")});
  branch.subgraphs.emplace_back("then_branch", std::make_unique<Graph>(SmallGraph()),
                                std::vector<ValueId>{0});
  outer.AddNode(std::move(branch));
  ASSERT_TRUE(outer.Verify().ok()) << outer.Verify().ToString();
  Graph copy = outer;
  copy.GetNode(3).subgraphs[0].graph->GetNode(0).op = "Sub";
  EXPECT_EQ(outer.GetNode(3).subgraphs[0].graph->GetNode(0).op, "Add");
}

TEST(GraphTest, AttributesOfAnotherTypeCountAsAbsent) {
  Node node = MakeNode("Softmax", {0}, {1});
  node.attributes["axis"] = int64_t{-1};
  EXPECT_EQ(node.IntAttr("axis", 7), -1);
  EXPECT_EQ(node.FloatAttr("axis", 0.5f), 0.5f);
  EXPECT_EQ(node.IntsAttr("axis"), nullptr);
}

TEST(InlineGraphTest, BindsInputsAndMakesNamesUnique) {
  Graph outer = SmallGraph();
  const Graph inner = SmallGraph();
  std::vector<Node> nodes;
  const std::vector<ValueId> outputs =
      InlineGraph(outer, inner, std::vector<ValueId>{outer.FindValue("y")}, "call", nodes);
  for (Node& node : nodes) outer.AddNode(std::move(node));
  outer.outputs = outputs;
  ASSERT_TRUE(outer.Verify().ok()) << outer.Verify().ToString();
  EXPECT_EQ(outer.GetValue(outputs[0]).name, "call/y");
  EXPECT_EQ(outer.GetNode(3).inputs[0], outer.FindValue("y"));
  EXPECT_NE(outer.Constant(outer.GetNode(3).inputs[1]), nullptr);
}

}  // namespace
}  // namespace ergo
