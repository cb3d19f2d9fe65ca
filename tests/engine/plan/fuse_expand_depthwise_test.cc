#include "engine/plan/fuse_expand_depthwise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/passes/passes.h"
#include "engine/plan/plan.h"
#include "tests/engine/testing/graph_builder.h"

namespace ergo {
namespace {

using testing::GraphBuilder;

// An inverted residual block: 48 channels of `size` x `size`, twice.
Graph Block(int64_t size, bool hidden_is_output = false) {
  GraphBuilder g;
  const ValueId x = g.Input("x", DType::kF32, Shape{1, 16, size, size});
  const ValueId six = g.Constant(Tensor::Scalar<float>(6)),
                zero = g.Constant(Tensor::Scalar<float>(0));
  const ValueId expand = g.Op("Conv", {x, g.Weights({48, 16, 1, 1}, 0.3f), g.Weights({48})});
  const ValueId hidden = g.Op("Clip", {expand, zero, six});
  const ValueId depthwise = g.Op("Conv", {hidden, g.Weights({48, 1, 3, 3}, 0.3f)},
                                 {{"group", int64_t{48}},
                                  {"strides", std::vector<int64_t>{2, 2}},
                                  {"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  const ValueId y = g.Op("Relu", {depthwise});
  return g.Build(hidden_is_output ? std::vector<ValueId>{y, hidden} : std::vector<ValueId>{y});
}

std::vector<std::string> Operators(Graph graph, const PlanOptions& options) {
  EXPECT_TRUE(Optimize(graph).ok());
  const Shape x = *graph.GetValue(graph.inputs[0]).shape.Concrete();
  const auto plan = BuildPlan(graph, std::span(&x, 1), options);
  EXPECT_TRUE(plan.ok()) << plan.status().ToString();
  std::vector<std::string> operators;
  for (const Step& step : (*plan)->steps) operators.push_back(step.op);
  return operators;
}

TEST(FuseExpandDepthwiseTest, FusesALargePair) {
  EXPECT_THAT(Operators(Block(128), {}), ::testing::ElementsAre("ExpandDepthwise"));
}

TEST(FuseExpandDepthwiseTest, LeavesAloneWhatIsSmallOrReadElsewhere) {
  const std::vector<std::string> two = {"FusedConv", "FusedConv"};
  EXPECT_EQ(Operators(Block(32), {}), two);
  EXPECT_EQ(Operators(Block(128, true), {}), two);
  PlanOptions forced;
  forced.kernels.forced = "conv=implicit_gemm";
  EXPECT_EQ(Operators(Block(128), forced).front(), "FusedConv");
  PlanOptions reference;
  reference.kernels.reference = true;
  EXPECT_EQ(Operators(Block(128), reference), two);
}

TEST(FuseExpandDepthwiseTest, ComputesTheSame) {
  Graph graph = Block(128);
  const std::vector<Tensor> inputs = testing::RandomInputs(graph, 3);
  const auto run = [&](bool reference) {
    ModelOptions options;
    options.kernels.reference = reference;
    Graph copy = graph;
    EXPECT_TRUE(Optimize(copy).ok());
    auto model = Model::Create(std::move(copy), options);
    EXPECT_TRUE(model.ok());
    const std::vector<TensorView> views = {inputs[0].View()};
    return Runner(**model).Run(views).value()[0];
  };
  const Tensor want = run(true), got = run(false);
  ASSERT_EQ(want.GetShape(), got.GetShape());
  for (size_t i = 0; i < want.Span<float>().size(); ++i) {
    ASSERT_NEAR(want.Span<float>()[i], got.Span<float>()[i], 1e-4) << i;
  }
}

}  // namespace
}  // namespace ergo
