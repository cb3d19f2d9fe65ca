#include "engine/tune/tuner.h"

#include <gtest/gtest.h>

#include "engine/passes/passes.h"
#include "kernels/registry.h"
#include "tests/engine/testing/graph_builder.h"

namespace ergo {
namespace {

Graph SmallNet() {
  testing::GraphBuilder g;
  const ValueId x = g.Input("x", DType::kF32, Shape{1, 8, 12, 12});
  const std::vector<int64_t> pads = {1, 1, 1, 1};
  const ValueId a =
      g.Op("Relu", {g.Op("Conv", {x, g.Weights({16, 8, 3, 3}, 0.2f)}, {{"pads", pads}})});
  const ValueId b = g.Op("Conv", {a, g.Weights({4, 16, 1, 1}, 0.2f)});
  const ValueId flat = g.Op("Flatten", {b});
  Graph graph = g.Build({g.Op("Softmax", {g.Op("MatMul", {flat, g.Weights({576, 10}, 0.1f)})})});
  EXPECT_TRUE(Optimize(graph).ok());
  return graph;
}

TEST(TunerTest, ChoosesAmongVariantsThatThereAre) {
  const Graph graph = SmallNet();
  const std::vector<Tensor> inputs = testing::RandomInputs(graph, 5);
  const TensorView view = inputs[0].View();
  TuneOptions options;
  options.rounds = 3;
  int calls = 0, last = -1;
  options.progress = [&](int round, int rounds) {
    EXPECT_EQ(round, last + 1);
    EXPECT_LT(round, rounds);
    last = round;
    ++calls;
  };
  const Result<TuneReport> report = Tune(graph, std::span(&view, 1), options);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_GT(calls, 6);
  ASSERT_EQ(report->nodes.size(), 3u);  // Softmax has one variant beside the reference
  for (const TunedNode& node : report->nodes) {
    EXPECT_GT(node.candidates, 1) << node.label;
    EXPECT_GT(node.usual_us, 0);
    EXPECT_LE(node.chosen_us, node.usual_us);
    EXPECT_EQ(node.chosen.find("reference"), std::string::npos);
    if (report->choices.Empty()) continue;
    EXPECT_EQ(report->choices.For(node.label), node.chosen == node.usual ? "" : node.chosen);
  }
  EXPECT_GE(report->nodes[0].candidates, 4) << "channel_lanes, Winograd's, implicit_gemm, onednn";
  EXPECT_LE(report->tuned_us, report->usual_us);
}

// A model whose metadata has choices for this processor follows them; others see nothing of it.
TEST(TunerTest, ModelsFollowTheirMetadata) {
  Graph graph = SmallNet();
  KernelChoices choices;
  const std::string label = graph.GetNode(0).Label();
  choices.Set(label, "conv=onednn");
  graph.metadata[ChoicesKey(1)] = choices.ToText();
  const Shape shape{1, 8, 12, 12};
  for (const int threads : {1, 2}) {
    ModelOptions options;
    options.threads = threads;
    const auto model = Model::Create(graph, options);
    ASSERT_TRUE(model.ok());
    const auto plan = (*model)->PlanFor(std::span(&shape, 1));
    ASSERT_TRUE(plan.ok());
    for (const Step& step : (*plan)->steps) {
      if (step.label != label) continue;
      EXPECT_EQ(step.info.variant == "onednn", threads == 1) << threads;
    }
  }
}

}  // namespace
}  // namespace ergo
