// Einsum through Model and Runner, against plain loops over all letters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "engine/graph/op_schema.h"
#include "engine/plan/node_lowering.h"
#include "tests/engine/plan/node_testing.h"

namespace ergo {
namespace {

using testing::Op;
using testing::Random;
using testing::RunNode;

// The equation as data: letters of each operand and of the result, no ellipsis.
struct Letters {
  std::vector<std::string> inputs;
  std::string output;
};

Letters Split(const std::string& equation) {
  Letters letters;
  const size_t arrow = equation.find("->");
  letters.output = equation.substr(arrow + 2);
  std::string term;
  for (const char c : equation.substr(0, arrow) + ",") {
    if (c == ',') {
      letters.inputs.push_back(std::exchange(term, ""));
    } else {
      term += c;
    }
  }
  return letters;
}

// Element of a tensor at the letters' values; axes of size 1 broadcast.
double At(const Tensor& tensor, const std::string& term, const std::map<char, int64_t>& at) {
  const auto strides = tensor.GetShape().RowMajorStrides();
  int64_t offset = 0;
  for (size_t axis = 0; axis < term.size(); ++axis) {
    if (tensor.GetShape()[static_cast<int>(axis)] != 1) {
      offset += at.at(term[axis]) * strides[axis];
    }
  }
  return static_cast<double>(tensor.Span<float>()[static_cast<size_t>(offset)]);
}

// Calls body with every assignment of values to the letters, the first letter outermost.
template <typename Body>
void ForEach(const std::string& letters, const std::map<char, int64_t>& sizes,
             std::map<char, int64_t>& at, const Body& body) {
  if (letters.empty()) return body();
  for (int64_t i = 0; i < sizes.at(letters[0]); ++i) {
    at[letters[0]] = i;
    ForEach(letters.substr(1), sizes, at, body);
  }
}

std::vector<double> Loops(const Letters& letters, const std::vector<Tensor>& inputs) {
  std::map<char, int64_t> sizes, at;
  for (size_t i = 0; i < inputs.size(); ++i) {
    for (size_t axis = 0; axis < letters.inputs[i].size(); ++axis) {
      int64_t& size = sizes.try_emplace(letters.inputs[i][axis], 1).first->second;
      const int64_t dim = inputs[i].GetShape()[static_cast<int>(axis)];
      if (dim != 1) size = dim;
    }
  }
  std::string summed;
  for (const auto& [letter, size] : sizes) {
    if (letters.output.find(letter) == std::string::npos) summed += letter;
  }
  std::vector<double> out;
  ForEach(letters.output, sizes, at, [&] {
    double sum = 0;
    ForEach(summed, sizes, at, [&] {
      double product = 1;
      for (size_t i = 0; i < inputs.size(); ++i) product *= At(inputs[i], letters.inputs[i], at);
      sum += product;
    });
    out.push_back(sum);
  });
  return out;
}

struct Case {
  const char* equation;
  std::vector<Shape> shapes;
  const char* plain = nullptr;  // without ellipsis and with an output, if that differs
};

const Case kCases[] = {
    {"ij,jk->ik", {{3, 4}, {4, 5}}},
    {"ij,jk", {{3, 4}, {4, 5}}, "ij,jk->ik"},
    {"abcd,cde->abe", {{2, 3, 4, 5}, {4, 5, 6}}},  // two axes of depth, read in place
    {"bij,bjk->bik", {{2, 3, 4}, {2, 4, 5}}},
    {"bhid,bhjd->bhij", {{2, 3, 4, 5}, {2, 3, 6, 5}}},  // B transposed
    {"bshd,bthd->bhst", {{2, 4, 3, 5}, {2, 6, 3, 5}}},  // heads inside, read in place
    {"bhst,bthd->bshd", {{2, 3, 4, 6}, {2, 6, 3, 5}}},  // the result is permuted
    {"ij,jk->ki", {{3, 4}, {4, 5}}},                    // operands change places
    {"ji,kj->ik", {{4, 3}, {5, 4}}},                    // both transposed
    {"acb,bda->dca", {{2, 3, 4}, {4, 5, 2}}},           // A's rows in the middle of the result
    {"cad,dbc->ab", {{3, 2, 4}, {4, 5, 3}}},            // depth in another order in B: a copy
    {"iij,jk->ik", {{3, 3, 4}, {4, 5}}},                // a diagonal inside a product
    {"i,j->ij", {{3}, {4}}},
    {"i,i->", {{5}, {5}}},
    {"ij,j->i", {{3, 4}, {4}}},
    {"ij,ij->ij", {{3, 4}, {3, 4}}},
    {"ij,kl->ik", {{3, 4}, {5, 6}}},  // sums that a gemm does not do
    {"ij,jk->ik", {{3, 1}, {4, 5}}},  // broadcast depth
    {"ij,jk->ik", {{0, 4}, {4, 5}}},
    {"ij,jk->ik", {{3, 0}, {0, 5}}},
    {"ij,jk->ik", {{1, 4}, {4, 1}}},
    {"ii->i", {{4, 4}}},
    {"ii->", {{4, 4}}},
    {"ij->ji", {{3, 4}}},
    {"ijk->", {{2, 3, 4}}},
    {"ij,jk,kl->il", {{2, 3}, {3, 4}, {4, 5}}},
    {"i,i,i->i", {{4}, {4}, {4}}},
    {"...ij,...jk->...ik", {{2, 7, 3, 4}, {7, 4, 5}}, "xyij,yjk->xyik"},
    {"...ii->...i", {{2, 3, 4, 4}}, "xyii->xyi"},
    {"b...,...->b...", {{2, 3, 4}, {3, 1}}, "bxy,xy->bxy"},
    {"i...->...", {{3, 2, 4}}, "ixy->xy"},
};

TEST(LowerEinsumTest, EveryKindOfEquationMatchesPlainLoops) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.equation);
    std::vector<Tensor> inputs;
    for (const Shape& shape : c.shapes) {
      inputs.push_back(Random(shape, static_cast<uint32_t>(inputs.size()) + 1));
    }
    const std::vector<double> expected = Loops(Split(c.plain ? c.plain : c.equation), inputs);
    for (const unsigned constants : {0u, 2u}) {
      if (inputs.size() < 2 && constants != 0) continue;
      Node node = Op("", "Einsum");
      node.attributes["equation"] = std::string(c.equation);
      const auto got = RunNode(node, inputs, constants);
      ASSERT_TRUE(got.ok()) << got.status().ToString();
      ASSERT_EQ(got->Span<float>().size(), expected.size());
      for (size_t i = 0; i < expected.size(); ++i) {
        ASSERT_NEAR(static_cast<double>(got->Span<float>()[i]), expected[i], 1e-5) << i;
      }
    }
  }
}

