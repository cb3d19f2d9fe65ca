#include "engine/plan/choose_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "engine/passes/passes.h"
#include "engine/plan/plan.h"
#include "tests/engine/testing/graph_builder.h"

namespace ergo {
namespace {

using testing::GraphBuilder;

testing::Attributes Window(int64_t stride, int64_t groups = 1) {
  return {{"strides", std::vector<int64_t>{stride, stride}},
          {"pads", std::vector<int64_t>{1, 1, 1, 1}},
          {"group", groups}};
}

std::unique_ptr<Plan> PlanOf(Graph graph, const PlanOptions& options = {}) {
  EXPECT_TRUE(Optimize(graph).ok());
  std::vector<Shape> shapes;
  for (const ValueId input : graph.inputs)
    shapes.push_back(*graph.GetValue(input).shape.Concrete());
  auto plan = BuildPlan(graph, shapes, options);
  EXPECT_TRUE(plan.ok()) << plan.status().ToString();
  return std::move(plan).value();
}

std::vector<std::string> Operators(const Plan& plan) {
  std::vector<std::string> operators;
  for (const Step& step : plan.steps) operators.push_back(step.op);
  return operators;
}

void ExpectSameAsReference(const Graph& graph) {
  const std::vector<Tensor> inputs = testing::RandomInputs(graph, 11);
  std::vector<TensorView> views;
  for (const Tensor& input : inputs) views.push_back(input.View());
  const auto run = [&](bool reference) {
    ModelOptions options;
    options.kernels.reference = reference;
    Graph copy = graph;
    EXPECT_TRUE(Optimize(copy).ok());
    auto model = Model::Create(std::move(copy), options);
    EXPECT_TRUE(model.ok()) << model.status().ToString();
    return Runner(**model).Run(views).value();
  };
  const std::vector<Tensor> want = run(true), got = run(false);
  ASSERT_EQ(want.size(), got.size());
  for (size_t k = 0; k < want.size(); ++k) {
    ASSERT_EQ(want[k].GetShape(), got[k].GetShape());
    for (size_t i = 0; i < want[k].Span<float>().size(); ++i) {
      const float a = want[k].Span<float>()[i], b = got[k].Span<float>()[i];
      ASSERT_NEAR(a, b, 1e-3 * (1 + std::fabs(a))) << "output " << k << " at " << i;
    }
  }
}

// What models are given is read as it is, and what they give back needs no conversion either where
// planes have shrunk to one position.
TEST(ChooseLayoutTest, AClassifierHasNoConversions) {
  GraphBuilder g;
  const ValueId x = g.Input("x", DType::kF32, Shape{1, 3, 64, 64});
  const ValueId a = g.Op("Relu", {g.Op("Conv", {x, g.Weights({32, 3, 3, 3})}, Window(2))});
  const ValueId b =
      g.Op("MaxPool", {a},
           {{"kernel_shape", std::vector<int64_t>{3, 3}}, {"strides", std::vector<int64_t>{2, 2}}});
  const ValueId c = g.Op("Conv", {b, g.Weights({32, 32, 3, 3}, 0.1f)}, Window(1));
  const ValueId d = g.Op("Relu", {g.Op("Add", {c, b})});
  const ValueId pooled = g.Op("GlobalAveragePool", {d});
  const Graph graph = g.Build({g.Op("Flatten", {pooled})});
  const auto plan = PlanOf(graph);
  EXPECT_EQ(plan->layout_conversions, 0);
  EXPECT_THAT(Operators(*plan),
              ::testing::ElementsAre("NhwcConv", "NhwcMaxPool", "NhwcConv", "ReduceMean"));
  ExpectSameAsReference(graph);
}

TEST(ChooseLayoutTest, AConvolutionThatIsNotWorthItStays) {
  GraphBuilder g;
  const ValueId x = g.Input("x", DType::kF32, Shape{1, 8, 40, 40});
  const Graph graph = g.Build({g.Op("Conv", {x, g.Weights({8, 8, 1, 1})})});
  EXPECT_THAT(Operators(*PlanOf(graph)), ::testing::ElementsAre("FusedConv"));
}

TEST(ChooseLayoutTest, NamingAVariantOfConvKeepsTheLayout) {
  GraphBuilder g;
  const ValueId x = g.Input("x", DType::kF32, Shape{1, 256, 14, 14});
  const Graph graph = g.Build({g.Op("Conv", {x, g.Weights({256, 256, 3, 3})}, Window(1))});
  EXPECT_THAT(Operators(*PlanOf(graph)), ::testing::Contains("NhwcConv"));
  PlanOptions options;
  options.kernels.forced = "conv=reference";
  EXPECT_THAT(Operators(*PlanOf(graph, options)), ::testing::ElementsAre("FusedConv"));
}

// Random chains of what follows a convolution, with values that several read, outputs in the
// middle, constants of all ranks, and branches that join.
class RandomNet {
 public:
  explicit RandomNet(uint32_t seed) : random_(seed) {
    channels_ = Draw(1, 6);
    x_ = g_.Input("x", DType::kF32, Shape{Draw(1, 2), channels_, Draw(5, 20), Draw(5, 20)});
  }

