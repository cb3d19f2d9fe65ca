// Pad: NumPy's answers for one axis, and the separable formula for random shapes.
#include "kernels/move/pad.h"

#include "tests/kernels/move/move_testing.h"

namespace ergo::move {
namespace {

using namespace ergo::testing;

std::vector<float> PadLine(std::vector<float> line, AxisPads pads, PadMode mode) {
  const PadProblem problem{DType::kF32, Shape{static_cast<int64_t>(line.size())}, {pads}, mode};
  const std::unique_ptr<Kernel> kernel = MakeReference(PadVariants(), problem);
  TestTensor input(DType::kF32, problem.input), output(DType::kF32, problem.Output());
  std::ranges::copy(line, input.Span<float>().begin());
  const TestTensor value = TestTensor::Of<float>({}, {9});
  SerialFor serial;
  RunKernel(*kernel, {input.View(), value.View()}, {output.View()}, serial);
  const auto span = output.Span<float>();
  return {span.begin(), span.end()};
}

// numpy.pad([1, 2, 3], (5, 7), mode) and the like.
TEST(PadTest, PadsLikeNumPy) {
  using Line = std::vector<float>;
  EXPECT_EQ(PadLine({1, 2, 3}, {2, 1}, PadMode::kConstant), (Line{9, 9, 1, 2, 3, 9}));
  EXPECT_EQ(PadLine({1, 2, 3}, {2, 1}, PadMode::kEdge), (Line{1, 1, 1, 2, 3, 3}));
  EXPECT_EQ(PadLine({1, 2, 3}, {5, 7}, PadMode::kReflect),
            (Line{2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2}));
  EXPECT_EQ(PadLine({1, 2, 3}, {5, 7}, PadMode::kWrap),
            (Line{2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1}));
  EXPECT_EQ(PadLine({5}, {2, 2}, PadMode::kReflect), (Line{5, 5, 5, 5, 5}));
}

TEST(PadTest, CropsFirst) {
  using Line = std::vector<float>;
  EXPECT_EQ(PadLine({1, 2, 3, 4, 5}, {-1, 2}, PadMode::kConstant), (Line{2, 3, 4, 5, 9, 9}));
  EXPECT_EQ(PadLine({1, 2, 3, 4, 5}, {-2, -1}, PadMode::kEdge), (Line{3, 4}));
  EXPECT_EQ(PadLine({1, 2, 3, 4, 5}, {-1, 2}, PadMode::kReflect), (Line{2, 3, 4, 5, 4, 3}));
  EXPECT_EQ(PadLine({1, 2, 3, 4, 5}, {2, -1}, PadMode::kWrap), (Line{3, 4, 1, 2, 3, 4}));
}

void ExpectPads(const PadProblem& problem, bool value_given, std::mt19937& random) {
  SCOPED_TRACE(fmt::format("{} {} to {} mode {}", DTypeName(problem.dtype),
                           problem.input.ToString(), problem.Output().ToString(),
                           static_cast<int>(problem.mode)));
  const Shape output = problem.Output();
  std::vector<TestTensor> inputs, expected;
  inputs.push_back(RandomBytes(problem.dtype, problem.input, random));
  if (value_given) inputs.push_back(RandomBytes(problem.dtype, {}, random));
  TestTensor zero(problem.dtype, {});
  std::memset(zero.View().data, 0, static_cast<size_t>(zero.View().Bytes()));
  expected.emplace_back(problem.dtype, output);
  ForCoordinates(output, [&](const Coordinates& at) {
    Coordinates from = at;
    bool outside = false;
    for (size_t axis = 0; axis < at.size(); ++axis) {
      const int64_t dim = problem.input[static_cast<int>(axis)];
      int64_t& i = from[axis];
      i -= problem.pads[axis].before;
      // One mirroring or period: the pads here are smaller than the dimension.
      if (problem.mode == PadMode::kEdge) i = std::clamp<int64_t>(i, 0, dim - 1);
      if (problem.mode == PadMode::kWrap) i = (i + dim) % dim;
      if (problem.mode == PadMode::kReflect) i = i < 0 ? -i : i >= dim ? 2 * dim - 2 - i : i;
      outside = outside || i < 0 || i >= dim;
    }
    const int64_t to = OffsetOf(output, at);
    if (outside) {
      SetElement(expected[0], to, value_given ? inputs[1] : zero, 0);
    } else {
      SetElement(expected[0], to, inputs[0], OffsetOf(problem.input, from));
    }
  });
  ExpectExact(PadVariants(), problem, inputs, expected);
}

TEST(PadTest, PadsRandomShapes) {
  constexpr DType kSizes[] = {DType::kI8, DType::kF16, DType::kF32, DType::kF64};
  constexpr PadMode kModes[] = {PadMode::kConstant, PadMode::kEdge, PadMode::kReflect,
                                PadMode::kWrap, PadMode::kConstant};
  std::mt19937 random(1);
  for (int round = 0; round < 150; ++round) {
    PadProblem problem{
        kSizes[round % 4], RandomShape(random, RandomInt(random, 0, 4), 6), {}, kModes[round % 5]};
    for (const int64_t dim : problem.input.Dims()) {
      const int most = static_cast<int>(dim) - 1;
      problem.pads.push_back({RandomInt(random, 0, most), RandomInt(random, 0, most)});
    }
    ExpectPads(problem, round % 3 != 0, random);
  }
}

TEST(PadTest, PadsConstantsAroundNothing) {
  std::mt19937 random(2);
  ExpectPads({DType::kF32, {2, 0}, {{1, 0}, {2, 1}}, PadMode::kConstant}, true, random);
  ExpectPads({DType::kF32, {0, 3}, {{0, 0}, {2, 1}}, PadMode::kConstant}, true, random);
}

TEST(PadTest, PadsOnSeveralWorkers) {
  std::mt19937 random(3);
  ExpectPads({DType::kF32, {3, 200, 301}, {{0, 0}, {2, 1}, {3, 4}}, PadMode::kReflect}, false,
             random);
}

TEST(PadTest, RefusesWhatHasNothingToPadWith) {
  const auto code = [](const PadProblem& problem) {
    return SelectKernel(PadVariants(), problem, {}, {}).status().code();
  };
  EXPECT_EQ(code({DType::kF32, {0}, {{1, 0}}, PadMode::kEdge}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({DType::kF32, {3}, {{-2, -2}}, PadMode::kConstant}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({DType::kF32, {3}, {}, PadMode::kConstant}), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ergo::move
