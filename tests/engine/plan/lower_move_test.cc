// Lowering of data movement, resizing and quantization: every form that an attribute, an opset or
// an absent operand selects, run through a Model. The kernels have tests of their own; answers here
// are small enough to be checked by eye, or NumPy's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/engine/testing/graph_builder.h"
#include "tests/engine/testing/single_node.h"

namespace ergo {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using testing::GraphBuilder;
using ::testing::HasSubstr;
using testing::NodeSpec;
using testing::RunNode;
using testing::ValuesOf;

constexpr unsigned kAllConstant = ~0u;

Tensor Floats(const Shape& shape, std::initializer_list<float> values) {
  return Tensor::FromValues<float>(shape, values);
}
Tensor Vector(std::initializer_list<float> values) {
  return Floats(Shape{static_cast<int64_t>(values.size())}, values);
}
Tensor Longs(std::initializer_list<int64_t> values) {
  return Tensor::FromValues<int64_t>(Shape{static_cast<int64_t>(values.size())}, values);
}
// 0, 1, 2, ...
Tensor Count(const Shape& shape) {
  std::vector<float> values(static_cast<size_t>(shape.Elements()));
  std::iota(values.begin(), values.end(), 0.0f);
  return Tensor::FromValues<float>(shape, values);
}
std::vector<int64_t> List(std::initializer_list<int64_t> values) {
  return values;
}
const Tensor kAbsent;

// "float32 [2, 3]: 0 1 2 3 4 5", whether the inputs are known before the run or in it.
std::string Answer(const NodeSpec& spec, const std::vector<Tensor>& inputs) {
  std::string text;
  for (const unsigned constants : {kAllConstant, ~1u, 0u}) {
    const auto results = RunNode(spec, inputs, constants);
    if (!results.ok()) return results.status().ToString();
    const Tensor& y = (*results)[0];
    std::string now = fmt::format("{} {}:", DTypeName(y.Type()), y.GetShape().ToString());
    if (y.Type() == DType::kF32) {
      for (const float value : y.Span<float>()) now += fmt::format(" {}", value);
    } else if (y.Type() == DType::kI64) {
      for (const int64_t value : y.Span<int64_t>()) now += fmt::format(" {}", value);
    }
    EXPECT_TRUE(text.empty() || text == now) << text << " and " << now;
    text = now;
  }
  return text;
}

TEST(LowerMoveTest, KeepsBytesUnderNewShapes) {
  const Tensor x = Count({1, 2, 3});
  EXPECT_EQ(Answer({"Reshape"}, {x, Longs({3, -1})}), "float32 [3, 2]: 0 1 2 3 4 5");
  EXPECT_EQ(Answer({"Flatten", {{"axis", int64_t{2}}}}, {x}), "float32 [2, 3]: 0 1 2 3 4 5");
  EXPECT_EQ(Answer({"Squeeze"}, {x}), "float32 [2, 3]: 0 1 2 3 4 5");
  EXPECT_EQ(Answer({"Squeeze", {{"axes", List({0})}}, 9}, {x}), "float32 [2, 3]: 0 1 2 3 4 5");
  EXPECT_EQ(Answer({"Unsqueeze"}, {Count({2}), Longs({1})}), "float32 [2, 1]: 0 1");
  EXPECT_EQ(Answer({"Transpose"}, {Count({1, 2})}), "float32 [2, 1]: 0 1");
  EXPECT_EQ(Answer({"Slice"}, {Count({2}), Longs({0}), Longs({9})}), "float32 [2]: 0 1");
  EXPECT_EQ(Answer({"Expand"}, {Count({2}), Longs({1, 2})}), "float32 [1, 2]: 0 1");
  EXPECT_EQ(Answer({"Pad"}, {Count({2}), Longs({0, 0})}), "float32 [2]: 0 1");
  EXPECT_EQ(Answer({"Concat", {{"axis", int64_t{0}}}}, {Count({2})}), "float32 [2]: 0 1");
  EXPECT_EQ(Answer({"Split"}, {Count({2})}), "float32 [2]: 0 1");
}

TEST(LowerMoveTest, Rearranges) {
  const Tensor x = Count({2, 3});
  EXPECT_EQ(Answer({"Transpose"}, {x}), "float32 [3, 2]: 0 3 1 4 2 5");
  EXPECT_EQ(Answer({"Transpose", {{"perm", List({2, 0, 1})}}}, {Count({2, 1, 2})}),
            "float32 [2, 2, 1]: 0 2 1 3");
  EXPECT_EQ(Answer({"Slice"}, {x, Longs({-1}), Longs({INT64_MIN}), Longs({1}), Longs({-2})}),
            "float32 [2, 2]: 2 0 5 3");
  EXPECT_EQ(Answer({"Slice", {{"starts", List({1, 1})}, {"ends", List({2, -1})}}, 9}, {x}),
            "float32 [1, 1]: 4");
  EXPECT_EQ(Answer({"Slice"}, {x, Longs({3}), Longs({9})}), "float32 [0, 3]:");
  EXPECT_EQ(Answer({"Expand"}, {Count({2, 1}), Longs({2, 1, 2})}),
            "float32 [2, 2, 2]: 0 0 1 1 0 0 1 1");
  EXPECT_EQ(Answer({"Tile"}, {Count({2}), Longs({2})}), "float32 [4]: 0 1 0 1");
  EXPECT_EQ(Answer({"DepthToSpace", {{"blocksize", int64_t{2}}}}, {Count({1, 4, 1, 2})}),
            "float32 [1, 1, 2, 4]: 0 2 1 3 4 6 5 7");
  const NodeSpec crd{"DepthToSpace", {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}}};
  EXPECT_EQ(Answer(crd, {Count({1, 8, 1, 1})}), "float32 [1, 2, 2, 2]: 0 1 2 3 4 5 6 7");
  EXPECT_EQ(Answer({"DepthToSpace", {{"blocksize", int64_t{2}}}}, {Count({1, 8, 1, 1})}),
            "float32 [1, 2, 2, 2]: 0 2 4 6 1 3 5 7");
  EXPECT_EQ(Answer({"SpaceToDepth", {{"blocksize", int64_t{2}}}}, {Count({1, 1, 2, 4})}),
            "float32 [1, 4, 1, 2]: 0 2 1 3 4 6 5 7");
  EXPECT_EQ(Answer({"SpaceToDepth", {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}}, 28},
                   {Count({1, 2, 2, 2})}),
            "float32 [1, 8, 1, 1]: 0 1 2 3 4 5 6 7");
  EXPECT_THAT(Answer({"DepthToSpace", {{"blocksize", int64_t{2}}, {"mode", std::string("RCD")}}},
                     {Count({1, 4, 1, 2})}),
              HasSubstr("'RCD'"));
}

