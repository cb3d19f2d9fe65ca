// FlexAttention against its definition in plain loops, and when it expands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/expand/expand.h"
#include "engine/plan/fold.h"
#include "tests/engine/testing/graph_builder.h"

namespace ergo {
namespace {

using testing::GraphBuilder;
using ::testing::HasSubstr;
using testing::LargestDifference;
using testing::RandomInputs;
using testing::RunGraph;

// scores + captured bias, or probabilities x 0.5.
Subgraph Modifier(const std::string& attribute, const std::string& op, ValueId captured) {
  auto inner = std::make_unique<Graph>();
  const ValueId x = inner->AddValue("x"), bias = inner->AddValue("bias");
  inner->inputs = {x, bias};
  Node node;
  node.name = op;
  node.op = op;
  node.opset = 24;
  node.inputs = {x, bias};
  node.outputs = {inner->AddValue("y")};
  inner->outputs = node.outputs;
  inner->AddNode(std::move(node));
  return Subgraph(attribute, std::move(inner), {captured});
}

struct Sizes {
  int64_t batch, q_heads, kv_heads, q_len, kv_len, head, v_head;
};

Node FlexAttention(Graph& graph, ValueId q, ValueId k, ValueId v) {
  Node node;
  node.name = "flex";
  node.domain = "ai.onnx.preview";
  node.op = "FlexAttention";
  node.opset = 1;
  node.inputs = {q, k, v};
  node.outputs = {graph.AddValue("y")};
  return node;
}

// Q, K, V, a bias of scores and a factor of probabilities, whose dimensions are symbols if asked.
Graph FlexGraph(const Sizes& s, bool symbolic, bool modified) {
  GraphBuilder b;
  const Dim batch = symbolic ? Dim::Symbol("batch") : Dim(s.batch);
  const Dim q_len = symbolic ? Dim::Symbol("len") : Dim(s.q_len);
  const Dim kv_len = symbolic ? Dim() : Dim(s.kv_len);
  const auto input = [&](const char* name, std::vector<Dim> dims) {
    return b.Input(name, DType::kF32, SymbolicShape(std::move(dims)));
  };
  const ValueId q = input("q", {batch, Dim(s.q_heads), q_len, Dim(s.head)});
  const ValueId k = input("k", {batch, Dim(s.kv_heads), kv_len, Dim(s.head)});
  const ValueId v = input("v", {batch, Dim(s.kv_heads), kv_len, Dim(s.v_head)});
  const ValueId bias = input("bias", {q_len, kv_len});
  const ValueId factor = input("factor", {kv_len});
  Node node = FlexAttention(b.Raw(), q, k, v);
  if (modified) {
    node.subgraphs.push_back(Modifier("score_mod", "Add", bias));
    node.subgraphs.push_back(Modifier("prob_mod", "Mul", factor));
  }
  const ValueId y = node.outputs[0];
  b.Raw().AddNode(std::move(node));
  return b.Build({y});
}

Tensor Naive(const Sizes& s, const std::vector<Tensor>& inputs, bool modified) {
  const auto at = [&](size_t input, int64_t i) {
    return static_cast<double>(inputs[input].Span<float>()[static_cast<size_t>(i)]);
  };
  std::vector<float> y;
  for (int64_t row = 0; row < s.batch * s.q_heads * s.q_len; ++row) {
    const int64_t head = row / s.q_len;
    const int64_t kv = head / s.q_heads * s.kv_heads + head % s.q_heads / (s.q_heads / s.kv_heads);
    std::vector<double> p;
    double sum = 0;
    for (int64_t j = 0; j < s.kv_len; ++j) {
      double dot = 0;
      for (int64_t d = 0; d < s.head; ++d) {
        dot += at(0, row * s.head + d) * at(1, (kv * s.kv_len + j) * s.head + d);
      }
      dot /= std::sqrt(static_cast<double>(s.head));
      if (modified) dot += at(3, row % s.q_len * s.kv_len + j);
      p.push_back(std::exp(dot));
      sum += p.back();
    }
    for (int64_t d = 0; d < s.v_head; ++d) {
      double total = 0;
      for (int64_t j = 0; j < s.kv_len; ++j) {
        const double weight = p[static_cast<size_t>(j)] / sum * (modified ? at(4, j) : 1);
        total += weight * at(2, (kv * s.kv_len + j) * s.v_head + d);
      }
      y.push_back(static_cast<float>(total));
    }
  }
  return Tensor::FromValues<float>(Shape{s.batch, s.q_heads, s.q_len, s.v_head},
                                   std::span<const float>(y));
}

TEST(FlexAttentionTest, IsItsDefinitionWithGroupsAndModifiers) {
  uint32_t seed = 1;
  for (const Sizes& s : {Sizes{2, 4, 2, 5, 7, 8, 3}, Sizes{1, 3, 3, 1, 9, 5, 5}}) {
    for (const bool modified : {false, true}) {
      const std::vector<Tensor> inputs = RandomInputs(FlexGraph(s, false, modified), ++seed);
      const std::vector<Tensor> expected = {Naive(s, inputs, modified)};
      for (const bool symbolic : {false, true}) {
        SCOPED_TRACE(fmt::format("seed {}, modified {}, symbolic {}", seed, modified, symbolic));
        EXPECT_LT(LargestDifference(RunGraph(FlexGraph(s, symbolic, modified), inputs), expected),
                  1e-5);
      }
    }
  }
}

TEST(FlexAttentionTest, ExpandsBeforeShapesAreKnownAndWaitsForRanks) {
  Graph symbolic = FlexGraph({0, 4, 2, 0, 0, 8, 8}, true, true);
  ASSERT_TRUE(FoldConstants(symbolic).ok());
  ASSERT_TRUE(symbolic.Verify().ok());
  for (const Node& node : symbolic.Nodes()) EXPECT_FALSE(IsExpandable(node.domain, node.op));

  GraphBuilder b;
  const ValueId q = b.Input("q", DType::kF32, SymbolicShape());
  Node node = FlexAttention(b.Raw(), q, q, q);
  const ValueId y = node.outputs[0];
  b.Raw().AddNode(std::move(node));
  Graph unknown = b.Build({y});
  ASSERT_TRUE(FoldConstants(unknown).ok());
  ASSERT_EQ(unknown.NodeCount(), 1);
  EXPECT_EQ(unknown.GetNode(0).op, "FlexAttention");
  const std::vector<Tensor> inputs = {Tensor::FromValues<float>(Shape{1, 1, 1, 1}, {2})};
  EXPECT_EQ(RunGraph(unknown, inputs)[0].Span<float>()[0], 2);
}

TEST(FlexAttentionTest, SaysWhatIsWrong) {
  Graph graph = FlexGraph({1, 3, 2, 1, 1, 4, 4}, false, false);
  EXPECT_THAT(FoldConstants(graph).status().ToString(), HasSubstr("3 query heads for 2 key heads"));
}

}  // namespace
}  // namespace ergo
