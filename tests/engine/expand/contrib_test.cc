// Operators of com.microsoft: that they expand before shapes are known, so that passes see what
// they consist of, and what is said of forms that are not supported. What they compute is compared
// with ONNX Runtime in tests/conformance.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "engine/expand/expand.h"
#include "engine/passes/passes.h"
#include "engine/plan/fold.h"
#include "tests/engine/testing/graph_builder.h"

namespace ergo {
namespace {

using testing::GraphBuilder;
using ::testing::HasSubstr;

constexpr DType kF = DType::kF32;

// Adds a node of com.microsoft with one output.
ValueId Contrib(GraphBuilder& b, std::string op, std::vector<ValueId> inputs,
                testing::Attributes attributes = {}) {
  const ValueId y = b.Op(std::move(op), std::move(inputs), std::move(attributes), 1);
  b.Raw().Nodes().back().domain = "com.microsoft";
  return y;
}

ValueId Tokens(GraphBuilder& b, const char* name, int64_t width) {
  return b.Input(name, kF, SymbolicShape({Dim::Symbol("batch"), Dim::Symbol("len"), Dim(width)}));
}

void ExpectExpanded(const Graph& graph) {
  for (const Node& node : graph.Nodes()) {
    EXPECT_FALSE(IsExpandable(node.domain, node.op)) << node.Label();
  }
}

TEST(ContribTest, TransformerBlocksExpandBeforeShapesAreKnown) {
  GraphBuilder b;
  const ValueId x = Tokens(b, "x", 8);
  const ValueId mask =
      b.Input("mask", DType::kI32, SymbolicShape({Dim::Symbol("batch"), Dim::Symbol("len")}));
  const ValueId attention = Contrib(b, "Attention", {x, b.Weights({8, 24}), b.Weights({24}), mask},
                                    {{"num_heads", int64_t{2}}});
  const ValueId norm = Contrib(b, "SkipLayerNormalization",
                               {attention, x, b.Weights({8}), b.Weights({8}), b.Weights({8})});
  const ValueId gelu = Contrib(b, "BiasGelu", {norm, b.Weights({8})});
  const ValueId product =
      Contrib(b, "FusedMatMul", {gelu, b.Weights({8, 8})}, {{"transB", int64_t{1}}});
  const ValueId packed =
      Contrib(b, "MultiHeadAttention", {product, norm, norm}, {{"num_heads", int64_t{4}}});
  Graph graph = b.Build({packed});
  ASSERT_TRUE(FoldConstants(graph).ok());
  ASSERT_TRUE(graph.Verify().ok()) << graph.Verify().ToString();
  ExpectExpanded(graph);
  ASSERT_TRUE(Optimize(graph).ok());
}

// ONNX Runtime also quantizes the operands of each step, so its answers are others by that
// rounding.
TEST(ContribTest, DynamicQuantizeLstmIsLstmOfItsWeights) {
  constexpr int64_t kIn = 3, kHidden = 2, kGates = 4 * kHidden;
  std::mt19937 random(5);
  const auto bytes = [&](int64_t rows) {
    std::vector<int8_t> values(static_cast<size_t>(rows * kGates));
    for (int8_t& value : values) value = static_cast<int8_t>(random() % 256);
    return values;
  };
  const std::vector<int8_t> w = bytes(kIn), r = bytes(kHidden);
  const float w_scale = 0.01f, r_scale = 0.02f;
  const int8_t w_zero = 5, r_zero = -3;
  const auto wide = [](const std::vector<int8_t>& from, int64_t rows, float scale, int8_t zero) {
    std::vector<float> to(from.size());
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < kGates; ++j) {
        to[static_cast<size_t>(j * rows + i)] =
            static_cast<float>(from[static_cast<size_t>(i * kGates + j)] - zero) * scale;
      }
    }
    return Tensor::FromValues<float>(Shape{1, kGates, rows}, std::span<const float>(to));
  };
  const auto narrow = [](const std::vector<int8_t>& values, int64_t rows) {
    return Tensor::FromValues<int8_t>(Shape{1, rows, kGates}, std::span<const int8_t>(values));
  };
  GraphBuilder b;
  const ValueId x = b.Input("x", kF, Shape{4, 2, kIn});
  const testing::Attributes attributes = {{"hidden_size", kHidden}};
  const ValueId quantized = Contrib(
      b, "DynamicQuantizeLSTM",
      {x, b.Constant(narrow(w, kIn)), b.Constant(narrow(r, kHidden)), kNoValue, kNoValue, kNoValue,
       kNoValue, kNoValue, b.Constant(Tensor::FromValues<float>(Shape{1}, {w_scale})),
       b.Constant(Tensor::FromValues<int8_t>(Shape{1}, {w_zero})),
       b.Constant(Tensor::FromValues<float>(Shape{1}, {r_scale})),
       b.Constant(Tensor::FromValues<int8_t>(Shape{1}, {r_zero}))},
      attributes);
  const ValueId plain = b.Op(
      "LSTM",
      {x, b.Constant(wide(w, kIn, w_scale, w_zero)), b.Constant(wide(r, kHidden, r_scale, r_zero))},
      attributes, 14);
  const Graph graph = b.Build({quantized, plain});
  const std::vector<Tensor> outputs = testing::RunGraph(graph, testing::RandomInputs(graph, 6));
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_LT(testing::LargestDifference({outputs[0]}, {outputs[1]}), 1e-6);
}

