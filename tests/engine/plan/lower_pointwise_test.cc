// Lowering of elementwise operators, reductions, normalizations and recurrent layers: every form
// that an attribute, an opset or an absent operand selects, run through a Model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/plan/fold.h"
#include "tests/engine/testing/graph_builder.h"
#include "tests/engine/testing/single_node.h"

namespace ergo {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::FloatNear;
using testing::GraphBuilder;
using ::testing::HasSubstr;
using testing::NodeSpec;
using ::testing::Pointwise;
using testing::RunNode;
using testing::ValuesOf;

Tensor Floats(const Shape& shape, std::initializer_list<float> values) {
  return Tensor::FromValues<float>(shape, values);
}
Tensor Vector(std::initializer_list<float> values) {
  return Floats(Shape{static_cast<int64_t>(values.size())}, values);
}
Tensor Longs(std::initializer_list<int64_t> values) {
  return Tensor::FromValues<int64_t>(Shape{static_cast<int64_t>(values.size())}, values);
}
Tensor Scalar(float value) {
  return Tensor::Scalar<float>(value);
}
auto Near(const std::vector<float>& values) {
  return Pointwise(FloatNear(1e-5f), values);
}

TEST(LowerElementwiseTest, ReadsAttributesAndTheirDefaults) {
  const Tensor x = Vector({-2, 1});
  const auto run = [&](const NodeSpec& spec) { return ValuesOf<float>(RunNode(spec, {x})); };
  EXPECT_THAT(run({"LeakyRelu"}), Near({-0.02f, 1}));
  EXPECT_THAT(run({"LeakyRelu", {{"alpha", 0.5f}}}), Near({-1, 1}));
  EXPECT_THAT(run({"HardSigmoid"}), Near({0.1f, 0.7f}));
  EXPECT_THAT(run({"HardSigmoid", {{"alpha", 0.5f}, {"beta", 0.25f}}}), Near({0, 0.75f}));
  EXPECT_THAT(run({"Selu"}), Near({-1.5201665f, 1.0507010f}));
  EXPECT_THAT(run({"Gelu", {}, 20}), Near({-0.0455003f, 0.8413447f}));
  EXPECT_THAT(run({"Gelu", {{"approximate", std::string("tanh")}}, 20}),
              Near({-0.0454023f, 0.8411920f}));
  EXPECT_THAT(run({"Swish", {{"alpha", 2.0f}}, 24}), Near({-0.0359724f, 0.8807971f}));
  EXPECT_THAT(run({"Shrink", {{"lambd", 1.5f}, {"bias", 0.5f}}}), Near({-1.5f, 0}));
  EXPECT_THAT(ValuesOf<int64_t>(RunNode({"Shrink", {{"lambd", 1.5f}, {"bias", 1.0f}}},
                                        {Longs({-3, -1, 0, 2, 5})})),
              ElementsAre(-2, 0, 0, 1, 4));
  EXPECT_EQ(RunNode({"Gelu", {{"approximate", std::string("sine")}}, 20}, {x}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(LowerElementwiseTest, ClipsByAttributesConstantsAndInputs) {
  const Tensor x = Vector({-3, 0, 7});
  EXPECT_THAT(ValuesOf<float>(RunNode({"Clip", {{"min", -1.0f}, {"max", 5.0f}}, 6}, {x})),
              ElementsAre(-1, 0, 5));
  EXPECT_THAT(ValuesOf<float>(RunNode({"Clip", {{"max", 5.0f}}, 6}, {x})), ElementsAre(-3, 0, 5));
  for (const unsigned constants : {0u, 6u}) {  // bounds known at run time only, or before
    const auto clip = [&](Tensor low, Tensor high) {
      return ValuesOf<float>(
          RunNode({"Clip", {}, 13}, {x, std::move(low), std::move(high)}, constants));
    };
    EXPECT_THAT(clip(Scalar(-1), Scalar(5)), ElementsAre(-1, 0, 5));
    EXPECT_THAT(clip(Scalar(-1), Tensor()), ElementsAre(-1, 0, 7));
    EXPECT_THAT(clip(Tensor(), Scalar(5)), ElementsAre(-3, 0, 5));
    EXPECT_THAT(clip(Scalar(4), Scalar(2)), ElementsAre(2, 2, 2));
    EXPECT_THAT(
        ValuesOf<int64_t>(RunNode({"Clip", {}, 13},
                                  {Longs({-9, int64_t{1} << 60}), Tensor::Scalar<int64_t>(0),
                                   Tensor::Scalar<int64_t>((int64_t{1} << 55) + 1)},
                                  constants)),
        ElementsAre(0, (int64_t{1} << 55) + 1));
  }
  EXPECT_THAT(ValuesOf<float>(RunNode({"Clip", {}, 13}, {x})), ElementsAre(-3, 0, 7));
}

TEST(LowerElementwiseTest, ChainsVariadicOperators) {
  const std::vector<Tensor> inputs = {Floats({2, 1}, {1, 6}), Floats({1, 2}, {2, 9}), Scalar(3)};
  EXPECT_THAT(ValuesOf<float>(RunNode({"Max"}, inputs)), ElementsAre(3, 9, 6, 9));
  EXPECT_THAT(ValuesOf<float>(RunNode({"Min"}, inputs)), ElementsAre(1, 1, 2, 3));
  EXPECT_THAT(ValuesOf<float>(RunNode({"Sum"}, inputs)), ElementsAre(6, 13, 11, 18));
  EXPECT_THAT(ValuesOf<float>(RunNode({"Mean"}, inputs)), Near({2, 13.0f / 3, 11.0f / 3, 6}));
  for (const char* op : {"Max", "Min", "Sum", "Mean"}) {
    EXPECT_THAT(ValuesOf<float>(RunNode({op}, {Vector({4, 5})})), ElementsAre(4, 5)) << op;
  }
}

TEST(LowerElementwiseTest, ChoosesFormsOfBinaryOperators) {
  const Tensor a = Longs({-7, 7}), b = Longs({3, 3});
  EXPECT_THAT(ValuesOf<int64_t>(RunNode({"Mod"}, {a, b})), ElementsAre(2, 1));
  EXPECT_THAT(ValuesOf<int64_t>(RunNode({"Mod", {{"fmod", int64_t{1}}}}, {a, b})),
              ElementsAre(-1, 1));
  const Tensor bits = Tensor::FromValues<uint8_t>({1}, {6}),
               one = Tensor::FromValues<uint8_t>({1}, {1});
  const auto shift = [&](const char* direction) {
    return RunNode({"BitShift", {{"direction", std::string(direction)}}}, {bits, one});
  };
  EXPECT_THAT(ValuesOf<uint8_t>(shift("LEFT")), ElementsAre(12));
  EXPECT_THAT(ValuesOf<uint8_t>(shift("RIGHT")), ElementsAre(3));
  EXPECT_EQ(shift("UP").status().code(), StatusCode::kInvalidArgument);
  // Squares, as a constant exponent or not, and other powers.
  for (const unsigned constants : {0u, 2u}) {
    EXPECT_THAT(ValuesOf<float>(RunNode({"Pow"}, {Vector({-3, 4}), Scalar(2)}, constants)),
                ElementsAre(9, 16));
    EXPECT_THAT(ValuesOf<float>(RunNode({"Pow"}, {Vector({-3, 4}), Scalar(3)}, constants)),
                ElementsAre(-27, 64));
  }
}

TEST(LowerElementwiseTest, DropsNothingAtInference) {
  const Tensor x = Vector({1, 2});
  const auto results = RunNode({"Dropout", {}, 13, 2}, {x, Scalar(0.5f)});
  EXPECT_THAT(ValuesOf<float>(results), ElementsAre(1, 2));
  EXPECT_THAT(ValuesOf<bool>(results, 1), ElementsAre(true, true));
  const auto old = RunNode({"Dropout", {}, 7, 2}, {Vector({0, 2})});
  EXPECT_THAT(ValuesOf<float>(old, 1), ElementsAre(1, 1));
}

TEST(LowerElementwiseTest, FoldsIntegerArithmetic) {
  GraphBuilder builder;
  const ValueId x = builder.Input("x", DType::kF32, Shape{2, 3});
  const ValueId dims = builder.Op("Mul", {builder.Ints({2, 3}), builder.Ints({1, 1})});
  const ValueId count = builder.Op("ReduceProd", {dims}, {{"keepdims", int64_t{0}}});
  const ValueId larger = builder.Op("Max", {count, builder.Ints({4})});
  const ValueId equal = builder.Op("Equal", {larger, builder.Ints({6})});
  const ValueId factor = builder.Op("Cast", {equal}, {{"to", int64_t{1}}});
  Graph graph = builder.Build({builder.Op("Mul", {x, factor})});
  const Result<int> folded = FoldConstants(graph);
  ASSERT_TRUE(folded.ok()) << folded.status().ToString();
  EXPECT_EQ(*folded, 5);
  ASSERT_EQ(graph.NodeCount(), 1);
  EXPECT_THAT(graph.Constant(graph.GetNode(0).Input(1))->Span<float>(), ElementsAre(1));
}

TEST(LowerReduceTest, TakesAxesInEveryWay) {
  const Tensor x = Floats({2, 3}, {1, 2, 3, 4, 5, 6});
  const std::vector<int64_t> last = {-1};
  EXPECT_THAT(ValuesOf<float>(RunNode({"ReduceSum", {{"axes", last}}, 11}, {x})),
              ElementsAre(6, 15));
  EXPECT_THAT(ValuesOf<float>(RunNode({"ReduceSum", {}, 13}, {x, Longs({0})}, 2)),
              ElementsAre(5, 7, 9));
  EXPECT_THAT(ValuesOf<float>(RunNode({"ReduceMean"}, {x})), ElementsAre(3.5f));
  EXPECT_THAT(
      ValuesOf<float>(RunNode({"ReduceSumSquare", {{"noop_with_empty_axes", int64_t{1}}}}, {x})),
      ElementsAre(1, 4, 9, 16, 25, 36));
  // Axes that only the run tells.
  EXPECT_THAT(ValuesOf<float>(RunNode({"ReduceMax"}, {x, Longs({1})})), ElementsAre(3, 6));
}

TEST(LowerReduceTest, FindsIndicesAndRunningSums) {
  const Tensor x = Floats({2, 2}, {3, 3, 1, 2});
  EXPECT_THAT(ValuesOf<int64_t>(RunNode({"ArgMax", {{"axis", int64_t{1}}}}, {x})),
              ElementsAre(0, 1));
  EXPECT_THAT(ValuesOf<int64_t>(RunNode(
                  {"ArgMax", {{"axis", int64_t{1}}, {"select_last_index", int64_t{1}}}}, {x})),
              ElementsAre(1, 1));
  EXPECT_THAT(ValuesOf<int64_t>(RunNode({"ArgMin"}, {x})), ElementsAre(1, 1));
  EXPECT_THAT(ValuesOf<float>(RunNode({"CumSum"}, {x, Tensor::Scalar<int64_t>(-1)}, 2)),
              ElementsAre(3, 6, 1, 3));
  EXPECT_THAT(
      ValuesOf<float>(RunNode({"CumSum", {{"reverse", int64_t{1}}, {"exclusive", int64_t{1}}}},
                              {x, Tensor::Scalar<int32_t>(0)}, 2)),
      ElementsAre(1, 2, 0, 0));
}

TEST(LowerNormTest, FlattensSoftmaxBeforeOpset13) {
  const Tensor x = Floats({1, 2, 2}, {0, 0, 0, 0});
  EXPECT_THAT(ValuesOf<float>(RunNode({"Softmax", {}, 11}, {x})),
              Near({0.25f, 0.25f, 0.25f, 0.25f}));
  EXPECT_THAT(ValuesOf<float>(RunNode({"Softmax", {}, 13}, {x})), Near({0.5f, 0.5f, 0.5f, 0.5f}));
  EXPECT_THAT(ValuesOf<float>(RunNode({"LogSoftmax", {{"axis", int64_t{0}}}, 11}, {x})),
              Near({-1.3862944f, -1.3862944f, -1.3862944f, -1.3862944f}));
  EXPECT_THAT(ValuesOf<float>(RunNode({"Hardmax", {{"axis", int64_t{1}}}, 13}, {x})),
              ElementsAre(1, 1, 0, 0));
}

TEST(LowerNormTest, NormalizesBatches) {
  const Tensor x = Floats({1, 2, 1}, {3, 5});
  const std::vector<Tensor> inputs = {x, Vector({2, 1}), Vector({1, 0}), Vector({1, 2}),
                                      Vector({4, 9})};
  EXPECT_THAT(ValuesOf<float>(RunNode({"BatchNormalization", {{"epsilon", 0.0f}}, 9}, inputs)),
              Near({3, 1}));
  std::vector<Tensor> wrong = inputs;
  wrong[1] = Vector({1, 2, 3});
  EXPECT_THAT(RunNode({"BatchNormalization", {}, 9}, wrong).status().ToString(),
              HasSubstr("input 1 has shape [3]"));
}

TEST(LowerNormTest, NormalizesLayersWithAnyScale) {
  const Tensor x = Floats({2, 2, 2}, {0, 2, 4, 6, 1, 1, 3, 3});
  const NodeSpec spec{"LayerNormalization", {{"axis", int64_t{1}}, {"epsilon", 0.0f}}, 17, 3};
  const float a = 3 / std::sqrt(5.0f), b = 1 / std::sqrt(5.0f);
  const auto full = RunNode(spec, {x, Floats({2, 2}, {1, 2, 1, 2}), Floats({2, 2}, {0, 1, 0, 1})});
  EXPECT_THAT(ValuesOf<float>(full), Near({-a, -2 * b + 1, b, 2 * a + 1, -1, -1, 1, 3}));
  EXPECT_THAT(ValuesOf<float>(full, 1), Near({3, 2}));
  EXPECT_THAT(ValuesOf<float>(full, 2), Near({b, 1}));
  // A scale and a bias that broadcast over the normalized axes.
  const auto narrow = RunNode(spec, {x, Vector({1, 2}), Floats({2, 1}, {0, 1})});
  EXPECT_THAT(ValuesOf<float>(narrow), Near({-a, -2 * b, b + 1, 2 * a + 1, -1, -2, 2, 3}));
  EXPECT_THAT(ValuesOf<float>(narrow, 1), Near({3, 2}));
  const auto rms =
      RunNode({"RMSNormalization", {{"epsilon", 0.0f}}, 23}, {Vector({3, -4}), Vector({1, 2})});
  EXPECT_THAT(ValuesOf<float>(rms), Near({3 / std::sqrt(12.5f), -8 / std::sqrt(12.5f)}));
}

TEST(LowerNormTest, NormalizesGroupsInstancesAndVariances) {
  const Tensor x = Floats({1, 4, 2}, {0, 2, 4, 6, 1, 1, 3, 3});
  const float a = 3 / std::sqrt(5.0f), b = 1 / std::sqrt(5.0f);
  const auto group = [&](int opset, const Tensor& scale, const Tensor& bias) {
    return ValuesOf<float>(
        RunNode({"GroupNormalization", {{"num_groups", int64_t{2}}, {"epsilon", 0.0f}}, opset},
                {x, scale, bias}));
  };
  EXPECT_THAT(group(18, Vector({1, 2}), Vector({0, 1})), Near({-a, -b, b, a, -1, -1, 3, 3}));
  EXPECT_THAT(group(21, Vector({1, 2, 1, 2}), Vector({0, 0, 1, 0})),
              Near({-a, -b, 2 * b, 2 * a, 0, 0, 2, 2}));
  EXPECT_THAT(
      ValuesOf<float>(RunNode({"InstanceNormalization", {{"epsilon", 0.0f}}},
                              {Floats({1, 2, 2}, {1, 3, 5, 9}), Vector({1, 2}), Vector({0, 1})})),
      Near({-1, 1, -1, 3}));
  const Tensor image = Floats({2, 1, 1, 2}, {0, 2, 4, 6});
  EXPECT_THAT(ValuesOf<float>(RunNode({"MeanVarianceNormalization"}, {image})),
              Near({-a, -b, b, a}));
  const std::vector<int64_t> last = {3};
  EXPECT_THAT(ValuesOf<float>(RunNode({"MeanVarianceNormalization", {{"axes", last}}}, {image})),
              Near({-1, 1, -1, 1}));
  EXPECT_THAT(ValuesOf<float>(RunNode({"LpNormalization", {{"p", int64_t{1}}}}, {Vector({1, -3})})),
              Near({0.25f, -0.75f}));
  EXPECT_THAT(ValuesOf<float>(RunNode(
                  {"LRN", {{"size", int64_t{1}}, {"alpha", 1.0f}, {"beta", 1.0f}, {"bias", 0.0f}}},
                  {Floats({1, 2, 1}, {2, 4})})),
              Near({0.5f, 0.25f}));
}

// Weights of an LSTM with one input and one hidden unit.
std::vector<Tensor> SmallLstm() {
  return {Floats({2, 1, 1}, {0.5f, -1}), Floats({1, 4, 1}, {0.1f, 0.2f, 0.3f, 0.4f}),
          Floats({1, 4, 1}, {0.4f, 0.3f, 0.2f, 0.1f})};
}

// The formulas of the standard, by hand.
std::vector<float> SmallLstmAnswers() {
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  double h = 0, c = 0;
  std::vector<float> answers;
  for (const double x : {0.5, -1.0}) {
    const double i = sigmoid(0.1 * x + 0.4 * h), o = sigmoid(0.2 * x + 0.3 * h);
    const double f = sigmoid(0.3 * x + 0.2 * h), n = std::tanh(0.4 * x + 0.1 * h);
    c = f * c + i * n;
    h = o * std::tanh(c);
    answers.push_back(static_cast<float>(h));
  }
  answers.push_back(static_cast<float>(c));
  return answers;
}

TEST(LowerRecurrentTest, RunsLstmWithWeightsKnownOrNot) {
  const std::vector<float> answers = SmallLstmAnswers();
  for (const unsigned constants : {0u, 6u}) {
    const auto results =
        RunNode({"LSTM", {{"hidden_size", int64_t{1}}}, 14, 3}, SmallLstm(), constants);
    EXPECT_THAT(ValuesOf<float>(results), Near({answers[0], answers[1]}));
    EXPECT_THAT(ValuesOf<float>(results, 1), Near({answers[1]}));
    EXPECT_THAT(ValuesOf<float>(results, 2), Near({answers[2]}));
  }
}

TEST(LowerRecurrentTest, ReadsActivationsWithTheirParameters) {
  // h' = alpha x w, and twice that on the way back.
  const std::vector<std::string> affine = {"Affine", "affine"};
  const NodeSpec spec{"RNN",
                      {{"direction", std::string("bidirectional")},
                       {"activations", affine},
                       {"activation_alpha", std::vector<float>{1, 2}},
                       {"activation_beta", std::vector<float>{0, 1}}},
                      14,
                      2};
  const auto results = RunNode(
      spec, {Floats({2, 1, 1}, {3, 5}), Floats({2, 1, 1}, {1, 1}), Floats({2, 1, 1}, {0, 0})});
  EXPECT_THAT(ValuesOf<float>(results), Near({3, 7, 5, 11}));
  EXPECT_THAT(ValuesOf<float>(results, 1), Near({5, 7}));
}

TEST(LowerRecurrentTest, ExplainsWhatIsWrong) {
  std::vector<Tensor> inputs = SmallLstm();
  const std::vector<std::string> unknown = {"Sigmoid", "Tanh", "Sinus"};
  EXPECT_THAT(RunNode({"LSTM", {{"activations", unknown}}, 14}, inputs).status().ToString(),
              HasSubstr("activation 'Sinus'"));
  const std::vector<std::string> few = {"Sigmoid"};
  EXPECT_THAT(RunNode({"LSTM", {{"activations", few}}, 14}, inputs).status().ToString(),
              HasSubstr("1 activations"));
  EXPECT_THAT(RunNode({"LSTM", {{"direction", std::string("up")}}, 14}, inputs).status().ToString(),
              HasSubstr("direction is 'up'"));
  inputs.push_back(Floats({1, 7}, {0, 0, 0, 0, 0, 0, 0}));
  EXPECT_THAT(RunNode({"LSTM", {}, 14}, inputs).status().ToString(),
              HasSubstr("input 3 has shape [1, 7], not [1, 8]"));
}

}  // namespace
}  // namespace ergo