TEST(LowerMoveTest, JoinsMoreThanAKernelTakes) {
  std::vector<Tensor> inputs;
  std::vector<float> expected;
  for (int i = 0; i < 150; ++i) {
    inputs.push_back(Vector({static_cast<float>(i), 0.5f}));
    expected.insert(expected.end(), {static_cast<float>(i), 0.5f});
  }
  EXPECT_THAT(ValuesOf<float>(RunNode({"Concat", {{"axis", int64_t{0}}}}, inputs)),
              ElementsAreArray(expected));
}

TEST(LowerMoveTest, SplitsIntoMoreThanAKernelGives) {
  for (const size_t parts : {size_t{3}, size_t{100}}) {
    const auto results = RunNode({"Split", {{"axis", int64_t{1}}}, 13, parts},
                                 {Count({2, static_cast<int64_t>(parts)})});
    for (size_t i = 0; i < parts; ++i) {
      EXPECT_THAT(ValuesOf<float>(results, i),
                  ElementsAre(static_cast<float>(i), static_cast<float>(i + parts)));
    }
  }
  const auto results = RunNode({"Split", {}, 13, 2}, {Count({3}), Longs({2, 1})}, 2);
  EXPECT_THAT(ValuesOf<float>(results, 0), ElementsAre(0, 1));
  EXPECT_THAT(ValuesOf<float>(results, 1), ElementsAre(2));
  const auto ceiling = RunNode({"Split", {{"num_outputs", int64_t{2}}}, 18, 2}, {Count({3})});
  EXPECT_THAT(ValuesOf<float>(ceiling, 1), ElementsAre(2));
}