// The variants that the equation's steps run, "gemm strided_copy", by family.
std::string Families(const char* equation, const std::vector<Shape>& shapes) {
  Graph graph;
  Node node = Op("", "Einsum");
  node.attributes["equation"] = std::string(equation);
  for (size_t i = 0; i < shapes.size(); ++i) {
    node.inputs.push_back(graph.AddValue("in" + std::to_string(i), DType::kF32, shapes[i]));
  }
  node.outputs = {graph.AddValue("y")};
  EXPECT_TRUE(InferNode(graph, node).ok());
  const SelectOptions select;
  NodeLowering lowering(graph, node, MakeContext{}, select);
  const Status status = lowering.Run();
  EXPECT_TRUE(status.ok()) << status.ToString();
  std::string families;
  for (const auto& step : lowering.Steps()) {
    families += std::string(families.empty() ? "" : " ") + std::string(step.selected.info.family);
  }
  return families;
}

TEST(LowerEinsumTest, ProductsRunAsGemmAndCopyOnlyWhereTheyMust) {
  EXPECT_EQ(Families("abcd,cde->abe", {{2, 3, 4, 5}, {4, 5, 6}}), "gemm");
  EXPECT_EQ(Families("bshd,bthd->bhst", {{2, 4, 3, 5}, {2, 6, 3, 5}}), "gemm");
  EXPECT_EQ(Families("ij,jk->ki", {{3, 4}, {4, 5}}), "gemm");
  EXPECT_THAT(Families("bhst,bthd->bshd", {{2, 3, 4, 6}, {2, 6, 3, 5}}),
              ::testing::MatchesRegex("gemm [a-z_]+"));
  EXPECT_EQ(Families("ij,kl->ik", {{3, 4}, {5, 6}}), "einsum");
}

TEST(LowerEinsumTest, IntegersWrapAround) {
  const auto a = Tensor::FromValues<int32_t>({2}, {2147483647, 5});
  const auto b = Tensor::FromValues<int32_t>({2}, {2, 1});
  Node node = Op("", "Einsum");
  node.attributes["equation"] = std::string("i,i->");
  const auto got = RunNode(node, {a, b}, 0);
  ASSERT_TRUE(got.ok()) << got.status().ToString();
  EXPECT_EQ(got->Span<int32_t>()[0], 3);
}

}  // namespace
}  // namespace ergo
