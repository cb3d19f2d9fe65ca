// Concat and Split against their index formulas, and against each other.
#include "kernels/move/concat.h"

#include "tests/kernels/move/move_testing.h"

namespace ergo::move {
namespace {

using namespace ergo::testing;

constexpr DType kSizes[] = {DType::kI8, DType::kBF16, DType::kI32, DType::kU64};

// One case both ways: the parts, and the whole they make.
void ExpectJoins(DType dtype, const std::vector<Shape>& shapes, int axis, std::mt19937& random) {
  Shape whole_shape = shapes[0];
  whole_shape[axis] = 0;
  SplitProblem split{dtype, {}, axis, {}};
  for (const Shape& shape : shapes) {
    whole_shape[axis] += shape[axis];
    split.sizes.push_back(shape[axis]);
  }
  split.input = whole_shape;
  SCOPED_TRACE(fmt::format("{} {} along {}", DTypeName(dtype), whole_shape.ToString(), axis));
  std::vector<TestTensor> parts, whole;
  whole.emplace_back(dtype, whole_shape);
  int64_t start = 0;
  for (const Shape& shape : shapes) {
    parts.push_back(RandomBytes(dtype, shape, random));
    ForCoordinates(shape, [&](Coordinates at) {
      const int64_t from = OffsetOf(shape, at);
      at[static_cast<size_t>(axis)] += start;
      SetElement(whole[0], OffsetOf(whole_shape, at), parts.back(), from);
    });
    start += shape[axis];
  }
  ExpectExact(ConcatVariants(), ConcatProblem{dtype, shapes, axis}, parts, whole);
  ExpectExact(SplitVariants(), split, whole, parts);
}

TEST(ConcatTest, JoinsAndSplitsRandomShapes) {
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    const Shape base = RandomShape(random, RandomInt(random, 1, 4), 7);
    const int axis = RandomInt(random, 0, base.Rank() - 1);
    std::vector<Shape> shapes(static_cast<size_t>(RandomInt(random, 1, 5)), base);
    for (Shape& shape : shapes) shape[axis] = RandomInt(random, 0, 6);
    ExpectJoins(kSizes[round % 4], shapes, axis, random);
  }
}

TEST(ConcatTest, JoinsAndSplitsOnSeveralWorkers) {
  std::mt19937 random(2);
  ExpectJoins(DType::kF32, {{901, 129}, {901, 1}, {901, 300}}, 1, random);
  ExpectJoins(DType::kU8, {{40, 7, 3001}, {40, 2, 3001}}, 1, random);
}

TEST(ConcatTest, LeavesAbsentPartsAlone) {
  const std::vector<TestTensor> whole = [] {
    std::vector<TestTensor> one;
    one.push_back(TestTensor::Of<float>({4}, {1, 2, 3, 4}));
    return one;
  }();
  for (const auto& variant : SplitVariants()) {
    if (variant.info.device != Device::kCpu) continue;
    const MadeKernel made = variant.make(SplitProblem{DType::kF32, {4}, 0, {1, 3}}, {});
    ASSERT_TRUE(made.ok());
    TestTensor second(DType::kF32, {3});
    SerialFor serial;
    RunKernel(**made, {whole[0].View()}, {MutableTensorView{}, second.View()}, serial);
    EXPECT_EQ(second.Span<float>()[0], 2);
    EXPECT_EQ(second.Span<float>()[2], 4);
  }
}

TEST(ConcatTest, RefusesWhatDoesNotFit) {
  const auto concat = [](std::vector<Shape> inputs, int axis) {
    return SelectKernel(ConcatVariants(), ConcatProblem{DType::kF32, std::move(inputs), axis}, {},
                        {})
        .status()
        .code();
  };
  EXPECT_EQ(concat({{2, 3}, {3, 3}}, 1), StatusCode::kInvalidArgument);
  EXPECT_EQ(concat({{2, 3}, {2, 3, 1}}, 1), StatusCode::kInvalidArgument);
  EXPECT_EQ(concat({{2, 3}}, 2), StatusCode::kInvalidArgument);
  EXPECT_EQ(concat({}, 0), StatusCode::kInvalidArgument);
  EXPECT_EQ(SelectKernel(SplitVariants(), SplitProblem{DType::kF32, {5}, 0, {2, 2}}, {}, {})
                .status()
                .code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ergo::move
