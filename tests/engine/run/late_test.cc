// Graphs whose shapes are known only when they run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/graph/graph.h"
#include "engine/run/model.h"

namespace ergo {
namespace {

using ::testing::ElementsAre;

Node MakeNode(std::string op, std::vector<ValueId> inputs, std::vector<ValueId> outputs) {
  Node node;
  node.name = op;
  node.op = std::move(op);
  node.opset = 13;
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  return node;
}

std::vector<int64_t> Ints(const Tensor& tensor) {
  const auto span = tensor.Span<int64_t>();
  return {span.begin(), span.end()};
}

TEST(LateTest, NonZeroFeedsNonZero) {
  // The second NonZero can be evaluated only after the first: two late parts, one in the other.
  Graph graph;
  const ValueId x = graph.AddValue("x", DType::kF32, SymbolicShape({Dim(), Dim()}));
  const ValueId first = graph.AddValue("first"), second = graph.AddValue("second");
  graph.inputs = {x};
  graph.outputs = {first, second};
  graph.AddNode(MakeNode("NonZero", {x}, {first}));
  graph.AddNode(MakeNode("NonZero", {first}, {second}));
  auto model = Model::Create(std::move(graph), {});
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  Runner runner(**model);
  const Tensor input = Tensor::FromValues<float>({2, 3}, {0, 1, 0, 2, 0, 3});
  for (int run = 0; run < 2; ++run) {
    auto outputs = runner.Run(std::vector{input.View()});
    ASSERT_TRUE(outputs.ok()) << outputs.status().ToString();
    EXPECT_THAT((*outputs)[0].GetShape().Dims(), ElementsAre(2, 3));
    EXPECT_THAT(Ints((*outputs)[0]), ElementsAre(0, 1, 1, 1, 0, 2));
    EXPECT_THAT((*outputs)[1].GetShape().Dims(), ElementsAre(2, 4));
    EXPECT_THAT(Ints((*outputs)[1]), ElementsAre(0, 0, 1, 1, 1, 2, 0, 2));
  }
}

// body(iteration, condition, state) -> condition, state, iteration
Graph CountingBody() {
  Graph body;
  const ValueId iteration = body.AddValue("i", DType::kI64, Shape());
  const ValueId condition = body.AddValue("c", DType::kBool, Shape());
  const ValueId state = body.AddValue("s", DType::kF32);
  body.inputs = {iteration, condition, state};
  body.outputs = {condition, state, iteration};
  return body;
}

TEST(LateTest, LoopStacksScanOutputs) {
  Graph graph;
  const ValueId trip = graph.AddValue("trip", DType::kI64, Shape());
  const ValueId go = graph.AddConstant("go", Tensor::Scalar<bool>(true));
  const ValueId initial = graph.AddValue("initial", DType::kF32, Shape{2});
  const ValueId final_state = graph.AddValue("final"), steps = graph.AddValue("steps");
  graph.inputs = {trip, initial};
  graph.outputs = {final_state, steps};
  Node loop = MakeNode("Loop", {trip, go, initial}, {final_state, steps});
  loop.subgraphs.emplace_back("body", std::make_unique<Graph>(CountingBody()),
                              std::vector<ValueId>{});
  graph.AddNode(std::move(loop));
  auto model = Model::Create(std::move(graph), {});
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  Runner runner(**model);
  const Tensor state = Tensor::FromValues<float>({2}, {7, 8});
  for (int64_t count : {0, 1, 5}) {
    const Tensor trip_count = Tensor::Scalar<int64_t>(count);
    auto outputs = runner.Run(std::vector{trip_count.View(), state.View()});
    ASSERT_TRUE(outputs.ok()) << outputs.status().ToString();
    EXPECT_THAT((*outputs)[0].Span<float>(), ElementsAre(7, 8));
    ASSERT_THAT((*outputs)[1].GetShape().Dims(), ElementsAre(count));
    for (int64_t i = 0; i < count; ++i) EXPECT_EQ(Ints((*outputs)[1])[static_cast<size_t>(i)], i);
  }
}

// y = the state of a Loop without trip count whose condition is a model input and never changes.
std::unique_ptr<Model> EndlessLoop(const ModelOptions& options) {
  Graph graph;
  const ValueId go = graph.AddValue("go", DType::kBool, SymbolicShape({Dim::Symbol("n")}));
  const ValueId initial = graph.AddValue("initial", DType::kF32, Shape{2});
  const ValueId y = graph.AddValue("y"), steps = graph.AddValue("steps");
  graph.inputs = {go, initial};
  graph.outputs = {y, steps};
  Node loop = MakeNode("Loop", {kNoValue, go, initial}, {y, steps});
  Graph body = CountingBody();
  // The condition has the shape of the model's input: no scalar, so that it may have none.
  body.GetValue(body.inputs[1]).shape = SymbolicShape();
  loop.subgraphs.emplace_back("body", std::make_unique<Graph>(std::move(body)),
                              std::vector<ValueId>{});
  graph.AddNode(std::move(loop));
  Result<std::unique_ptr<Model>> model = Model::Create(std::move(graph), options);
  EXPECT_TRUE(model.ok()) << model.status().ToString();
  return model.ok() ? std::move(model).value() : nullptr;
}

TEST(LateTest, ALoopWithoutEndEndsAtTheLimit) {
  const Tensor state = Tensor::FromValues<float>({2}, {7, 8});
  const Tensor go = Tensor::FromValues<bool>({1}, {true});
  for (const ResourceLimits& limits :
       {ResourceLimits{int64_t{1} << 40, 0.05}, ResourceLimits{1 << 16, 0}}) {
    ModelOptions options;
    options.limits = limits;
    const auto model = EndlessLoop(options);
    ASSERT_NE(model, nullptr);
    Runner runner(*model);
    const auto outputs = runner.Run(std::vector{go.View(), state.View()});
    EXPECT_EQ(outputs.status().code(), StatusCode::kResourceExhausted);
  }
}

TEST(LateTest, AConditionThatIsNotOneBoolIsRefused) {
  const auto model = EndlessLoop({});
  ASSERT_NE(model, nullptr);
  Runner runner(*model);
  const Tensor state = Tensor::FromValues<float>({2}, {7, 8});
  const Tensor none = Tensor::FromValues<bool>({0}, std::span<const bool>());
  const auto outputs = runner.Run(std::vector{none.View(), state.View()});
  EXPECT_EQ(outputs.status().code(), StatusCode::kInvalidArgument) << outputs.status().ToString();
}

TEST(LateTest, IfWithBranchesOfDifferentShape) {
  Graph graph;
  const ValueId condition = graph.AddValue("condition", DType::kBool, Shape());
  const ValueId small = graph.AddValue("small", DType::kF32, Shape{1});
  const ValueId large = graph.AddValue("large", DType::kF32, Shape{3});
  const ValueId y = graph.AddValue("y");
  graph.inputs = {condition, small, large};
  graph.outputs = {y};
  Node node = MakeNode("If", {condition}, {y});
  for (const auto& [attribute, captured] :
       {std::pair("then_branch", small), std::pair("else_branch", large)}) {
    auto branch = std::make_unique<Graph>();
    const ValueId value = branch->AddValue("v");
    branch->inputs = branch->outputs = {value};
    node.subgraphs.emplace_back(attribute, std::move(branch), std::vector<ValueId>{captured});
  }
  graph.AddNode(std::move(node));
  auto model = Model::Create(std::move(graph), {});
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  Runner runner(**model);
  const Tensor a = Tensor::FromValues<float>({1}, {5});
  const Tensor b = Tensor::FromValues<float>({3}, {1, 2, 3});
  for (const bool taken : {true, false, true}) {
    const TensorView flag{&taken, DType::kBool, Device::kCpu, Shape()};
    auto outputs = runner.Run(std::vector{flag, a.View(), b.View()});
    ASSERT_TRUE(outputs.ok()) << outputs.status().ToString();
    EXPECT_EQ((*outputs)[0].Elements(), taken ? 1 : 3);
    EXPECT_EQ((*outputs)[0].Span<float>()[0], taken ? 5 : 1);
  }
}

}  // namespace
}  // namespace ergo
