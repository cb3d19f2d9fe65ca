#include "tests/engine/passes/pass_testing.h"

namespace ergo {
namespace {

using testing::Attributes;
using ::testing::ElementsAre;
using testing::GraphBuilder;
using testing::Operators;
using testing::Optimized;
using Ints = std::vector<int64_t>;

ValueId BatchNorm(GraphBuilder& b, ValueId x, int64_t channels) {
  const ValueId variance = b.Op("Abs", {b.Weights({channels})});
  return b.Op("BatchNormalization",
              {x, b.Weights({channels}), b.Weights({channels}), b.Weights({channels}), variance},
              {}, 15);
}

TEST(FoldAffineTest, BatchNormBehindConvolutions) {
  for (const bool with_bias : {false, true}) {
    for (const int64_t groups : {1, 2}) {
      GraphBuilder b;
      const ValueId x = b.Input("x", DType::kF32, Shape{1, 4, 7, 5});
      std::vector<ValueId> operands = {x, b.Weights({6, 4 / groups, 3, 3})};
      if (with_bias) operands.push_back(b.Weights({6}));
      const ValueId conv = b.Op("Conv", operands, Attributes{{"group", groups}});
      EXPECT_THAT(Operators(Optimized(b.Build({BatchNorm(b, conv, 6)}))), ElementsAre("FusedConv"));
    }
  }
}

TEST(FoldAffineTest, BatchNormBehindTransposedConvolutionsAndProducts) {
  for (const int64_t groups : {1, 2}) {
    GraphBuilder b;
    const ValueId x = b.Input("x", DType::kF32, Shape{1, 4, 5, 5});
    const ValueId conv =
        b.Op("ConvTranspose", {x, b.Weights({4, 6 / groups, 2, 2})}, Attributes{{"group", groups}});
    EXPECT_THAT(Operators(Optimized(b.Build({BatchNorm(b, conv, 6)}))),
                ElementsAre("ConvTranspose"));
  }
  for (const int64_t transposed : {0, 1}) {
    GraphBuilder b;
    const ValueId x = b.Input("x", DType::kF32, Shape{3, 4});
    const ValueId gemm =
        b.Op("Gemm", {x, b.Weights(transposed == 1 ? Shape{6, 4} : Shape{4, 6}), b.Weights({6})},
             Attributes{{"transB", transposed}});
    EXPECT_THAT(Operators(Optimized(b.Build({BatchNorm(b, gemm, 6)}))), ElementsAre("FusedGemm"));
  }
}

TEST(FoldAffineTest, BatchNormBeforeConvolutionsThatDoNotPad) {
  for (const int64_t pad : {0, 1}) {
    GraphBuilder b;
    const ValueId x = b.Input("x", DType::kF32, Shape{1, 4, 5, 5});
    const ValueId conv = b.Op("Conv", {BatchNorm(b, x, 4), b.Weights({6, 2, 3, 3}), b.Weights({6})},
                              Attributes{{"group", int64_t{2}}, {"pads", Ints{pad, pad, 0, 0}}});
    const Graph graph = Optimized(b.Build({conv}));
    if (pad == 0) {
      EXPECT_THAT(Operators(graph), ElementsAre("FusedConv"));
    } else {
      EXPECT_THAT(Operators(graph), ElementsAre("BatchNormalization", "FusedConv"));
    }
  }
}

TEST(FoldAffineTest, NeedsTheConvolutionForItselfAlone) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{1, 3, 7, 5});
  const ValueId conv = b.Op("Conv", {x, b.Weights({4, 3, 3, 3})});
  const Graph graph = Optimized(b.Build({BatchNorm(b, conv, 4), conv}));
  EXPECT_THAT(Operators(graph), ElementsAre("FusedConv", "BatchNormalization"));
}

TEST(FoldAffineTest, ConstantArithmeticBehindAndBefore) {
  for (const std::string op : {"Add", "Sub", "Mul", "Div"}) {
    for (const bool constant_left : {false, true}) {
      for (const bool before : {false, true}) {
        if (op == "Div" && constant_left) continue;
        SCOPED_TRACE(op);
        GraphBuilder b;
        const auto map = [&](ValueId x) {
          const ValueId constant = b.Weights({4, 1, 1});
          return constant_left ? b.Op(op, {constant, x}) : b.Op(op, {x, constant});
        };
        const ValueId x = b.Input("x", DType::kF32, Shape{2, 4, 5, 5});
        const ValueId weights = b.Weights({4, 4, 2, 2}, 0.1f);
        const ValueId y =
            before ? b.Op("Conv", {map(x), weights}) : map(b.Op("Conv", {x, weights}));
        EXPECT_THAT(Operators(Optimized(b.Build({y}))), ElementsAre("FusedConv"));
      }
    }
  }
}

TEST(FoldAffineTest, ScalesOfProducts) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 3, 4});
  const ValueId scaled = b.Op("Mul", {b.Op("Add", {x, b.Weights({4})}), b.Weights({4})});
  const ValueId y = b.Op("Add", {b.Op("MatMul", {scaled, b.Weights({4, 5})}), b.Weights({5})});
  const ValueId half = b.Constant(Tensor::Scalar(0.5f));
  EXPECT_THAT(Operators(Optimized(b.Build({b.Op("Mul", {y, half})}))), ElementsAre("FusedGemm"));
}

