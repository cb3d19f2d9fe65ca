#include "engine/plan/fuse_expand_depthwise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/passes/passes.h"
#include "engine/plan/plan.h"
#include "tests/engine/testing/graph_builder.h"

namespace ergo {
namespace {

using testing::GraphBuilder;

// A convolution, and an inverted residual block behind it: 48 channels of `size` x `size`, and half
// of that.
Graph Block(int64_t size, bool hidden_is_output = false) {
  GraphBuilder g;
  const ValueId x = g.Input("x", DType::kF32, Shape{1, 3, 2 * size, 2 * size});
  const ValueId six = g.Constant(Tensor::Scalar<float>(6)),
                zero = g.Constant(Tensor::Scalar<float>(0));
  const std::vector<int64_t> pads = {1, 1, 1, 1}, two = {2, 2};
  const ValueId first =
      g.Op("Conv", {x, g.Weights({16, 3, 3, 3}, 0.3f)}, {{"strides", two}, {"pads", pads}});
  const ValueId expand = g.Op("Conv", {first, g.Weights({48, 16, 1, 1}, 0.3f), g.Weights({48})});
  const ValueId hidden = g.Op("Clip", {expand, zero, six});
  const ValueId depthwise = g.Op("Conv", {hidden, g.Weights({48, 1, 3, 3}, 0.3f)},
                                 {{"group", int64_t{48}}, {"strides", two}, {"pads", pads}});
  const ValueId y = g.Op("GlobalAveragePool", {g.Op("Relu", {depthwise})});
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

bool HasPair(const std::vector<std::string>& operators) {
  return std::ranges::find(operators, "ExpandDepthwise") != operators.end();
}

TEST(FuseExpandDepthwiseTest, FusesALargePair) {
  EXPECT_THAT(Operators(Block(128), {}),
              ::testing::ElementsAre("NhwcConv", "ExpandDepthwise", "ReduceMean"));
}

TEST(FuseExpandDepthwiseTest, LeavesAloneWhatIsSmallOrReadElsewhere) {
  EXPECT_FALSE(HasPair(Operators(Block(32), {})));
  EXPECT_FALSE(HasPair(Operators(Block(128, true), {})));
  PlanOptions forced;
  forced.kernels.forced = "conv=implicit_gemm";
  EXPECT_EQ(Operators(Block(128), forced).front(), "FusedConv");
  PlanOptions reference;
  reference.kernels.reference = true;
  EXPECT_EQ(Operators(Block(128), reference).front(), "FusedConv");
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