TEST(LowerMoveTest, PicksAndPlaces) {
  const Tensor x = Count({2, 3});
  EXPECT_EQ(Answer({"Gather", {{"axis", int64_t{1}}}}, {x, Longs({2, -3})}),
            "float32 [2, 2]: 2 0 5 3");
  EXPECT_EQ(Answer({"Gather"}, {Longs({7, 8, 9}), Tensor::Scalar<int64_t>(-1)}), "int64 []: 9");
  EXPECT_EQ(Answer({"GatherElements", {{"axis", int64_t{1}}}}, {x, Longs({2, 0}).Reshaped({2, 1})}),
            "float32 [2, 1]: 2 3");
  EXPECT_EQ(Answer({"GatherND"}, {x, Longs({1, 2, 0, -1}).Reshaped({2, 2})}), "float32 [2]: 5 2");
  EXPECT_EQ(Answer({"ScatterElements", {{"reduction", std::string("add")}}},
                   {Count({3}), Longs({1, 1}), Vector({5, 6})}),
            "float32 [3]: 0 12 2");
  EXPECT_EQ(Answer({"Scatter", {}, 9}, {Count({3}), Longs({0}), Vector({5})}),
            "float32 [3]: 5 1 2");
  EXPECT_EQ(Answer({"ScatterND", {{"reduction", std::string("max")}}},
                   {x, Longs({1}).Reshaped({1, 1}), Floats({1, 3}, {9, 0, 9})}),
            "float32 [2, 3]: 0 1 2 9 4 9");
  EXPECT_THAT(Answer({"ScatterND", {{"reduction", std::string("avg")}}},
                     {x, Longs({1}).Reshaped({1, 1}), Floats({1, 3}, {9, 0, 9})}),
              HasSubstr("'avg'"));
}

