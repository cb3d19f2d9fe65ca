#include "engine/graph/upgrade.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ergo {
namespace {

using ::testing::HasSubstr;

// y = op(x, b) of opset 6.
Graph Legacy(std::string op, const Shape& x, const Shape& b,
             std::map<std::string, Attribute, std::less<>> attributes) {
  Graph graph;
  graph.inputs = {graph.AddValue("x", DType::kF32, x), graph.AddValue("b", DType::kF32, b)};
  graph.outputs = {graph.AddValue("y")};
  Node node;
  node.name = "n";
  node.op = std::move(op);
  node.opset = 6;
  node.inputs = graph.inputs;
  node.outputs = graph.outputs;
  node.attributes = std::move(attributes);
  graph.AddNode(std::move(node));
  return graph;
}

TEST(UpgradeTest, PutsOnesBehindAnOperandOfTheMiddle) {
  Graph graph = Legacy("Add", {2, 3, 4, 5}, {3}, {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}});
  ASSERT_TRUE(UpgradeLegacyOperators(graph).ok());
  ASSERT_TRUE(graph.Verify().ok()) << graph.Verify().ToString();
  ASSERT_EQ(graph.NodeCount(), 2);
  EXPECT_EQ(graph.GetNode(0).op, "Unsqueeze");
  EXPECT_EQ(*graph.GetNode(0).IntsAttr("axes"), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(graph.GetNode(1).opset, 7);
  EXPECT_TRUE(graph.GetNode(1).attributes.empty());
}

TEST(UpgradeTest, TrailingBroadcastNeedsNothing) {
  Graph graph = Legacy("Mul", {2, 3}, {3}, {{"broadcast", int64_t{1}}});
  ASSERT_TRUE(UpgradeLegacyOperators(graph).ok());
  EXPECT_EQ(graph.NodeCount(), 1);
  EXPECT_EQ(graph.GetNode(0).opset, 7);
}

TEST(UpgradeTest, SlopesOfChannelsStandAgainstAxisOne) {
  Graph graph = Legacy("PRelu", {2, 3, 4, 5}, {3}, {});
  ASSERT_TRUE(UpgradeLegacyOperators(graph).ok());
  ASSERT_EQ(graph.NodeCount(), 2);
  EXPECT_EQ(*graph.GetNode(0).IntsAttr("axes"), (std::vector<int64_t>{1, 2}));
}

TEST(UpgradeTest, RefusesAnAxisThatDoesNotFit) {
  Graph graph = Legacy("Add", {2, 3}, {3, 4}, {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}});
  const Status status = UpgradeLegacyOperators(graph);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("Add 'n'"));
}

TEST(UpgradeTest, RefusesAMissingOperand) {
  for (const char* op : {"Add", "PRelu"}) {
    for (const bool named : {false, true}) {
      Graph graph = Legacy(op, {2, 3}, {3}, {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}});
      std::vector<ValueId>& inputs = graph.Nodes()[0].inputs;
      if (named) {
        inputs[0] = kNoValue;
      } else {
        inputs.resize(1);
      }
      const Status status = UpgradeLegacyOperators(graph);
      EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
      EXPECT_THAT(std::string(status.message()), HasSubstr("two inputs"));
    }
  }
}

TEST(UpgradeTest, LeavesModernGraphsAlone) {
  Graph graph = Legacy("Add", {2, 3}, {3}, {});
  graph.GetNode(0).opset = 13;
  const std::string before = graph.ToString();
  ASSERT_TRUE(UpgradeLegacyOperators(graph).ok());
  EXPECT_EQ(graph.ToString(), before);
}

}  // namespace
}  // namespace ergo
