// Ranges of dimensions: what a model plans before anybody asks, and what it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/run/model.h"

namespace ergo {
namespace {

using ::testing::HasSubstr;

// y = op(x), x is [batch, seq].
std::unique_ptr<Model> MakeModel(const std::vector<DimRange>& ranges, size_t max_plans = 64,
                                 std::string op = "Relu") {
  Graph graph;
  graph.inputs = {
      graph.AddValue("x", DType::kF32, SymbolicShape({Dim::Symbol("batch"), Dim::Symbol("seq")}))};
  Node node;
  node.name = "node";
  node.op = std::move(op);
  node.opset = 13;
  node.inputs = graph.inputs;
  node.outputs = {graph.AddValue("y")};
  graph.outputs = node.outputs;
  graph.AddNode(std::move(node));
  for (const DimRange& range : ranges) SetDimRange(graph, range);
  ModelOptions options;
  options.max_plans = max_plans;
  Result<std::unique_ptr<Model>> model = Model::Create(std::move(graph), options);
  EXPECT_TRUE(model.ok()) << model.status().ToString();
  return std::move(model).value();
}

Model::PlannedAhead Ahead(Model& model) {
  Result<Model::PlannedAhead> ahead = model.PlanAhead();
  EXPECT_TRUE(ahead.ok()) << ahead.status().ToString();
  return ahead.ok() ? *ahead : Model::PlannedAhead();
}

TEST(PlanAhead, EveryCombinationIsPlannedOnce) {
  const auto model = MakeModel({{"batch", {1, 2, 4}}, {"seq", {16, 32}}});
  const Model::PlannedAhead ahead = Ahead(*model);
  EXPECT_EQ(ahead.planned, 6u);
  EXPECT_EQ(ahead.missing, "");
  // The plans are those that requests get: the same objects, however often one asks.
  for (const int64_t batch : {1, 2, 4}) {
    for (const int64_t seq : {16, 32}) {
      const Shape shape{batch, seq};
      const auto first = model->PlanFor(std::span(&shape, 1));
      const auto again = model->PlanFor(std::span(&shape, 1));
      ASSERT_TRUE(first.ok());
      EXPECT_EQ(*first, *again);
    }
  }
}

TEST(PlanAhead, StopsAtTheBoundAndSaysSo) {
  const auto model = MakeModel({{"batch", {1, 2, 4}}, {"seq", {16, 32}}}, 4);
  const Model::PlannedAhead ahead = Ahead(*model);
  EXPECT_EQ(ahead.planned, 4u);
  EXPECT_THAT(ahead.missing, HasSubstr("from batch=2, seq=32 on: only 4 plans"));
}

TEST(PlanAhead, SaysWhatHasNoRange) {
  const auto model = MakeModel({{"batch", {1, 2}}});
  EXPECT_EQ(Ahead(*model).planned, 0u);
  EXPECT_THAT(Ahead(*model).missing, HasSubstr("dimension 'seq' has no range"));
}

TEST(PlanAhead, SaysWhatOnlyARunKnows) {
  const auto model = MakeModel({{"batch", {1}}, {"seq", {2}}}, 64, "NonZero");
  EXPECT_EQ(Ahead(*model).planned, 1u);
  EXPECT_THAT(Ahead(*model).missing, HasSubstr("only a run knows"));
}

TEST(PlanAhead, OtherNumbersAreRefused) {
  const auto model = MakeModel({{"batch", {1, 2, 3, 4}}});
  for (const int64_t batch : {1, 4}) {
    const Shape shape{batch, 7};
    EXPECT_TRUE(model->CheckShapes(std::span(&shape, 1)).ok());
  }
  for (const int64_t batch : {0, 5}) {
    const Shape shape{batch, 7};
    const Status status = model->PlanFor(std::span(&shape, 1)).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(status.ToString(), HasSubstr("'batch'"));
    EXPECT_THAT(status.ToString(), HasSubstr("1..4"));
  }
}

TEST(ModelLimits, APlanThatNeedsMoreIsRefused) {
  Graph graph;
  graph.inputs = {graph.AddValue("x", DType::kF32, SymbolicShape({Dim::Symbol("n")}))};
  Node node;
  node.name = "node";
  node.op = "Relu";
  node.opset = 13;
  node.inputs = graph.inputs;
  node.outputs = {graph.AddValue("y")};
  graph.outputs = node.outputs;
  graph.AddNode(std::move(node));
  ModelOptions options;
  options.limits.max_memory_bytes = 4000;
  const auto model = Model::Create(std::move(graph), options);
  ASSERT_TRUE(model.ok());
  const Shape fits{1000}, does_not{1001};
  EXPECT_TRUE((*model)->PlanFor(std::span(&fits, 1)).ok());
  const Status status = (*model)->PlanFor(std::span(&does_not, 1)).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.ToString(), HasSubstr("4004 bytes"));
}

}  // namespace
}  // namespace ergo