TEST(FoldAffineTest, NearMisses) {
  {
    GraphBuilder b;  // one number a column of the image, not a channel
    const ValueId x = b.Input("x", DType::kF32, Shape{2, 4, 5, 4});
    const ValueId conv = b.Op("Conv", {x, b.Weights({4, 4, 1, 1})});
    EXPECT_THAT(Operators(Optimized(b.Build({b.Op("Mul", {conv, b.Weights({4})})}))),
                ElementsAre("FusedConv", "Mul"));
  }
  {
    GraphBuilder b;  // one channel becomes four
    const ValueId x = b.Input("x", DType::kF32, Shape{2, 1, 5, 4});
    const ValueId wide = b.Op("Mul", {x, b.Weights({4, 1, 1})});
    EXPECT_THAT(Operators(Optimized(b.Build({b.Op("Conv", {wide, b.Weights({4, 4, 1, 1})})}))),
                ElementsAre("Mul", "FusedConv"));
  }
  {
    GraphBuilder b;  // division by zero does not go into weights
    const ValueId x = b.Input("x", DType::kF32, Shape{3, 4});
    const ValueId zero = b.Constant(Tensor::Scalar(0.0f));
    const ValueId product = b.Op("MatMul", {x, b.Weights({4, 5})});
    Graph graph = b.Build({b.Op("Div", {product, zero})});
    ASSERT_TRUE(Optimize(graph).ok());
    EXPECT_THAT(Operators(graph), ElementsAre("FusedGemm", "Div"));
  }
  {
    GraphBuilder b;  // the activation stands between
    const ValueId x = b.Input("x", DType::kF32, Shape{2, 4, 5, 4});
    const ValueId conv = b.Op("Relu", {b.Op("Conv", {x, b.Weights({4, 4, 1, 1})})});
    EXPECT_THAT(Operators(Optimized(b.Build({BatchNorm(b, conv, 4)}))),
                ElementsAre("FusedConv", "BatchNormalization"));
  }
}

TEST(FusePadTest, IntoConvolutionsAndPools) {
  const ValueId none = kNoValue;
  for (const std::string op : {"Conv", "AveragePool", "MaxPool"}) {
    for (const bool own_pads : {false, true}) {
      SCOPED_TRACE(op);
      GraphBuilder b;
      const ValueId x = b.Input("x", DType::kF32, Shape{1, 2, 6, 5});
      const float infinity = std::numeric_limits<float>::infinity();
      const ValueId value = op == "MaxPool" ? b.Constant(Tensor::Scalar(-infinity)) : none;
      std::vector<ValueId> operands = {x, b.Ints({0, 0, 1, 0, 0, 0, 1, 2})};
      if (value != none) operands.push_back(value);
      Attributes attributes{{"kernel_shape", Ints{4, 4}}};
      if (own_pads) attributes["pads"] = Ints{1, 1, 0, 1};
      if (op == "AveragePool") attributes["count_include_pad"] = int64_t{own_pads};
      std::vector<ValueId> inputs = {b.Op("Pad", operands)};
      if (op == "Conv") inputs.push_back(b.Weights({3, 2, 4, 4}));
      EXPECT_EQ(Optimized(b.Build({b.Op(op, inputs, attributes)})).NodeCount(), 1);
    }
  }
}

TEST(FusePadTest, NearMisses) {
  const auto padded = [](const Ints& pads, float value, const std::string& op,
                         Attributes attributes, const std::string& mode = "constant") {
    GraphBuilder b;
    const ValueId x = b.Input("x", DType::kF32, Shape{1, 2, 6, 5});
    const ValueId pad = b.Op("Pad", {x, b.Ints(pads), b.Constant(Tensor::Scalar(value))},
                             Attributes{{"mode", mode}});
    std::vector<ValueId> inputs = {pad};
    if (op == "Conv") inputs.push_back(b.Weights({3, 2, 3, 3}));
    attributes["kernel_shape"] = Ints{3, 3};
    return Optimized(b.Build({b.Op(op, inputs, attributes)})).NodeCount();
  };
  const Ints image = {0, 0, 1, 1, 0, 0, 1, 1};
  EXPECT_EQ(padded(image, 0, "Conv", {}), 1);
  EXPECT_EQ(padded(image, 1, "Conv", {}), 2);                      // not zeros
  EXPECT_EQ(padded(image, 0, "Conv", {}, "edge"), 2);              // not constant
  EXPECT_EQ(padded({0, 0, -1, 1, 0, 0, 1, 1}, 0, "Conv", {}), 2);  // crops
  EXPECT_EQ(padded({1, 0, 0, 0, 0, 0, 0, 0}, 0, "Conv", {}), 2);   // the batch
  EXPECT_EQ(padded(image, 0, "Conv", {{"auto_pad", std::string("SAME_UPPER")}}), 2);
  EXPECT_EQ(padded(image, 0, "MaxPool", {}), 2);  // zeros count
  EXPECT_EQ(padded(image, 0, "AveragePool", {{"pads", Ints{1, 1, 1, 1}}}), 2);
  EXPECT_EQ(padded(image, 0, "AveragePool", {{"ceil_mode", int64_t{1}}}), 2);
}

}  // namespace
}  // namespace ergo
