// Shapes of Conv and of pooling.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/graph/window_attributes.h"
#include "tests/engine/testing/single_node.h"

namespace ergo {
namespace {

using ::ergo::testing::Infer;
using ::ergo::testing::NodeOperand;
using ::ergo::testing::NodeSpec;
using ::testing::HasSubstr;

using Ints = std::vector<int64_t>;

NodeOperand Floats(std::vector<Dim> dims) {
  return {DType::kF32, SymbolicShape(std::move(dims))};
}

struct Row {
  const char* op;
  int64_t in, kernel, stride, dilation, pad_begin, pad_end;
  const char* auto_pad;
  int64_t ceil_mode, out;
};

// What onnxruntime 1.30 gives for random windows that fit.
constexpr Row kRows[] = {
    {"AveragePool", 2, 3, 3, 1, 0, 0, "SAME_LOWER", 0, 1},
    {"AveragePool", 2, 5, 1, 1, 0, 0, "SAME_LOWER", 0, 2},
    {"AveragePool", 3, 5, 1, 1, 0, 0, "SAME_UPPER", 0, 3},
    {"AveragePool", 6, 4, 2, 1, 0, 0, "SAME_LOWER", 0, 3},
    {"AveragePool", 7, 2, 1, 3, 1, 0, "NOTSET", 1, 5},
    {"AveragePool", 9, 3, 3, 1, 2, 1, "NOTSET", 0, 4},
    {"AveragePool", 10, 5, 1, 2, 0, 0, "VALID", 0, 2},
    {"AveragePool", 11, 2, 1, 3, 1, 0, "NOTSET", 0, 9},
    {"AveragePool", 12, 3, 2, 1, 2, 2, "NOTSET", 0, 7},
    {"AveragePool", 13, 3, 2, 1, 0, 0, "SAME_LOWER", 0, 7},
    {"AveragePool", 13, 4, 2, 2, 0, 0, "VALID", 0, 4},
    {"Conv", 1, 1, 1, 1, 0, 0, "NOTSET", 0, 1},
    {"Conv", 4, 4, 2, 1, 0, 0, "SAME_UPPER", 0, 2},
    {"Conv", 5, 3, 2, 1, 2, 0, "NOTSET", 0, 3},
    {"Conv", 6, 3, 2, 2, 1, 0, "NOTSET", 0, 2},
    {"Conv", 11, 1, 1, 1, 0, 0, "SAME_UPPER", 0, 11},
    {"Conv", 11, 5, 2, 1, 0, 0, "SAME_UPPER", 0, 6},
    {"Conv", 12, 2, 3, 1, 0, 1, "NOTSET", 0, 4},
    {"Conv", 12, 5, 2, 1, 0, 0, "VALID", 0, 4},
    {"Conv", 13, 1, 3, 1, 0, 0, "SAME_UPPER", 0, 5},
    {"Conv", 14, 4, 1, 1, 3, 1, "NOTSET", 0, 15},
    {"MaxPool", 1, 3, 2, 1, 0, 1, "NOTSET", 1, 1},
    {"MaxPool", 3, 1, 2, 2, 0, 0, "VALID", 0, 2},
    {"MaxPool", 5, 4, 2, 1, 1, 3, "NOTSET", 1, 3},
    {"MaxPool", 6, 5, 1, 1, 4, 3, "NOTSET", 1, 9},
    {"MaxPool", 9, 1, 3, 1, 0, 0, "NOTSET", 0, 3},
    {"MaxPool", 9, 3, 3, 2, 0, 0, "VALID", 0, 2},
    {"MaxPool", 9, 5, 2, 1, 0, 0, "SAME_UPPER", 0, 5},
    {"MaxPool", 12, 2, 1, 2, 1, 0, "NOTSET", 1, 11},
    {"MaxPool", 12, 4, 1, 1, 0, 0, "VALID", 0, 9},
    {"MaxPool", 12, 4, 1, 1, 0, 1, "NOTSET", 0, 10},
    {"MaxPool", 12, 5, 3, 1, 0, 0, "SAME_UPPER", 0, 4},
    {"MaxPool", 14, 5, 3, 1, 0, 0, "VALID", 0, 4},
};

TEST(ConvPoolSchemaTest, OutputSizes) {
  for (const Row& row : kRows) {
    NodeSpec spec{row.op,
                  {{"kernel_shape", Ints{row.kernel}},
                   {"strides", Ints{row.stride}},
                   {"dilations", Ints{row.dilation}},
                   {"ceil_mode", row.ceil_mode}},
                  21};
    if (std::string_view(row.auto_pad) == "NOTSET") {
      spec.attributes["pads"] = Ints{row.pad_begin, row.pad_end};
    } else {
      spec.attributes["auto_pad"] = std::string(row.auto_pad);
    }
    std::vector<NodeOperand> operands = {Floats({1, 1, row.in})};
    if (spec.op == "Conv") operands.push_back(Floats({1, 1, row.kernel}));
    EXPECT_EQ(Infer(spec, operands), fmt::format("float32 [1, 1, {}]", row.out))
        << row.op << " " << row.in << " k " << row.kernel << " s " << row.stride << " d "
        << row.dilation << " " << row.auto_pad << " ceil " << row.ceil_mode;
  }
}

TEST(ConvPoolSchemaTest, DefaultsComeFromTheWeights) {
  EXPECT_EQ(Infer({"Conv"}, {Floats({2, 3, 8, 9}), Floats({5, 3, 3, 2})}), "float32 [2, 5, 6, 8]");
  const NodeSpec fused{"Conv", {{"group", int64_t{3}}, {"strides", Ints{2, 2, 2}}}};
  EXPECT_EQ(Infer(fused, {Floats({1, 6, 5, 6, 7}), Floats({9, 2, 1, 2, 3}), Floats({9})}),
            "float32 [1, 9, 3, 3, 3]");
}

TEST(ConvPoolSchemaTest, SymbolsPassWhereTheSizeStays) {
  const Dim n = Dim::Symbol("n"), h = Dim::Symbol("h");
  const NodeSpec same{"Conv", {{"pads", Ints{1, 1, 1, 1}}}};
  EXPECT_EQ(Infer(same, {Floats({n, 3, h, 8}), Floats({5, 3, 3, 3})}), "float32 [n, 5, h, 8]");
  const NodeSpec auto_same{"MaxPool",
                           {{"kernel_shape", Ints{4, 4}}, {"auto_pad", std::string("SAME_UPPER")}}};
  EXPECT_EQ(Infer(auto_same, {Floats({n, 3, h, 8})}), "float32 [n, 3, h, 8]");
  const NodeSpec halved{"MaxPool", {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}};
  EXPECT_EQ(Infer(halved, {Floats({n, 3, h, 8})}), "float32 [n, 3, ?, 4]");
  // Weights that only the run knows: their channels and kernel are unknown.
  EXPECT_EQ(Infer({"Conv"}, {Floats({n, 3, h, 8}), Floats({Dim(), 3, Dim(), 3})}),
            "float32 [n, ?, ?, 6]");
  EXPECT_EQ(Infer({"Conv"}, {Floats({n, 3, 8}), {DType::kF32, SymbolicShape()}}),
            "float32 [n, ?, ?]");
  EXPECT_EQ(Infer({"Conv"}, {{DType::kF32, SymbolicShape()}, Floats({5, 3, 3, 3})}),
            "float32 [?, 5, ?, ?]");
  EXPECT_EQ(Infer({"GlobalAveragePool"}, {Floats({n, 3, h, 8})}), "float32 [n, 3, 1, 1]");
  EXPECT_EQ(Infer({"GlobalMaxPool"}, {{DType::kF32, SymbolicShape()}}), "float32 ?");
}

TEST(ConvPoolSchemaTest, MaxPoolIndices) {
  NodeSpec spec{"MaxPool", {{"kernel_shape", Ints{2}}}, 12, 2};
  EXPECT_EQ(Infer(spec, {{DType::kU8, Shape{1, 2, 5}}}), "uint8 [1, 2, 4]; int64 [1, 2, 4]");
}

TEST(ConvPoolSchemaTest, WhatContradictsItselfIsRefused) {
  const NodeOperand x = Floats({1, 4, 8, 8}), w = Floats({6, 4, 3, 3});
  const auto conv = [&](std::string name, Attribute value) {
    return Infer({"Conv", {{std::move(name), std::move(value)}}}, {x, w});
  };
  EXPECT_THAT(conv("group", int64_t{2}), HasSubstr("4 input channels in 2 groups"));
  EXPECT_THAT(conv("group", int64_t{0}), HasSubstr("group is 0"));
  EXPECT_THAT(conv("kernel_shape", Ints{5, 3}), HasSubstr("kernel_shape says 5"));
  EXPECT_THAT(conv("strides", Ints{1}), HasSubstr("strides has 1 numbers"));
  EXPECT_THAT(conv("strides", Ints{1, 0}), HasSubstr("the stride of the width axis is 0"));
  EXPECT_THAT(conv("pads", Ints{1, 1}), HasSubstr("pads has 2 numbers"));
  EXPECT_THAT(conv("pads", Ints{1, 1, -1, 0}), HasSubstr("must be at least 0"));
  EXPECT_THAT(conv("dilations", Ints{1, int64_t{1} << 40}), HasSubstr("above the limit"));
  EXPECT_THAT(conv("dilations", Ints{4, 1}), HasSubstr("a window of 9 positions does not fit"));
  EXPECT_THAT(conv("auto_pad", std::string("SAME")), HasSubstr("auto_pad is 'SAME'"));
  EXPECT_THAT(Infer({"Conv"}, {x, w, Floats({5})}), HasSubstr("the bias's length is 5"));
  EXPECT_THAT(Infer({"Conv"}, {x, Floats({6, 4, 3})}), HasSubstr("different ranks"));
  EXPECT_THAT(Infer({"Conv"}, {Floats({1, 4}), Floats({6, 4})}),
              HasSubstr("without spatial dimensions"));
  EXPECT_THAT(Infer({"MaxPool"}, {x}), HasSubstr("kernel_shape is missing"));
  EXPECT_THAT(
      Infer({"MaxPool", {{"kernel_shape", Ints{2, 2, 2, 2}}}}, {Floats({1, 1, 2, 2, 2, 2})}),
      HasSubstr("4 spatial dimensions (at most 3)"));
  EXPECT_THAT(Infer({"ConvTranspose"}, {Floats({1, 4, 8, 8}), Floats({4, 6, 3, 3, 3})}),
              HasSubstr("weights of 3 spatial dimensions for an operand of 2"));
}

}  // namespace
}  // namespace ergo
