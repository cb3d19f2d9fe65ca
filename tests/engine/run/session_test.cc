#include "engine/run/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/passes/passes.h"
#include "tests/engine/run/allocation_counter.h"
#include "tests/engine/testing/graph_builder.h"

namespace ergo {
namespace {

using testing::AllocationCount;
using testing::Attributes;
using ::testing::ElementsAre;
using testing::GraphBuilder;
using testing::LargestDifference;
using testing::RandomInputs;
using testing::RunGraph;

Graph SmallNetwork() {
  Graph graph = testing::ResidualNetwork(1);
  graph.outputs.pop_back();
  return graph;
}

TEST(SessionTest, RunsWithoutAllocating) {
  Graph graph = SmallNetwork();
  ASSERT_TRUE(Optimize(graph).ok());
  const std::vector<Tensor> inputs = RandomInputs(graph, 1);
  for (const int threads : {1, 2}) {
    ThreadPool pool({threads, 50, {}});
    const std::array shapes = {inputs[0].GetShape()};
    PlanOptions options;
    options.max_workers = threads;
    auto plan = BuildPlan(graph, shapes, options);
    ASSERT_TRUE(plan.ok()) << plan.status().ToString();
    auto session = Session::Create(**plan, pool);
    ASSERT_TRUE(session.ok());
    std::vector<float> result(10);
    const std::array in = {inputs[0].View()};
    const std::array out = {
        MutableTensorView{result.data(), DType::kF32, Device::kCpu, Shape{1, 10}}};
    (*session)->Run(in, out);
    const int64_t before = AllocationCount();
    for (int run = 0; run < 10; ++run) (*session)->Run(in, out);
    EXPECT_EQ(AllocationCount(), before);
    float sum = 0;
    for (const float p : result) sum += p;
    EXPECT_NEAR(sum, 1, 1e-5);
  }
}

TEST(SessionTest, TheCountingOperatorNewCounts) {
  const int64_t before = AllocationCount();
  auto value = std::make_unique<int>(1);
  EXPECT_GT(AllocationCount(), before);
}

TEST(SessionTest, ResultsDoNotDependOnTheNumberOfThreads) {
  Graph graph = SmallNetwork();
  ASSERT_TRUE(Optimize(graph).ok());
  const std::vector<Tensor> inputs = RandomInputs(graph, 2);
  ModelOptions two;
  two.threads = 2;
  EXPECT_EQ(LargestDifference(RunGraph(graph, inputs), RunGraph(graph, inputs, two)), 0);
}

TEST(SessionTest, TraceNamesEachStep) {
  const Graph graph = SmallNetwork();
  auto model = Model::Create(graph, {});
  ASSERT_TRUE(model.ok());
  Runner runner(**model);
  const std::vector<Tensor> inputs = RandomInputs(graph, 3);
  Trace trace(100);
  ASSERT_TRUE(runner.Run(std::vector{inputs[0].View()}, &trace).ok());
  EXPECT_GE(trace.Events().size(), 7u);
  EXPECT_EQ(trace.Dropped(), 0u);
  const std::string json = trace.ToChromeJson();
  EXPECT_NE(json.find("\"traceEvents\""), std::string::npos);
  EXPECT_NE(json.find("Conv"), std::string::npos);
  Trace tiny(2);
  ASSERT_TRUE(runner.Run(std::vector{inputs[0].View()}, &tiny).ok());
  EXPECT_EQ(tiny.Events().size(), 2u);
  EXPECT_GT(tiny.Dropped(), 0u);
}

TEST(PlanTest, DeadBytesAreUsedAgain) {
  const Graph graph = SmallNetwork();
  const std::array shapes = {Shape{1, 3, 12, 12}};
  const auto plan = BuildPlan(graph, shapes, {});
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  EXPECT_GT((*plan)->tensor_bytes, 0u);
  size_t workspaces = 0;
  for (const Step& step : (*plan)->steps) workspaces += step.workspace_bytes;
  EXPECT_LT((*plan)->arena_bytes, (*plan)->tensor_bytes + workspaces);
}

// Outputs that are inputs, constants, views or each other still come out whole.
TEST(PlanTest, OutputsWithAPlaceOfTheirOwnAreCopied) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 3});
  const ValueId constant = b.Constant(Tensor::FromValues<float>({2}, {7, 8}));
  const ValueId view = b.Op("Reshape", {x, b.Ints({3, 2})});
  const ValueId sum = b.Op("Add", {x, x});
  const ValueId sum_view = b.Op("Reshape", {sum, b.Ints({6})});
  const Graph graph = b.Build({x, constant, view, sum, sum, sum_view});
  const Tensor input = Tensor::FromValues<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  const std::vector<Tensor> out = RunGraph(graph, {input});
  EXPECT_THAT(out[0].Span<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(out[1].Span<float>(), ElementsAre(7, 8));
  EXPECT_THAT(out[2].Span<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_TRUE(out[2].GetShape() == (Shape{3, 2}));
  for (size_t i : {3, 4, 5}) EXPECT_THAT(out[i].Span<float>(), ElementsAre(2, 4, 6, 8, 10, 12));
}

TEST(PlanTest, BothBranchesOfAnIfRun) {
  GraphBuilder outer;
  const ValueId condition = outer.Input("condition", DType::kBool, Shape());
  const ValueId x = outer.Input("x", DType::kF32, Shape{4});
  const ValueId doubled = outer.Op("Add", {x, x});
  Node node;
  node.name = node.op = "If";
  node.opset = 16;
  node.inputs = {condition};
  node.outputs = {outer.Raw().AddValue("y")};
  for (const auto& [attribute, op] :
       {std::pair("then_branch", "Neg"), std::pair("else_branch", "Exp")}) {
    GraphBuilder branch;
    const ValueId in = branch.Input("in", DType::kF32, SymbolicShape());
    Graph inner = branch.Build({branch.Op("Abs", {branch.Op(op, {in})})});
    node.subgraphs.emplace_back(attribute, std::make_unique<Graph>(std::move(inner)),
                                std::vector<ValueId>{doubled});
  }
  const ValueId y = node.outputs[0];
  outer.Raw().AddNode(std::move(node));
  const Graph graph = outer.Build({outer.Op("Add", {y, doubled})});
  const std::array shapes = {Shape(), Shape{4}};
  const auto plan = BuildPlan(graph, shapes, {});
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  EXPECT_EQ((*plan)->late, nullptr);  // branches of one shape need no late part
  const Tensor input = Tensor::FromValues<float>({4}, {0, 1, -1, 0.5f});
  const auto then_result = RunGraph(graph, {Tensor::Scalar<bool>(true), input});
  EXPECT_THAT(then_result[0].Span<float>(), ElementsAre(0, 4, 0, 2));
  const auto else_result = RunGraph(graph, {Tensor::Scalar<bool>(false), input});
  EXPECT_FLOAT_EQ(else_result[0].Span<float>()[0], 1);
  EXPECT_FLOAT_EQ(else_result[0].Span<float>()[2], std::exp(-2.0f) - 2);
}

TEST(ModelTest, PlansEachShapeOnceAndForgetsTheOldest) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, SymbolicShape({Dim::Symbol("n"), Dim(4)}));
  const ValueId z = b.Input("z", DType::kF32, SymbolicShape({Dim::Symbol("n"), Dim(1)}));
  ModelOptions options;
  options.max_plans = 2;
  auto model =
      Model::Create(b.Build({b.Op("Add", {b.Op("MatMul", {x, b.Weights({4, 5})}), z})}), options);
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  const auto plan_for = [&](int64_t n) {
    return (*model)->PlanFor(std::array{Shape{n, 4}, Shape{n, 1}}).value();
  };
  const auto first = plan_for(1);
  EXPECT_EQ(plan_for(1), first);
  const size_t packed = (*model)->PackedWeightBytes();
  plan_for(2);
  EXPECT_EQ((*model)->PackedWeightBytes(), packed);  // shared between plans
  plan_for(3);
  EXPECT_NE(plan_for(1), first);  // two kept, one gone
}

