#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/graph/einsum_equation.h"
#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Dim Sym(const char* name) {
  return Dim::Symbol(name);
}

// A graph of one node whose inputs have these shapes; `configure` sets attributes.
struct Inferred {
  Status status;
  DType dtype = DType::kUndefined;
  std::string shape;
};

Inferred Infer(Node node, const std::vector<SymbolicShape>& shapes, DType dtype = DType::kF32) {
  Graph graph;
  for (size_t i = 0; i < shapes.size(); ++i) {
    node.inputs.push_back(graph.AddValue("in" + std::to_string(i), dtype, shapes[i]));
  }
  const ValueId y = graph.AddValue("y");
  node.outputs = {y};
  node.name = "n";
  if (node.opset == 0) node.opset = 13;
  Inferred result;
  result.status = InferNode(graph, node);
  result.dtype = graph.GetValue(y).dtype;
  result.shape = graph.GetValue(y).shape.ToString();
  return result;
}

Node Op(std::string op) {
  Node node;
  node.op = std::move(op);
  return node;
}

Node Einsum(std::string equation) {
  Node node = Op("Einsum");
  node.attributes["equation"] = std::move(equation);
  return node;
}

using Dims = std::vector<Dim>;
SymbolicShape S(Dims dims) {
  return SymbolicShape(std::move(dims));
}

TEST(SchemaGemmTest, MatMulFollowsNumPy) {
  const auto shape = [](Dims a, Dims b) {
    const Inferred result = Infer(Op("MatMul"), {S(std::move(a)), S(std::move(b))});
    EXPECT_TRUE(result.status.ok()) << result.status.ToString();
    return result.shape;
  };
  EXPECT_EQ(shape({2, 3}, {3, 4}), "[2, 4]");
  EXPECT_EQ(shape({3}, {3}), "[]");
  EXPECT_EQ(shape({3}, {5, 3, 4}), "[5, 4]");
  EXPECT_EQ(shape({5, 2, 3}, {3}), "[5, 2]");
  EXPECT_EQ(shape({7, 1, 2, 3}, {5, 3, 4}), "[7, 5, 2, 4]");
  EXPECT_EQ(shape({Sym("batch"), 2, 3}, {3, Sym("n")}), "[batch, 2, n]");
  EXPECT_EQ(shape({Sym("b"), 2, Dim()}, {Sym("b"), 3, 4}), "[b, 2, 4]");
  EXPECT_EQ(shape({Sym("b"), 2, 3}, {Sym("c"), 3, 4}), "[?, 2, 4]");
}

TEST(SchemaGemmTest, MatMulOfUnknownRankIsUnknown) {
  const Inferred result = Infer(Op("MatMul"), {SymbolicShape(), S({3, 4})});
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.shape, "?");
  EXPECT_EQ(result.dtype, DType::kF32);
}

TEST(SchemaGemmTest, MatMulRefusesWhatDoesNotFit) {
  EXPECT_THAT(std::string(Infer(Op("MatMul"), {S({2, 3}), S({4, 5})}).status.message()),
              HasSubstr("MatMul 'n': 3 columns against 4 rows"));
  EXPECT_FALSE(Infer(Op("MatMul"), {S({}), S({4, 5})}).status.ok());
  EXPECT_FALSE(Infer(Op("MatMul"), {S({2, 2, 3}), S({3, 3, 5})}).status.ok());
}

TEST(SchemaGemmTest, MatMulIntegerGivesInt32) {
  const Inferred result = Infer(Op("MatMulInteger"), {S({2, 3}), S({3, 4})}, DType::kU8);
  EXPECT_EQ(result.dtype, DType::kI32);
  EXPECT_EQ(result.shape, "[2, 4]");
}

TEST(SchemaGemmTest, GemmTransposesAndChecksC) {
  Node node = Op("Gemm");
  EXPECT_EQ(Infer(node, {S({2, 3}), S({3, 4})}).shape, "[2, 4]");
  EXPECT_EQ(Infer(node, {SymbolicShape(), S({3, 4})}).shape, "[?, 4]");
  for (const Dims& c : {Dims{}, Dims{4}, Dims{1, 4}, Dims{2, 1}, Dims{2, 4}, Dims{1}}) {
    EXPECT_EQ(Infer(node, {S({2, 3}), S({3, 4}), S(c)}).shape, "[2, 4]");
  }
  for (const Dims& c : {Dims{2}, Dims{3, 4}, Dims{1, 2, 4}}) {
    EXPECT_FALSE(Infer(node, {S({2, 3}), S({3, 4}), S(c)}).status.ok());
  }
  // C must not widen the result.
  EXPECT_FALSE(Infer(node, {S({1, 3}), S({3, 4}), S({2, 4})}).status.ok());
  node.attributes["transA"] = int64_t{1};
  EXPECT_EQ(Infer(node, {S({3, Sym("m")}), S({3, 4})}).shape, "[m, 4]");
  node.attributes["transB"] = int64_t{1};
  EXPECT_EQ(Infer(node, {S({3, 2}), S({4, 3})}).shape, "[2, 4]");
  EXPECT_FALSE(Infer(node, {S({3, 2}), S({3, 4})}).status.ok());
  EXPECT_FALSE(Infer(node, {S({3, 2, 1}), S({3, 4})}).status.ok());
}

