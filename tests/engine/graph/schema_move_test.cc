// Shape and type rules of data movement, resizing and quantization.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/graph/move_params.h"
#include "tests/engine/testing/single_node.h"

namespace ergo {
namespace {

using ::testing::HasSubstr;
using testing::Infer;
using testing::NodeOperand;
using testing::NodeSpec;

constexpr DType kF = DType::kF32;
constexpr DType kI = DType::kI64;

NodeOperand Of(DType dtype, std::vector<Dim> dims) {
  return {dtype, SymbolicShape(std::move(dims))};
}
NodeOperand Unranked(DType dtype) {
  return {dtype, SymbolicShape()};
}
Dim Sym(const char* name) {
  return Dim::Symbol(name);
}
Tensor Ints(std::initializer_list<int64_t> values) {
  return Tensor::FromValues<int64_t>(Shape{static_cast<int64_t>(values.size())}, values);
}
Tensor Floats(std::initializer_list<float> values) {
  return Tensor::FromValues<float>(Shape{static_cast<int64_t>(values.size())}, values);
}
std::vector<int64_t> List(std::initializer_list<int64_t> values) {
  return values;
}

TEST(SchemaMoveTest, Transposes) {
  EXPECT_EQ(Infer({"Transpose"}, {Of(kF, {2, Sym("n"), 4})}), "float32 [4, n, 2]");
  EXPECT_EQ(Infer({"Transpose", {{"perm", List({1, 0, 2})}}}, {Of(kF, {2, Sym("n"), 4})}),
            "float32 [n, 2, 4]");
  EXPECT_EQ(Infer({"Transpose", {{"perm", List({1, 0})}}}, {Unranked(kF)}), "float32 [?, ?]");
  EXPECT_THAT(Infer({"Transpose", {{"perm", List({0, 0})}}}, {Of(kF, {2, 3})}),
              HasSubstr("stands twice"));
  EXPECT_THAT(Infer({"Transpose", {{"perm", List({0})}}}, {Of(kF, {2, 3})}), HasSubstr("rank 2"));
}

TEST(SchemaMoveTest, Reshapes) {
  EXPECT_EQ(Infer({"Reshape"}, {Of(kF, {2, 3, 4}), Ints({0, -1})}), "float32 [2, 12]");
  EXPECT_EQ(Infer({"Reshape"}, {Of(kF, {Sym("b"), 3, 4}), Ints({0, -1})}), "float32 [b, 12]");
  EXPECT_EQ(Infer({"Reshape"}, {Of(kF, {Sym("b"), 3, 4}), Ints({-1, 12})}), "float32 [b, 12]");
  EXPECT_EQ(Infer({"Reshape"}, {Of(kF, {Sym("b"), 3, 4}), Ints({-1, 6})}), "float32 [?, 6]");
  EXPECT_EQ(Infer({"Reshape"}, {Of(kF, {Sym("b"), Sym("t"), 4}), Ints({0, 0, 2, -1})}),
            "float32 [b, t, 2, 2]");
  EXPECT_EQ(Infer({"Reshape"}, {Of(kF, {Sym("b"), 3}), Of(kI, {4})}), "float32 [?, ?, ?, ?]");
  EXPECT_EQ(Infer({"Reshape"}, {Of(kF, {Sym("b"), 3}), Of(kI, {Dim()})}), "float32 ?");
  EXPECT_EQ(Infer({"Reshape"}, {Unranked(kF), Ints({-1, 5})}), "float32 [?, 5]");
  EXPECT_EQ(Infer({"Reshape", {{"allowzero", int64_t{1}}}}, {Of(kF, {0, 3}), Ints({3, 0})}),
            "float32 [3, 0]");
  EXPECT_EQ(Infer({"Reshape"}, {Of(kF, {}), Ints({})}), "float32 []");
  EXPECT_THAT(Infer({"Reshape"}, {Of(kF, {2, 3}), Ints({4, -1})}), HasSubstr("do not divide"));
  EXPECT_THAT(Infer({"Reshape"}, {Of(kF, {2, 3}), Ints({5})}), HasSubstr("cannot be reshaped"));
  EXPECT_THAT(Infer({"Reshape"}, {Of(kF, {2, 3}), Ints({-1, -1})}), HasSubstr("more than one -1"));
  EXPECT_THAT(Infer({"Reshape"}, {Of(kF, {6}), Ints({2, 0})}), HasSubstr("does not have"));
  EXPECT_THAT(Infer({"Reshape"}, {Of(kF, {6}), Ints({-2})}), HasSubstr("INVALID_ARGUMENT"));
}

TEST(SchemaMoveTest, FlattensSqueezesAndUnsqueezes) {
  EXPECT_EQ(Infer({"Flatten"}, {Of(kF, {Sym("b"), 3, 4})}), "float32 [b, 12]");
  EXPECT_EQ(Infer({"Flatten", {{"axis", int64_t{0}}}}, {Of(kF, {2, 3})}), "float32 [1, 6]");
  EXPECT_EQ(Infer({"Flatten", {{"axis", int64_t{-1}}}}, {Of(kF, {2, Sym("n"), 4})}),
            "float32 [?, 4]");
  EXPECT_EQ(Infer({"Flatten"}, {Unranked(kF)}), "float32 [?, ?]");
  EXPECT_THAT(Infer({"Flatten", {{"axis", int64_t{3}}}}, {Of(kF, {2, 3})}), HasSubstr("axis 3"));
  EXPECT_EQ(Infer({"Squeeze"}, {Of(kF, {1, 3, 1})}), "float32 [3]");
  EXPECT_EQ(Infer({"Squeeze"}, {Of(kF, {1, Sym("n")})}), "float32 ?");
  EXPECT_EQ(Infer({"Squeeze"}, {Of(kF, {1, Sym("n"), 1}), Ints({-1})}), "float32 [1, n]");
  EXPECT_EQ(Infer({"Squeeze", {{"axes", List({0})}}, 11}, {Of(kF, {1, Sym("n")})}), "float32 [n]");
  EXPECT_THAT(Infer({"Squeeze"}, {Of(kF, {2, 3}), Ints({0})}), HasSubstr("cannot be squeezed"));
  EXPECT_EQ(Infer({"Unsqueeze"}, {Of(kF, {Sym("n")}), Ints({0, -1})}), "float32 [1, n, 1]");
  EXPECT_EQ(Infer({"Unsqueeze", {{"axes", List({2, 0})}}, 11}, {Of(kF, {Sym("n")})}),
            "float32 [1, n, 1]");
  EXPECT_THAT(Infer({"Unsqueeze", {}, 11}, {Of(kF, {2})}), HasSubstr("no axes"));
  EXPECT_THAT(Infer({"Unsqueeze"}, {Of(kF, {2}), Ints({3})}), HasSubstr("outside"));
}

TEST(SchemaMoveTest, JoinsAndSplits) {
  const NodeSpec concat{"Concat", {{"axis", int64_t{-1}}}};
  EXPECT_EQ(Infer(concat, {Of(kF, {2, 3}), Of(kF, {2, 4})}), "float32 [2, 7]");
  EXPECT_EQ(Infer(concat, {Of(kF, {Sym("b"), 3}), Of(kF, {2, Sym("n")})}), "float32 [2, ?]");
  EXPECT_EQ(Infer(concat, {Of(kF, {Sym("b"), 3}), Unranked(kF)}), "float32 [b, ?]");
  EXPECT_THAT(Infer(concat, {Of(kF, {2, 3}), Of(kF, {3, 3})}), HasSubstr("does not fit"));
  EXPECT_THAT(Infer(concat, {Of(kF, {2, 3}), Of(kF, {2})}), HasSubstr("different ranks"));
  EXPECT_THAT(Infer(concat, {Of(kF, {2, 3}), Of(kI, {2, 3})}), HasSubstr("int64"));
  EXPECT_EQ(Infer({"Split", {}, 13, 2}, {Of(kF, {6, 2})}), "float32 [3, 2]; float32 [3, 2]");
  EXPECT_EQ(Infer({"Split", {{"num_outputs", int64_t{3}}}, 18, 3}, {Of(kF, {7})}),
            "float32 [3]; float32 [3]; float32 [1]");
  EXPECT_EQ(Infer({"Split", {{"axis", int64_t{1}}}, 13, 2}, {Of(kF, {Sym("b"), 5}), Ints({1, 4})}),
            "float32 [b, 1]; float32 [b, 4]");
  EXPECT_EQ(Infer({"Split", {{"split", List({2, 3})}}, 11, 2}, {Of(kF, {5})}),
            "float32 [2]; float32 [3]");
  EXPECT_EQ(Infer({"Split", {}, 13, 2}, {Of(kF, {Sym("b"), 5})}), "float32 [?, 5]; float32 [?, 5]");
  EXPECT_THAT(Infer({"Split", {}, 13, 2}, {Of(kF, {5})}), HasSubstr("do not split"));
  EXPECT_THAT(Infer({"Split", {}, 13, 2}, {Of(kF, {5}), Ints({2, 2})}), HasSubstr("split into"));
  EXPECT_THAT(Infer({"Split", {}, 13, 2}, {Of(kF, {5}), Ints({-1, 6})}), HasSubstr("split into"));
}

TEST(SchemaMoveTest, SlicesByInputsAndAttributes) {
  const NodeOperand x = Of(kF, {10, Sym("n"), 4});
  EXPECT_EQ(Infer({"Slice"}, {x, Ints({1}), Ints({-1})}), "float32 [8, n, 4]");
  EXPECT_EQ(Infer({"Slice"}, {x, Ints({-1}), Ints({INT64_MIN}), Ints({0}), Ints({-3})}),
            "float32 [4, n, 4]");
  EXPECT_EQ(Infer({"Slice"}, {x, Ints({0, 2}), Ints({INT64_MAX, 3}), Ints({1, -1})}),
            "float32 [10, n, 1]");
  EXPECT_EQ(Infer({"Slice"}, {x, Ints({1}), Ints({3}), Ints({1})}), "float32 [10, ?, 4]");
  EXPECT_EQ(Infer({"Slice"}, {x, Of(kI, {1}), Of(kI, {1}), Ints({0})}), "float32 [?, n, 4]");
  EXPECT_EQ(Infer({"Slice"}, {x, Of(kI, {1}), Of(kI, {1}), Of(kI, {1})}), "float32 [?, ?, ?]");
  EXPECT_EQ(
      Infer({"Slice", {{"starts", List({2})}, {"ends", List({100})}, {"axes", List({0})}}, 9}, {x}),
      "float32 [8, n, 4]");
  EXPECT_EQ(Infer({"Slice"}, {x, Ints({5}), Ints({2})}), "float32 [0, n, 4]");
  EXPECT_THAT(Infer({"Slice"}, {x, Ints({1}), Ints({2}), Ints({0}), Ints({0})}),
              HasSubstr("step 0"));
  EXPECT_THAT(Infer({"Slice"}, {x, Ints({1}), Ints({2, 3})}), HasSubstr("2 ends"));
  EXPECT_THAT(Infer({"Slice"}, {x, Ints({1}), Ints({2}), Ints({3})}), HasSubstr("axis 3"));
  EXPECT_THAT(Infer({"Slice", {}, 9}, {x}), HasSubstr("no starts"));
}

// Python's own slicing is the oracle: len(range(dim)[start:end:step]).
TEST(SchemaMoveTest, ClampsSlicesLikePython) {
  const auto slice = [](int64_t start, int64_t end, int64_t step, int64_t dim) {
    const move::AxisSlice s = ClampSlice(start, end, step, dim);
    return std::vector<int64_t>{s.start, s.step, s.count};
  };
  EXPECT_EQ(slice(-3, 100, 2, 5), List({2, 2, 2}));
  EXPECT_EQ(slice(4, -6, -2, 5), List({4, -2, 3}));
  EXPECT_EQ(slice(100, 0, -1, 5), List({4, -1, 4}));
  EXPECT_EQ(slice(INT64_MAX, INT64_MIN, INT64_MIN, 5), List({4, 1, 1}));
  EXPECT_EQ(slice(INT64_MIN, INT64_MAX, INT64_MAX, 5), List({0, 1, 1}));
  EXPECT_EQ(slice(0, -1, -1, 5), List({0, 1, 0}));
  EXPECT_EQ(slice(0, 5, 1, 0), List({0, 1, 0}));
  EXPECT_EQ(slice(-1, INT64_MIN, -1, 0), List({0, 1, 0}));
}

TEST(SchemaMoveTest, Gathers) {
  const NodeOperand data = Of(kF, {5, Sym("n"), 3});
  EXPECT_EQ(Infer({"Gather"}, {data, Of(kI, {})}), "float32 [n, 3]");
  EXPECT_EQ(Infer({"Gather", {{"axis", int64_t{-2}}}}, {data, Of(DType::kI32, {2, Sym("k")})}),
            "float32 [5, 2, k, 3]");
  EXPECT_EQ(Infer({"Gather"}, {data, Unranked(kI)}), "float32 ?");
  EXPECT_THAT(Infer({"Gather"}, {data, Of(kF, {2})}), HasSubstr("indices are float32"));
  EXPECT_EQ(Infer({"GatherElements"}, {data, Of(kI, {2, 4, 3})}), "float32 [2, 4, 3]");
  EXPECT_EQ(Infer({"GatherND"}, {data, Of(kI, {7, 2})}), "float32 [7, 3]");
  EXPECT_EQ(Infer({"GatherND", {{"batch_dims", int64_t{1}}}}, {data, Of(kI, {5, 7, 1})}),
            "float32 [5, 7, 3]");
  EXPECT_EQ(Infer({"GatherND"}, {data, Of(kI, {7, Dim()})}), "float32 ?");
  EXPECT_THAT(Infer({"GatherND"}, {data, Of(kI, {7, 4})}), HasSubstr("batch_dims 0"));
  EXPECT_EQ(Infer({"ScatterElements"}, {data, Of(kI, {1, 1, 1}), Of(kF, {1, 1, 1})}),
            "float32 [5, n, 3]");
  EXPECT_THAT(Infer({"ScatterND"}, {data, Of(kI, {1, 1}), Of(kI, {1, 3})}),
              HasSubstr("updates are int64"));
}

TEST(SchemaMoveTest, PadsExpandsAndTiles) {
  const NodeOperand x = Of(kF, {3, Sym("n"), 4});
  EXPECT_EQ(Infer({"Pad"}, {x, Ints({0, 0, 1, 2, 0, -2})}), "float32 [5, n, 3]");
  EXPECT_EQ(Infer({"Pad"}, {x, Ints({1, 1}), NodeOperand(), Ints({-1})}), "float32 [3, n, 6]");
  EXPECT_EQ(Infer({"Pad", {{"pads", List({0, 1, 0, 0, 1, 0})}}, 10}, {x}), "float32 [3, ?, 4]");
  EXPECT_EQ(Infer({"Pad"}, {x, Of(kI, {6})}), "float32 [?, ?, ?]");
  EXPECT_EQ(Infer({"Pad"}, {x, Of(kI, {2}), NodeOperand(), Ints({0})}), "float32 [?, n, 4]");
  EXPECT_THAT(Infer({"Pad"}, {x, Ints({-2, 0, 0, -2, 0, 0})}), HasSubstr("cannot be padded"));
  EXPECT_THAT(Infer({"Pad"}, {x, Ints({1})}), HasSubstr("1 pads"));
  EXPECT_EQ(Infer({"Expand"}, {Of(kF, {3, 1}), Ints({2, 1, 4})}), "float32 [2, 3, 4]");
  EXPECT_EQ(Infer({"Expand"}, {Of(kF, {3, Sym("n")}), Ints({1, 1})}), "float32 [3, n]");
  EXPECT_EQ(Infer({"Expand"}, {Of(kF, {3, 1}), Of(kI, {3})}), "float32 [?, 3, ?]");
  EXPECT_THAT(Infer({"Expand"}, {Of(kF, {3}), Ints({4})}), HasSubstr("do not broadcast"));
  EXPECT_EQ(Infer({"Tile"}, {x, Ints({2, 1, 0})}), "float32 [6, n, 0]");
  EXPECT_EQ(Infer({"Tile"}, {x, Of(kI, {3})}), "float32 [?, ?, ?]");
  EXPECT_THAT(Infer({"Tile"}, {x, Ints({2, 1})}), HasSubstr("2 repeats"));
  EXPECT_THAT(Infer({"Tile"}, {x, Ints({2, 1, -1})}), HasSubstr("-1 repeats"));
  EXPECT_EQ(Infer({"CenterCropPad", {{"axes", List({2, 0})}}}, {x, Ints({7, 1})}),
            "float32 [1, n, 7]");
}

TEST(SchemaMoveTest, MovesBetweenDepthAndSpace) {
  const std::map<std::string, Attribute, std::less<>> by2{{"blocksize", int64_t{2}}};
  EXPECT_EQ(Infer({"DepthToSpace", by2}, {Of(kF, {Sym("b"), 8, 3, 5})}), "float32 [b, 2, 6, 10]");
  EXPECT_EQ(Infer({"SpaceToDepth", by2}, {Of(kF, {Sym("b"), 2, 6, Dim()})}),
            "float32 [b, 8, 3, ?]");
  EXPECT_THAT(Infer({"DepthToSpace", by2}, {Of(kF, {1, 6, 3, 5})}), HasSubstr("not a multiple"));
  EXPECT_THAT(Infer({"SpaceToDepth", by2}, {Of(kF, {1, 6, 3, 4})}), HasSubstr("not a multiple"));
  EXPECT_THAT(Infer({"SpaceToDepth"}, {Of(kF, {1, 6, 3, 4})}), HasSubstr("blocksize 0"));
}

TEST(SchemaMoveTest, AsksForShapes) {
  const NodeOperand x = Of(kF, {3, Sym("n"), 4});
  EXPECT_EQ(Infer({"Shape"}, {x}), "int64 [3]");
  EXPECT_EQ(Infer({"Shape", {{"start", int64_t{-2}}, {"end", int64_t{99}}}}, {x}), "int64 [2]");
  EXPECT_EQ(Infer({"Shape", {{"start", int64_t{2}}, {"end", int64_t{-2}}}}, {x}), "int64 [0]");
  EXPECT_EQ(Infer({"Shape"}, {Unranked(kF)}), "int64 [?]");
  EXPECT_EQ(Infer({"Size"}, {x}), "int64 []");
}

TEST(SchemaMoveTest, MakesElements) {
  EXPECT_EQ(Infer({"OneHot"}, {Of(kI, {2, Sym("n")}), Ints({5}), Of(kF, {2})}),
            "float32 [2, n, 5]");
  EXPECT_EQ(
      Infer({"OneHot", {{"axis", int64_t{0}}}}, {Of(kI, {2}), Of(kI, {}), Of(DType::kI8, {2})}),
      "int8 [?, 2]");
  EXPECT_EQ(Infer({"EyeLike", {{"dtype", int64_t{11}}}}, {Of(kF, {2, Sym("n")})}),
            "float64 [2, n]");
  EXPECT_EQ(Infer({"Range"}, {Tensor::Scalar<float>(1), Tensor::Scalar<float>(2),
                              Tensor::Scalar<float>(0.3f)}),
            "float32 [4]");
  EXPECT_EQ(Infer({"Range"}, {Tensor::Scalar<int64_t>(5), Tensor::Scalar<int64_t>(-4),
                              Tensor::Scalar<int64_t>(-3)}),
            "int64 [3]");
  EXPECT_EQ(Infer({"Range"}, {Tensor::Scalar<int64_t>(INT64_MIN),
                              Tensor::Scalar<int64_t>(INT64_MIN), Tensor::Scalar<int64_t>(1)}),
            "int64 [0]");
  EXPECT_EQ(Infer({"Range"}, {Of(kI, {}), Tensor::Scalar<int64_t>(2), Tensor::Scalar<int64_t>(1)}),
            "int64 [?]");
  EXPECT_THAT(Infer({"Range"},
                    {Tensor::Scalar<float>(0), Tensor::Scalar<float>(1), Tensor::Scalar<float>(0)}),
              HasSubstr("INVALID_ARGUMENT"));
  EXPECT_THAT(Infer({"Range"}, {Tensor::Scalar<int64_t>(INT64_MIN),
                                Tensor::Scalar<int64_t>(INT64_MAX), Tensor::Scalar<int64_t>(1)}),
              HasSubstr("too long"));
  EXPECT_EQ(Infer({"ConstantOfShape"}, {Ints({2, 0})}), "float32 [2, 0]");
  EXPECT_EQ(Infer({"ConstantOfShape", {{"value", Ints({7})}}}, {Of(kI, {2})}), "int64 [?, ?]");
  EXPECT_THAT(Infer({"ConstantOfShape"}, {Ints({2, -1})}), HasSubstr("negative"));
}

TEST(SchemaResizeTest, ScalesAndSizes) {
  const NodeOperand x = Of(kF, {1, 3, 10, 21});
  const NodeOperand none;
  EXPECT_EQ(Infer({"Resize"}, {x, none, Floats({1, 1, 2, 0.5f})}), "float32 [1, 3, 20, 10]");
  // 0.7f is less than 0.7: in double the product would fall below 7.
  EXPECT_EQ(Infer({"Resize"}, {Of(kF, {10}), none, Floats({0.7f})}), "float32 [7]");
  EXPECT_EQ(Infer({"Resize"}, {x, none, none, Ints({1, 3, 5, 6})}), "float32 [1, 3, 5, 6]");
  EXPECT_EQ(Infer({"Resize"}, {x, none, Floats({}), Ints({1, 3, 5, 6})}), "float32 [1, 3, 5, 6]");
  EXPECT_EQ(Infer({"Resize", {{"axes", List({3})}}}, {x, none, Floats({2})}),
            "float32 [1, 3, 10, 42]");
  const auto keep = [&](const char* policy) {
    return Infer(
        {"Resize", {{"axes", List({2, 3})}, {"keep_aspect_ratio_policy", std::string(policy)}}},
        {x, none, none, Ints({20, 30})});
  };
  EXPECT_EQ(keep("stretch"), "float32 [1, 3, 20, 30]");
  EXPECT_EQ(keep("not_larger"), "float32 [1, 3, 14, 30]");
  EXPECT_EQ(keep("not_smaller"), "float32 [1, 3, 20, 42]");
  EXPECT_THAT(keep("bend"), HasSubstr("'bend'"));
  EXPECT_EQ(Infer({"Resize", {}, 10}, {x, Floats({1, 1, 2, 2})}), "float32 [1, 3, 20, 42]");
  EXPECT_EQ(Infer({"Upsample", {{"scales", std::vector<float>{1, 1, 2, 2}}}, 8}, {x}),
            "float32 [1, 3, 20, 42]");
  EXPECT_EQ(Infer({"Upsample", {}, 9}, {x, Floats({1, 1, 2, 2})}), "float32 [1, 3, 20, 42]");
}

TEST(SchemaResizeTest, KnowsWhatItCan) {
  const NodeOperand x = Of(kF, {Sym("b"), 3, Sym("h"), 21});
  const NodeOperand none;
  EXPECT_EQ(Infer({"Resize"}, {x, none, Floats({1, 1, 2, 2})}), "float32 [b, 3, ?, 42]");
  EXPECT_EQ(Infer({"Resize"}, {x, none, none, Ints({1, 3, 8, 9})}), "float32 [1, 3, 8, 9]");
  EXPECT_EQ(Infer({"Resize"}, {x, none, Of(kF, {4})}), "float32 [?, ?, ?, ?]");
  EXPECT_EQ(Infer({"Resize", {{"axes", List({2})}}}, {x, none, Of(kF, {1})}),
            "float32 [b, 3, ?, 21]");
  EXPECT_EQ(Infer({"Resize"}, {Unranked(kF), none, Floats({2})}), "float32 ?");
}

TEST(SchemaResizeTest, RefusesWhatMakesNoSense) {
  const NodeOperand x = Of(kF, {4, 4});
  const NodeOperand none;
  EXPECT_THAT(Infer({"Resize"}, {x, none, Floats({2})}), HasSubstr("1 scales for 2 axes"));
  EXPECT_THAT(Infer({"Resize"}, {x, none, Floats({-1, 1})}), HasSubstr("INVALID_ARGUMENT"));
  EXPECT_THAT(Infer({"Resize"}, {x, none, Floats({1e30f, 1})}), HasSubstr("INVALID_ARGUMENT"));
  EXPECT_THAT(Infer({"Resize"}, {x, none, none, Ints({-1, 2})}), HasSubstr("size -1"));
  EXPECT_THAT(Infer({"Resize"}, {x}), HasSubstr("neither"));
  EXPECT_THAT(Infer({"Resize"}, {x, none, Floats({1, 1}), Ints({4, 4})}), HasSubstr("both"));
  EXPECT_THAT(Infer({"Resize", {{"mode", std::string("lanczos")}}}, {x, none, Floats({1, 1})}),
              HasSubstr("'lanczos'"));
  EXPECT_THAT(
      Infer({"Resize", {{"coordinate_transformation_mode", std::string("tf_crop_and_resize")}}},
            {x, Floats({0}), Floats({1, 1})}),
      HasSubstr("roi of 4"));
}

TEST(SchemaQuantizeTest, TakesTypesFromZeroPointsAndScales) {
  const NodeOperand x = Of(kF, {Sym("b"), 3});
  EXPECT_EQ(Infer({"QuantizeLinear"}, {x, Of(kF, {})}), "uint8 [b, 3]");
  EXPECT_EQ(Infer({"QuantizeLinear"}, {x, Of(kF, {}), Of(DType::kI8, {})}), "int8 [b, 3]");
  EXPECT_EQ(Infer({"QuantizeLinear", {{"output_dtype", int64_t{5}}}, 21}, {x, Of(kF, {})}),
            "int16 [b, 3]");
  EXPECT_THAT(Infer({"QuantizeLinear", {{"output_dtype", int64_t{5}}}, 21},
                    {x, Of(kF, {}), Of(DType::kI8, {})}),
              HasSubstr("the zero point int8"));
  EXPECT_THAT(Infer({"QuantizeLinear", {{"output_dtype", int64_t{99}}}, 21}, {x, Of(kF, {})}),
              HasSubstr("element type 99"));
  EXPECT_EQ(Infer({"DequantizeLinear"}, {Of(DType::kU8, {4}), Of(DType::kF16, {})}), "float16 [4]");
  EXPECT_THAT(Infer({"DequantizeLinear"}, {Of(DType::kU8, {4}), Of(kF, {}), Of(DType::kI8, {})}),
              HasSubstr("x is uint8"));
  EXPECT_EQ(Infer({"DynamicQuantizeLinear", {}, 11, 3}, {x}), "uint8 [b, 3]; float32 []; uint8 []");
}

}  // namespace
}  // namespace ergo