std::string Refusal(std::string op, const std::function<ValueId(GraphBuilder&)>& build) {
  GraphBuilder b;
  const ValueId y = build(b);
  Graph graph = b.Build({y});
  const Result<int> folded = FoldConstants(graph);
  EXPECT_FALSE(folded.ok()) << op;
  return folded.status().ToString();
}

TEST(ContribTest, SaysWhatIsNotSupported) {
  EXPECT_THAT(Refusal("Attention",
                      [](GraphBuilder& b) {
                        return Contrib(b, "Attention", {Tokens(b, "x", 8), b.Weights({8, 24})},
                                       {{"num_heads", int64_t{2}}, {"do_rotary", int64_t{1}}});
                      }),
              HasSubstr("Attention 'Attention_1': do_rotary is not supported"));
  EXPECT_THAT(Refusal("FusedGemm",
                      [](GraphBuilder& b) {
                        const ValueId x = b.Input("x", kF, Shape{2, 3});
                        return Contrib(b, "FusedGemm", {x, b.Weights({3, 4})},
                                       {{"activation", std::string("Sine")}});
                      }),
              HasSubstr("activation 'Sine'"));
  const auto blocked = [](int64_t k, std::vector<int64_t> shape, bool order) {
    return [=](GraphBuilder& b) {
      const ValueId x = b.Input("x", kF, Shape{2, 32});
      const Shape bytes = *Shape::Make(shape);
      const std::vector<uint8_t> values(static_cast<size_t>(bytes.Elements()), uint8_t{0x5a});
      std::vector<ValueId> inputs = {
          x, b.Constant(Tensor::FromValues<uint8_t>(bytes, std::span<const uint8_t>(values))),
          b.Weights({8})};
      if (order) inputs.insert(inputs.end(), {kNoValue, b.Ints({0})});
      return Contrib(
          b, "MatMulNBits", inputs,
          {{"K", k}, {"N", int64_t{4}}, {"bits", int64_t{4}}, {"block_size", int64_t{16}}});
    };
  };
  EXPECT_THAT(Refusal("MatMulNBits", blocked(32, {4, 2, 8}, true)), HasSubstr("g_idx"));
  EXPECT_THAT(Refusal("MatMulNBits", blocked(32, {4, 2, 7}, false)),
              HasSubstr("2 blocks of 16 numbers for each of 4 columns"));
  EXPECT_THAT(Refusal("MatMulNBits", blocked(-5, {4, 2, 8}, false)), HasSubstr("K -5"));
  EXPECT_THAT(Refusal("GroupQueryAttention",
                      [](GraphBuilder& b) {
                        const ValueId x = b.Input("x", kF, Shape{1, 1, 12});
                        const ValueId lengths =
                            b.Constant(Tensor::FromValues<int32_t>(Shape{1}, {0}));
                        const ValueId total = b.Constant(Tensor::Scalar<int32_t>(9));
                        return Contrib(b, "GroupQueryAttention",
                                       {x, x, x, kNoValue, kNoValue, lengths, total},
                                       {{"num_heads", int64_t{2}}, {"kv_num_heads", int64_t{2}}});
                      }),
              HasSubstr("total_sequence_length 9 after 0 and 1 more"));
  EXPECT_THAT(Refusal("EmbedLayerNormalization",
                      [](GraphBuilder& b) {
                        const ValueId ids = b.Input("ids", DType::kI32, Shape{1, 2});
                        return Contrib(b, "EmbedLayerNormalization",
                                       {ids, ids, b.Weights({4, 8}), kNoValue, kNoValue,
                                        b.Weights({8}), b.Weights({8})});
                      }),
              HasSubstr("required input 3 is absent"));
}

}  // namespace
}  // namespace ergo