TEST(ModelTest, ChecksShapesAgainstSymbols) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, SymbolicShape({Dim::Symbol("n"), Dim(4)}));
  const ValueId z = b.Input("z", DType::kF32, SymbolicShape({Dim::Symbol("n"), Dim(4)}));
  auto model = Model::Create(b.Build({b.Op("Add", {x, z})}), {});
  ASSERT_TRUE(model.ok());
  const auto check = [&](const Shape& a, const Shape& c) {
    return (*model)->CheckShapes(std::array{a, c}).code();
  };
  EXPECT_EQ(check({2, 4}, {2, 4}), StatusCode::kOk);
  EXPECT_EQ(check({2, 4}, {3, 4}), StatusCode::kInvalidArgument);
  EXPECT_EQ(check({2, 5}, {2, 5}), StatusCode::kInvalidArgument);
  EXPECT_EQ(check({4}, {4}), StatusCode::kInvalidArgument);
  EXPECT_FALSE((*model)->CheckShapes(std::array{Shape{2, 4}}).ok());
}

TEST(ModelTest, ListsEveryNodeThatCannotRun) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2});
  const ValueId y = b.Op("NoSuchOperator", {b.Op("Relu", {x})});
  auto model = Model::Create(b.Build({b.Op("NorThisOne", {y})}), {});
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.status().code(), StatusCode::kUnsupported);
  const std::string message(model.status().message());
  EXPECT_NE(message.find("NoSuchOperator"), std::string::npos);
  EXPECT_NE(message.find("NorThisOne"), std::string::npos);
  EXPECT_EQ(message.find("Relu"), std::string::npos);
}

}  // namespace
}  // namespace ergo