TEST(SchemaGemmTest, FusedGemmTransposesTheLastAxes) {
  Node node = Op("FusedGemm");
  node.domain = "ergo";
  node.opset = 1;
  node.attributes["trans_b"] = int64_t{1};
  EXPECT_EQ(Infer(node, {S({7, 2, 3}), S({7, 4, 3})}).shape, "[7, 2, 4]");
  node.attributes["trans_a"] = int64_t{1};
  EXPECT_EQ(Infer(node, {S({Sym("b"), 3, 2}), S({4, 3})}).shape, "[b, 2, 4]");
}

TEST(SchemaGemmTest, EinsumShapes) {
  const auto shape = [](const char* equation, const std::vector<SymbolicShape>& shapes) {
    const Inferred result = Infer(Einsum(equation), shapes);
    return result.status.ok() ? result.shape : result.status.ToString();
  };
  EXPECT_EQ(shape("bij,bjk->bik", {S({Sym("b"), 2, 3}), S({Sym("b"), 3, 4})}), "[b, 2, 4]");
  EXPECT_EQ(shape("ij,jk", {S({2, 3}), S({3, 4})}), "[2, 4]");
  EXPECT_EQ(shape("ba", {S({2, 3})}), "[3, 2]");  // implicit output is alphabetical
  EXPECT_EQ(shape("ii->i", {S({3, 3})}), "[3]");
  EXPECT_EQ(shape("...ii -> ...i", {S({5, Sym("q"), 3, 3})}), "[5, q, 3]");
  EXPECT_EQ(shape("...i,...i", {S({5, 1, 3}), S({7, 3})}), "[5, 7]");
  EXPECT_EQ(shape("ij->", {S({2, 3})}), "[]");
  EXPECT_EQ(shape("i,j,k->kji", {S({2}), S({3}), S({4})}), "[4, 3, 2]");
  EXPECT_EQ(shape("Ij,jI", {S({2, 3}), S({3, 2})}), "[]");
}

TEST(SchemaGemmTest, EinsumRefusesBadEquations) {
  const int two[] = {2};
  const int pair[] = {2, 2};
  EXPECT_FALSE(ParseEinsum("ij,jk->ik", two).ok());  // one operand too many in the equation
  EXPECT_FALSE(ParseEinsum("ijk->i", two).ok());     // ranks
  EXPECT_FALSE(ParseEinsum("ij->k", two).ok());      // output label from nowhere
  EXPECT_FALSE(ParseEinsum("ij->ii", two).ok());     // twice in the output
  EXPECT_FALSE(ParseEinsum("i1->i", two).ok());      // not a letter
  EXPECT_FALSE(ParseEinsum("......->", two).ok());   // two ellipses
  EXPECT_FALSE(ParseEinsum("..ij->", two).ok());     // half an ellipsis
  EXPECT_FALSE(ParseEinsum("ij,jk->ik->i", pair).ok());
  const auto conflict = Infer(Einsum("ij,jk->ik"), {S({2, 3}), S({4, 5})});
  EXPECT_THAT(std::string(conflict.status.message()), HasSubstr("operand 1, axis 0"));
}

TEST(SchemaGemmTest, EinsumLabelsAreNumberedFromTheEllipsis) {
  const int ranks[] = {3, 2};
  const auto equation = ParseEinsum("...ab,b...->a...", ranks);
  ASSERT_TRUE(equation.ok()) << equation.status().ToString();
  EXPECT_EQ(equation->labels, 3);
  EXPECT_THAT(equation->operands[0], ElementsAre(0, 1, 2));
  EXPECT_THAT(equation->operands[1], ElementsAre(2, 0));
  EXPECT_THAT(equation->output, ElementsAre(1, 0));
}

}  // namespace
}  // namespace ergo
