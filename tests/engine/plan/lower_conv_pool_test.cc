// Conv, FusedConv and pooling from node to numbers. Expected values are onnxruntime's on small
// whole numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/engine/testing/single_node.h"

namespace ergo {
namespace {

using ::ergo::testing::NodeSpec;
using ::ergo::testing::RunNode;
using ::ergo::testing::ValuesOf;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::FloatEq;
using ::testing::HasSubstr;
using ::testing::Pointwise;

using Ints = std::vector<int64_t>;

Tensor Pattern(const Shape& shape, int factor, int shift, int modulus, int offset) {
  std::vector<float> values;
  for (int i = 0; i < static_cast<int>(shape.Elements()); ++i) {
    values.push_back(static_cast<float>((i * factor + shift) % modulus - offset));
  }
  return Tensor::FromValues<float>(shape, std::span<const float>(values));
}
Tensor X(const Shape& shape) {
  return Pattern(shape, 7, 3, 11, 5);
}
Tensor W(const Shape& shape) {
  return Pattern(shape, 5, 1, 7, 3);
}

TEST(LowerConvTest, AutoPadPutsTheOddOneWhereItSays) {
  const std::vector<Tensor> inputs = {X({1, 2, 4, 5}), W({2, 2, 2, 4})};
  NodeSpec spec{"Conv", {{"auto_pad", std::string("SAME_LOWER")}, {"strides", Ints{1, 2}}}};
  // Weights known before the run, and not.
  for (const unsigned constants : {0u, 2u}) {
    spec.attributes["auto_pad"] = std::string("SAME_LOWER");
    EXPECT_THAT(ValuesOf<float>(RunNode(spec, inputs, constants)),
                ElementsAreArray({6.f,   31.f,  -15.f, 18.f, -27.f, -26.f, -14.f, -25.f,
                                  -40.f, 9.f,   -34.f, 23.f, -8.f,  -1.f,  38.f,  -5.f,
                                  17.f,  -41.f, -6.f,  -5.f, 21.f,  4.f,   -5.f,  6.f}));
    spec.attributes["auto_pad"] = std::string("SAME_UPPER");
    EXPECT_THAT(ValuesOf<float>(RunNode(spec, inputs, constants)),
                ElementsAreArray({-17.f, 35.f, 19.f, -4.f,  59.f,  -35.f, 31.f,  -27.f,
                                  -23.f, 8.f,  -1.f, -13.f, -6.f,  6.f,   12.f,  20.f,
                                  -27.f, 24.f, -9.f, 17.f,  -19.f, -21.f, -16.f, 16.f}));
  }
}

TEST(LowerConvTest, GroupsAndBiasInOneDimension) {
  const NodeSpec spec{
      "Conv", {{"group", int64_t{2}}, {"strides", Ints{2}}, {"pads", Ints{1, 2}}}, 7};
  const Tensor bias = Tensor::FromValues<float>({4}, {0, 0, 10, 0});
  EXPECT_THAT(
      ValuesOf<float>(RunNode(spec, {X({2, 2, 7}), W({4, 1, 3}), bias}, 6)),
      ElementsAreArray({-1.f, -10.f, 18.f, -12.f, 16.f, -14.f, -9.f,  12.f,  1.f,   26.f, 29.f,
                        8.f,  0.f,   -2.f, -11.f, 4.f,  -5.f,  -12.f, 16.f,  -13.f, 17.f, -12.f,
                        -7.f, 16.f,  0.f,  3.f,   28.f, 10.f,  4.f,   -10.f, -8.f,  4.f}));
}

Result<std::vector<Tensor>> RunFused(const std::string& activation, const Tensor& residual) {
  Graph graph;
  Node node;
  node.name = "n";
  node.domain = "ergo";
  node.op = "FusedConv";
  node.opset = 1;
  node.attributes = {{"activation", activation}, {"alpha", -1.0f}, {"beta", 5.0f}};
  const Tensor x = Tensor::FromValues<float>({1, 1, 3}, {1, 2, 3});
  const std::vector<Tensor> inputs = {
      x, Tensor::FromValues<float>({2, 1, 1}, {1, -2}), {}, residual};
  std::vector<TensorView> views;
  for (const Tensor& input : inputs) {
    if (input.Type() == DType::kUndefined) {
      node.inputs.push_back(kNoValue);
      continue;
    }
    const std::string name = "in" + std::to_string(node.inputs.size());
    node.inputs.push_back(graph.AddValue(name, input.Type(), input.GetShape()));
    graph.inputs.push_back(node.inputs.back());
    views.push_back(input.View());
  }
  node.outputs = {graph.AddValue("y")};
  graph.outputs = node.outputs;
  graph.AddNode(std::move(node));
  ERGO_ASSIGN_OR_RETURN(const auto model, Model::Create(std::move(graph), {}));
  Runner runner(*model);
  return runner.Run(views);
}

TEST(LowerConvTest, FusedConvAddsTheResidualAndActivates) {
  const Tensor residual = Tensor::FromValues<float>({1, 2, 3}, {1, 1, 10, 1, 1, 10});
  EXPECT_THAT(ValuesOf<float>(RunFused("clip", residual)), ElementsAre(2, 3, 5, -1, -1, 4));
  EXPECT_THAT(ValuesOf<float>(RunFused("none", residual)), ElementsAre(2, 3, 13, -1, -3, 4));
  EXPECT_THAT(ValuesOf<float>(RunFused("relu", {})), ElementsAre(1, 2, 3, 0, 0, 0));
  EXPECT_THAT(RunFused("softplus", residual).status().ToString(),
              HasSubstr("'softplus' is not an activation"));
  EXPECT_THAT(RunFused("none", Tensor::FromValues<float>({1, 1, 3}, {1, 1, 1})).status().ToString(),
              HasSubstr("a residual [1, 1, 3] for an output [1, 2, 3]"));
}

TEST(LowerConvTest, EmptyBatch) {
  const auto result = RunNode({"Conv"}, {X({0, 2, 4}), W({3, 2, 2})}, 2);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ((*result)[0].GetShape(), (Shape{0, 3, 3}));
}

TEST(LowerConvTest, DTypesWithoutAKernelAreNamed) {
  const Tensor x = Tensor::FromValues<int32_t>({1, 1, 2}, {1, 2});
  const Tensor w = Tensor::FromValues<int32_t>({1, 1, 1}, {1});
  EXPECT_THAT(RunNode({"Conv"}, {x, w}).status().ToString(), HasSubstr("convolution of int32"));
}

TEST(LowerPoolTest, MaxWithColumnMajorIndices) {
  const NodeSpec spec{"MaxPool",
                      {{"kernel_shape", Ints{2, 2}},
                       {"strides", Ints{1, 2}},
                       {"pads", Ints{0, 1, 1, 0}},
                       {"storage_order", int64_t{1}}},
                      12,
                      2};
  const auto result = RunNode(spec, {X({1, 2, 3, 4})});
  EXPECT_THAT(ValuesOf<float>(result), ElementsAre(4, 5, 4, 2, -1, 2, 5, 3, 0, 3, -5, 2));
  EXPECT_THAT(ValuesOf<int64_t>(result, 1), ElementsAre(1, 3, 1, 8, 2, 8, 12, 19, 13, 19, 14, 17));
}

TEST(LowerPoolTest, AverageWithCeilModeAndPads) {
  NodeSpec spec{"AveragePool",
                {{"kernel_shape", Ints{3, 3}},
                 {"strides", Ints{2, 2}},
                 {"pads", Ints{1, 0, 0, 1}},
                 {"ceil_mode", int64_t{1}},
                 {"count_include_pad", int64_t{1}}}};
  const std::vector<Tensor> x = {X({1, 1, 4, 5})};
  EXPECT_THAT(ValuesOf<float>(RunNode(spec, x)),
              Pointwise(FloatEq(), {0.333333343f, -0.111111112f, -0.166666672f, 0.444444448f,
                                    -0.222222224f, -1.5f}));
  spec.attributes.erase("count_include_pad");
  EXPECT_THAT(
      ValuesOf<float>(RunNode(spec, x)),
      Pointwise(FloatEq(), {0.5f, -0.166666672f, -0.5f, 0.444444448f, -0.222222224f, -3.f}));
}

TEST(LowerPoolTest, AverageWithAutoPad) {
  const NodeSpec spec{
      "AveragePool", {{"kernel_shape", Ints{4}}, {"auto_pad", std::string("SAME_LOWER")}}, 11};
  EXPECT_THAT(ValuesOf<float>(RunNode(spec, {X({1, 1, 5})})),
              Pointwise(FloatEq(), {1.5f, 1.33333337f, 0.25f, 1.75f, 0.666666687f}));
}

TEST(LowerPoolTest, LpAndGlobalPools) {
  const NodeSpec lp{"LpPool",
                    {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"p", int64_t{2}}}};
  EXPECT_THAT(ValuesOf<float>(RunNode(lp, {X({1, 1, 4, 4})})),
              Pointwise(FloatEq(), {6.70820379f, 5.91608f, 7.21110249f, 5.74456263f}));
  const std::vector<Tensor> x = {X({1, 2, 2, 3})};
  EXPECT_THAT(ValuesOf<float>(RunNode({"GlobalLpPool"}, x)),
              Pointwise(FloatEq(), {7.41619825f, 7.68114567f}));
  EXPECT_THAT(ValuesOf<float>(RunNode({"GlobalAveragePool"}, x)),
              Pointwise(FloatEq(), {0.833333313f, -1.16666663f}));
  const auto max = RunNode({"GlobalMaxPool"}, x);
  EXPECT_THAT(ValuesOf<float>(max), ElementsAre(5, 3));
  EXPECT_EQ((*max)[0].GetShape(), (Shape{1, 2, 1, 1}));
}

TEST(LowerPoolTest, MaxOfBytes) {
  const Tensor x = Tensor::FromValues<uint8_t>({1, 1, 5}, {1, 200, 3, 7, 6});
  const NodeSpec spec{"MaxPool", {{"kernel_shape", Ints{3}}, {"strides", Ints{2}}}, 12};
  EXPECT_THAT(ValuesOf<uint8_t>(RunNode(spec, {x})), ElementsAre(200, 7));
}

}  // namespace
}  // namespace ergo
