#include "tools/ergo/bisect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ergo::tool {
namespace {

using ::testing::HasSubstr;

// y = Relu(x); then `steps` nodes that each multiply by `factor`, but number `odd` by `odd_factor`.
Graph Chain(int steps, float factor, int odd = -1, float odd_factor = 0) {
  Graph graph;
  graph.inputs = {graph.AddValue("x", DType::kF32, Shape{3})};
  ValueId last = graph.AddValue("v0");
  const auto add = [&](std::string name, std::string op, std::vector<ValueId> inputs,
                       ValueId output) {
    Node node;
    node.name = std::move(name);
    node.op = std::move(op);
    node.opset = 17;
    node.inputs = std::move(inputs);
    node.outputs = {output};
    graph.AddNode(std::move(node));
  };
  add("first", "Relu", {graph.inputs[0]}, last);
  for (int i = 0; i < steps; ++i) {
    const float by = i == odd ? odd_factor : factor;
    const ValueId constant =
        graph.AddConstant("c" + std::to_string(i), Tensor::FromValues<float>({1}, {by}));
    const ValueId next = graph.AddValue("v" + std::to_string(i + 1));
    add("mul_" + std::to_string(i), "Mul", {last, constant}, next);
    last = next;
  }
  graph.outputs = {last};
  return graph;
}

class BisectTest : public ::testing::Test {
 protected:
  std::optional<Divergence> Find(const Graph& suspect, const Graph& trusted) {
    const Tensor x = Tensor::FromValues<float>({3}, {-1, 2, 3});
    const std::vector<TensorView> inputs = {x.View()};
    Progress progress(true);
    Result<std::optional<Divergence>> found =
        FindDivergence({suspect, {}, "this"}, {trusted, {}, "that"}, inputs, flags_, progress);
    EXPECT_TRUE(found.ok()) << found.status().ToString();
    return found.ok() ? *found : std::nullopt;
  }
  CheckFlags flags_;
};

TEST_F(BisectTest, FindsTheFirstNodeThatDiffers) {
  // Also where many runs are needed to come there.
  for (const int odd : {0, 1, 63, 64, 150}) {
    const auto found = Find(Chain(151, 1, odd, 2), Chain(151, 1));
    ASSERT_TRUE(found.has_value()) << odd;
    EXPECT_EQ(found->node, "mul_" + std::to_string(odd));
    EXPECT_EQ(found->value, "v" + std::to_string(odd + 1));
    EXPECT_EQ(found->op, "Mul");
    EXPECT_THAT(found->kernel, HasSubstr("/"));
    EXPECT_DOUBLE_EQ(found->comparison.max_abs, 3);
    ASSERT_EQ(found->inputs.size(), 2u);
    EXPECT_EQ(found->inputs[0].name, "v" + std::to_string(odd));
    EXPECT_DOUBLE_EQ(found->inputs[0].min, 0);
    EXPECT_DOUBLE_EQ(found->inputs[0].max, 3);
    EXPECT_THAT(found->ToString(), HasSubstr("'mul_" + std::to_string(odd) + "'"));
    EXPECT_EQ(found->ToJson()["node"], found->node);
  }
}

TEST_F(BisectTest, WhatIsTheSameHasNoFirstDifference) {
  EXPECT_FALSE(Find(Chain(5, 1.5f), Chain(5, 1.5f)).has_value());
  EXPECT_THAT(DivergenceText(std::nullopt), HasSubstr("no node differs"));
}

TEST_F(BisectTest, ValuesWithoutACounterpartArePassedOver) {
  // As if a pass had put the odd node into the one behind it.
  Graph suspect = Chain(3, 1, 1, 2);
  suspect.GetValue(suspect.FindValue("v2")).name = "fused";
  const auto found = Find(suspect, Chain(3, 1));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->node, "mul_2");
}

TEST_F(BisectTest, TheCosineMayDecideInstead) {
  flags_.cosine = 0.999;
  // Twice as long, and of the same direction.
  EXPECT_FALSE(Find(Chain(3, 1, 1, 2), Chain(3, 1)).has_value());
  EXPECT_TRUE(Find(Chain(3, 1, 1, -1), Chain(3, 1)).has_value());
}

TEST_F(BisectTest, EveryNodeIsCompared) {
  const Tensor x = Tensor::FromValues<float>({3}, {-1, 2, 3});
  const std::vector<TensorView> inputs = {x.View()};
  Progress progress(true);
  const Graph suspect = Chain(3, 1, 1, 2), trusted = Chain(3, 1);
  const auto nodes =
      CompareNodes({suspect, {}, "this"}, {trusted, {}, "that"}, inputs, flags_, progress);
  ASSERT_TRUE(nodes.ok());
  ASSERT_EQ(nodes->size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    ASSERT_TRUE((*nodes)[i].has_value());
    EXPECT_DOUBLE_EQ((*nodes)[i]->max_abs, i < 2 ? 0 : 3);
  }
}

TEST(Progress, ALineFitsItsTerminal) {
  EXPECT_EQ(ProgressLine("work", 1, 2, 40), "work  [############............] 1 of 2");
  for (int columns = 0; columns < 100; ++columns) {
    for (const int64_t done : {0, 1, 7, 100}) {
      EXPECT_LE(ProgressLine("something long", done, 7, columns).size(),
                static_cast<size_t>(std::max(columns - 1, 0)));
    }
  }
  EXPECT_EQ(ProgressLine("a\x1b[2J", 0, 0, 80).find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace ergo::tool