TEST(LowerMoveTest, RefusesConstantIndicesOutside) {
  const Tensor x = Count({2, 3});
  const auto code = [](const NodeSpec& spec, const std::vector<Tensor>& inputs) {
    return RunNode(spec, inputs, 2).status().code();
  };
  EXPECT_EQ(code({"Gather"}, {x, Longs({2})}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({"Gather"}, {x, Longs({-3})}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({"GatherElements"}, {x, Longs({2}).Reshaped({1, 1})}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code({"GatherND"}, {x, Longs({0, 3})}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({"ScatterND"}, {x, Longs({0, 3}), Tensor::Scalar<float>(1)}),
            StatusCode::kInvalidArgument);
  // In a request they cannot be refused: they read as 0.
  EXPECT_THAT(ValuesOf<float>(RunNode({"Gather"}, {Vector({4, 5}), Longs({1, 2})})),
              ElementsAre(5, 0));
}

TEST(LowerMoveTest, PadsByAttributesInputsAndAxes) {
  const Tensor x = Vector({1, 2, 3});
  EXPECT_EQ(Answer({"Pad"}, {x, Longs({1, 2})}), "float32 [6]: 0 1 2 3 0 0");
  EXPECT_EQ(Answer({"Pad"}, {x, Longs({1, 0}), Tensor::Scalar<float>(7)}), "float32 [4]: 7 1 2 3");
  EXPECT_EQ(Answer({"Pad", {{"pads", List({0, 1})}, {"value", 4.0f}}, 10}, {x}),
            "float32 [4]: 1 2 3 4");
  const auto mode = [&](const char* name) {
    return Answer({"Pad", {{"mode", std::string(name)}}, 19}, {x, Longs({2, 1})});
  };
  EXPECT_EQ(mode("edge"), "float32 [6]: 1 1 1 2 3 3");
  EXPECT_EQ(mode("reflect"), "float32 [6]: 3 2 1 2 3 2");
  EXPECT_EQ(mode("wrap"), "float32 [6]: 2 3 1 2 3 1");
  EXPECT_THAT(mode("mirror"), HasSubstr("'mirror'"));
  EXPECT_EQ(Answer({"Pad"}, {Count({2, 2}), Longs({1, 0}), kAbsent, Longs({-1})}),
            "float32 [2, 3]: 0 0 1 0 2 3");
  EXPECT_THAT(Answer({"Pad"}, {x, Longs({1, 0}), Tensor::Scalar<int64_t>(7)}),
              HasSubstr("constant_value"));
  EXPECT_EQ(Answer({"CenterCropPad", {{"axes", List({1})}}}, {Count({1, 5}), Longs({2})}),
            "float32 [1, 2]: 1 2");
  EXPECT_EQ(Answer({"CenterCropPad"}, {Count({3}), Longs({6})}), "float32 [6]: 0 0 1 2 0 0");
}

TEST(LowerMoveTest, AnswersAboutShapes) {
  EXPECT_EQ(Answer({"Shape"}, {Count({2, 3})}), "int64 [2]: 2 3");
  EXPECT_EQ(Answer({"Shape", {{"start", int64_t{-1}}}}, {Count({2, 3})}), "int64 [1]: 3");
  EXPECT_EQ(Answer({"Shape", {{"end", int64_t{-1}}}}, {Count({2, 3})}), "int64 [1]: 2");
  EXPECT_EQ(Answer({"Size"}, {Count({2, 3})}), "int64 []: 6");
}

TEST(LowerMoveTest, MakesElements) {
  EXPECT_EQ(Answer({"Range"}, {Tensor::Scalar<int64_t>(5), Tensor::Scalar<int64_t>(-4),
                               Tensor::Scalar<int64_t>(-3)}),
            "int64 [3]: 5 2 -1");
  EXPECT_EQ(Answer({"Range"}, {Tensor::Scalar<float>(1), Tensor::Scalar<float>(2),
                               Tensor::Scalar<float>(0.25f)}),
            "float32 [4]: 1 1.25 1.5 1.75");
  EXPECT_EQ(Answer({"ConstantOfShape", {{"value", Longs({7})}}}, {Longs({2, 1})}),
            "int64 [2, 1]: 7 7");
  EXPECT_EQ(Answer({"ConstantOfShape"}, {Longs({})}), "float32 []: 0");
  const auto eye = [](int64_t k, const Shape& shape) {
    return Answer({"EyeLike", {{"k", k}}}, {Count(shape)});
  };
  EXPECT_EQ(eye(0, {2, 3}), "float32 [2, 3]: 1 0 0 0 1 0");
  EXPECT_EQ(eye(2, {2, 3}), "float32 [2, 3]: 0 0 1 0 0 0");
  EXPECT_EQ(eye(-1, {3, 2}), "float32 [3, 2]: 0 0 1 0 0 1");
  EXPECT_EQ(eye(3, {2, 3}), "float32 [2, 3]: 0 0 0 0 0 0");
  EXPECT_EQ(eye(INT64_MIN, {1, 2}), "float32 [1, 2]: 0 0");
  EXPECT_EQ(Answer({"OneHot", {{"axis", int64_t{0}}}}, {Longs({1, -1}), Longs({2}), Longs({3, 8})}),
            "int64 [2, 2]: 3 3 8 8");
  EXPECT_EQ(
      Answer({"Trilu", {{"upper", int64_t{0}}}}, {Count({2, 2}), Tensor::Scalar<int64_t>(-1)}),
      "float32 [2, 2]: 0 0 2 0");
  EXPECT_EQ(Answer({"Trilu"}, {Count({2, 2})}), "float32 [2, 2]: 0 1 0 3");
  EXPECT_EQ(Answer({"ReverseSequence"}, {Count({3, 1}), Longs({2})}), "float32 [3, 1]: 1 0 2");
  EXPECT_EQ(Answer({"ReverseSequence", {{"batch_axis", int64_t{0}}, {"time_axis", int64_t{1}}}},
                   {Count({1, 3}), Longs({3})}),
            "float32 [1, 3]: 2 1 0");
  EXPECT_THAT(
      Answer({"ReverseSequence", {{"batch_axis", int64_t{0}}}}, {Count({3, 1}), Longs({2})}),
      HasSubstr("batch_axis 0 and time_axis 0"));
}

// What exporters write for y.view(y.size(0), -1): the target is computed, and folds away.
TEST(LowerMoveTest, FoldsShapeArithmetic) {
  GraphBuilder builder;
  const ValueId x = builder.Input("x", DType::kF32, SymbolicShape({Dim::Symbol("b"), 2, 3}));
  const ValueId shape = builder.Op("Shape", {x});
  const ValueId batch = builder.Op("Gather", {shape, builder.Constant(Tensor::Scalar<int64_t>(0))});
  const ValueId first = builder.Op("Unsqueeze", {batch, builder.Ints({0})});
  const ValueId target = builder.Op("Concat", {first, builder.Ints({-1})}, {{"axis", int64_t{0}}});
  const ValueId tail = builder.Op("Slice", {shape, builder.Ints({1}), builder.Ints({3})});
  const ValueId flat = builder.Op("Reshape", {x, target});
  const Graph graph = builder.Build({flat, tail});
  const Shape input{4, 2, 3};
  const auto plan = BuildPlan(graph, std::span(&input, 1), {});
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  EXPECT_EQ((*plan)->outputs[0].shape, (Shape{4, 6}));
  EXPECT_EQ((*plan)->folded_nodes, 5);
  const std::vector<Tensor> results = testing::RunGraph(graph, {Count(input)});
  EXPECT_EQ(results[0].Span<float>()[23], 23);
  EXPECT_THAT(results[1].Span<int64_t>(), ElementsAre(2, 3));
}

TEST(LowerResizeTest, ReadsEveryOpset) {
  const Tensor x = Vector({1, 2});
  EXPECT_EQ(Answer({"Resize"}, {x, kAbsent, Vector({2})}), "float32 [4]: 1 1 2 2");
  EXPECT_EQ(Answer({"Resize", {{"mode", std::string("linear")}}}, {x, kAbsent, Vector({2})}),
            "float32 [4]: 1 1.25 1.75 2");
  EXPECT_EQ(Answer({"Resize",
                    {{"mode", std::string("linear")},
                     {"coordinate_transformation_mode", std::string("align_corners")}}},
                   {x, kAbsent, kAbsent, Longs({3})}),
            "float32 [3]: 1 1.5 2");
  EXPECT_EQ(Answer({"Resize",
                    {{"coordinate_transformation_mode", std::string("asymmetric")},
                     {"nearest_mode", std::string("ceil")}}},
                   {x, kAbsent, Vector({2})}),
            "float32 [4]: 1 2 2 2");
  const NodeSpec crop{"Resize",
                      {{"mode", std::string("linear")},
                       {"coordinate_transformation_mode", std::string("tf_crop_and_resize")},
                       {"extrapolation_value", 9.0f}}};
  EXPECT_EQ(Answer(crop, {x, Vector({0.5f, 1.5f}), kAbsent, Longs({3})}), "float32 [3]: 1.5 2 9");
  EXPECT_EQ(Answer({"Resize", {{"mode", std::string("linear")}}, 10}, {x, Vector({2})}),
            "float32 [4]: 1 1.5 2 2");
  EXPECT_EQ(Answer({"Upsample", {{"scales", std::vector<float>{2}}}, 7}, {x}),
            "float32 [4]: 1 1 2 2");
  EXPECT_EQ(Answer({"Upsample", {}, 9}, {x, Vector({2})}), "float32 [4]: 1 1 2 2");
  EXPECT_THAT(Answer({"Resize", {{"antialias", int64_t{1}}}}, {x, kAbsent, Vector({2})}),
              HasSubstr("antialias"));
}

TEST(LowerQuantizeTest, FindsTheScalesOfTensorsAxesAndBlocks) {
  const Tensor x = Floats({2, 2}, {1, 2, 3, 4});
  const auto quantize = [&](const NodeSpec& spec, const Tensor& scale) {
    return ValuesOf<uint8_t>(RunNode(spec, {x, scale}));
  };
  EXPECT_THAT(quantize({"QuantizeLinear"}, Tensor::Scalar<float>(0.5f)), ElementsAre(2, 4, 6, 8));
  EXPECT_THAT(quantize({"QuantizeLinear"}, Vector({0.5f})), ElementsAre(2, 4, 6, 8));
  EXPECT_THAT(quantize({"QuantizeLinear"}, Vector({1, 0.5f})), ElementsAre(1, 4, 3, 8));
  EXPECT_THAT(quantize({"QuantizeLinear", {{"axis", int64_t{-2}}}}, Vector({1, 0.5f})),
              ElementsAre(1, 2, 6, 8));
  EXPECT_THAT(quantize({"QuantizeLinear", {{"axis", int64_t{0}}, {"block_size", int64_t{2}}}, 21},
                       Floats({1, 2}, {1, 0.5f})),
              ElementsAre(1, 4, 3, 8));
  EXPECT_EQ(RunNode({"QuantizeLinear"}, {x, Vector({1, 2, 3})}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(RunNode({"QuantizeLinear"}, {x, Vector({1, 2}), Longs({1})}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(LowerQuantizeTest, GoesThereAndBack) {
  const Tensor x = Vector({-1, 0, 2.5f});
  const Tensor scale = Tensor::Scalar<float>(0.5f), zero = Tensor::Scalar<int8_t>(3);
  const auto quantized = RunNode({"QuantizeLinear"}, {x, scale, zero});
  ASSERT_THAT(ValuesOf<int8_t>(quantized), ElementsAre(1, 3, 8));
  EXPECT_THAT(ValuesOf<float>(RunNode({"DequantizeLinear"}, {(*quantized)[0], scale, zero})),
              ElementsAre(-1, 0, 2.5f));
  EXPECT_THAT(ValuesOf<float>(RunNode({"DequantizeLinear"}, {(*quantized)[0], scale})),
              ElementsAre(0.5f, 1.5f, 4));
}

TEST(LowerQuantizeTest, ChoosesItsOwnScale) {
  const auto results = RunNode({"DynamicQuantizeLinear", {}, 11, 3}, {Vector({0, -1, 4.1f})});
  EXPECT_THAT(ValuesOf<uint8_t>(results, 0), ElementsAre(50, 0, 255));
  EXPECT_THAT(ValuesOf<float>(results, 1), ElementsAre(0.02f));
  EXPECT_THAT(ValuesOf<uint8_t>(results, 2), ElementsAre(50));
}

}  // namespace
}  // namespace ergo