  Graph Build() {
    ValueId value = Conv(Conv(x_, Draw(60, 150)), Draw(60, 150));
    std::vector<ValueId> outputs;
    for (int i = 0; i < 8; ++i) {
      value = Next(value);
      if (Draw(0, 5) == 0) outputs.push_back(value);
    }
    outputs.push_back(Draw(0, 1) == 0 ? value : g_.Op("Flatten", {value}));
    return g_.Build(outputs);
  }

 private:
  int64_t Draw(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }

  ValueId Conv(ValueId x, int64_t channels) {
    const ValueId weights = g_.Weights({channels, std::exchange(channels_, channels), 3, 3}, 0.04f);
    return g_.Op("Conv", {x, weights, g_.Weights({channels})}, Window(1));
  }

  ValueId Next(ValueId v) {
    const int64_t c = channels_;
    switch (Draw(0, 10)) {
      case 0: return Conv(v, Draw(60, 150));
      case 1: return g_.Op("Conv", {v, g_.Weights({c, 1, 3, 3}, 0.3f)}, Window(1, c));
      case 2: return g_.Op("Sigmoid", {v});
      case 3: return g_.Op("Mul", {v, g_.Weights({c, 1, 1})});
      case 4: return g_.Op("Add", {g_.Weights({1, c, 1, 1}), v});
      case 5: {
        const ValueId other = Conv(v, c);
        return g_.Op("Add", {other, v});
      }
      case 6: {
        const ValueId other = g_.Op("Tanh", {v});
        channels_ = 2 * c;
        return g_.Op("Concat", {v, other}, {{"axis", int64_t{1}}});
      }
      case 7:
        return g_.Op("AveragePool", {v},
                     {{"kernel_shape", std::vector<int64_t>{3, 3}},
                      {"pads", std::vector<int64_t>{1, 1, 1, 1}}});
      case 8: {
        const ValueId gate = g_.Op("Sigmoid", {g_.Op("GlobalAveragePool", {v})});
        return g_.Op("Mul", {v, gate});
      }
      case 9: return g_.Op("Softmax", {v}, {{"axis", int64_t{1}}});
      default: return g_.Op("LeakyRelu", {v});
    }
  }

  std::mt19937 random_;
  GraphBuilder g_;
  ValueId x_ = kNoValue;
  int64_t channels_;  // of the value built last
};

TEST(ChooseLayoutTest, ComputesTheSameOnRandomGraphs) {
  int moved = 0;
  for (uint32_t seed = 0; seed < 40 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = RandomNet(seed).Build();
    const std::vector<std::string> operators = Operators(*PlanOf(graph));
    moved += std::ranges::find(operators, "NhwcConv") != operators.end();
    ExpectSameAsReference(graph);
  }
  EXPECT_GT(moved, 30);
}

}  // namespace
}  // namespace ergo
