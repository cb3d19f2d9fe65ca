// OneHot, Trilu and ReverseSequence against their formulas.
#include "kernels/move/arrange.h"

#include "tests/kernels/move/move_testing.h"

namespace ergo::move {
namespace {

using namespace ergo::testing;

constexpr DType kSizes[] = {DType::kI8, DType::kF16, DType::kF32, DType::kF64};

TEST(ArrangeTest, MakesOneHotRows) {
  constexpr DType kIndexTypes[] = {DType::kI64, DType::kI32, DType::kF32, DType::kI8};
  std::mt19937 random(1);
  for (int round = 0; round < 60; ++round) {
    const Shape indices = RandomShape(random, RandomInt(random, 0, 3), 4, 0);
    const int axis = RandomInt(random, 0, indices.Rank());
    const int depth = RandomInt(random, 0, 6);
    const OneHotProblem problem{kSizes[round % 4], kIndexTypes[round / 4 % 4], indices, axis,
                                depth};
    Shape output;
    for (int d = 0; d < axis; ++d) output.Append(indices[d]);
    output.Append(depth);
    for (int d = axis; d < indices.Rank(); ++d) output.Append(indices[d]);
    std::vector<TestTensor> inputs, expected;
    inputs.emplace_back(problem.index_dtype, indices);
    inputs.push_back(RandomBytes(problem.dtype, {2}, random));
    expected.emplace_back(problem.dtype, output);
    std::vector<int> hot;
    VisitDType(problem.index_dtype, [&]<typename T>(TypeTag<T>) {
      for (T& index : inputs[0].Span<T>()) {
        // From below -depth to beyond depth: the ends are no rows.
        const int drawn = RandomInt(random, -depth - 1, depth);
        index = T(static_cast<float>(drawn));
        hot.push_back(drawn < -depth ? depth : drawn < 0 ? drawn + depth : drawn);
      }
      return 0;
    });
    ForCoordinates(output, [&](const Coordinates& at) {
      Coordinates from = at;
      from.erase(from.begin() + axis);
      const bool on =
          hot[static_cast<size_t>(OffsetOf(indices, from))] == at[static_cast<size_t>(axis)];
      SetElement(expected[0], OffsetOf(output, at), inputs[1], on ? 1 : 0);
    });
    ExpectExact(OneHotVariants(), problem, inputs, expected);
  }
}

TEST(ArrangeTest, CutsFractionsOff) {
  const std::unique_ptr<Kernel> kernel =
      MakeReference(OneHotVariants(), OneHotProblem{DType::kU8, DType::kF32, {3}, 1, 2});
  const TestTensor indices = TestTensor::Of<float>({3}, {1.9f, -0.5f, std::nanf("")});
  const TestTensor values = TestTensor::Of<uint8_t>({2}, {7, 9});
  TestTensor y(DType::kU8, {3, 2});
  SerialFor serial;
  RunKernel(*kernel, {indices.View(), values.View()}, {y.View()}, serial);
  const uint8_t expected[] = {7, 9, 9, 7, 7, 7};
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(y.Span<uint8_t>()[i], expected[i]) << i;
}

TEST(ArrangeTest, KeepsTriangles) {
  std::mt19937 random(2);
  for (int round = 0; round < 100; ++round) {
    TriluProblem problem{kSizes[round % 4], RandomShape(random, RandomInt(random, 2, 4), 6, 0)};
    problem.upper = round % 2 == 0;
    problem.k = RandomInt(random, -8, 8);
    if (round % 10 == 0) problem.k = round % 20 == 0 ? INT64_MAX : INT64_MIN;
    std::vector<TestTensor> inputs, expected;
    inputs.push_back(RandomBytes(problem.dtype, problem.shape, random));
    expected.push_back(inputs[0].Copy());
    ForCoordinates(problem.shape, [&](const Coordinates& at) {
      const int64_t diagonal = at.back() - at[at.size() - 2];
      if (problem.upper ? diagonal >= problem.k : diagonal <= problem.k) return;
      std::memset(ElementOf(expected[0], OffsetOf(problem.shape, at)), 0,
                  static_cast<size_t>(DTypeBytes(problem.dtype, 1)));
    });
    ExpectExact(TriluVariants(), problem, inputs, expected);
    const std::unique_ptr<Kernel> kernel = MakeReference(TriluVariants(), problem);
    ASSERT_TRUE(kernel->MayRunInPlace(0));
    SerialFor serial;
    RunKernel(*kernel, {inputs[0].View()}, {inputs[0].View()}, serial);
    EXPECT_EQ(std::memcmp(ElementOf(inputs[0], 0), ElementOf(expected[0], 0),
                          static_cast<size_t>(inputs[0].View().Bytes())),
              0);
  }
}

TEST(ArrangeTest, ReversesSequences) {
  std::mt19937 random(3);
  for (int round = 0; round < 60; ++round) {
    const ReverseSequenceProblem problem{
        kSizes[round % 4], RandomShape(random, RandomInt(random, 2, 4), 6), round % 2};
    const auto time = static_cast<size_t>(problem.time_axis), batch = 1 - time;
    std::vector<TestTensor> inputs, expected;
    inputs.push_back(RandomBytes(problem.dtype, problem.shape, random));
    inputs.emplace_back(DType::kI64, Shape{problem.shape[static_cast<int>(batch)]});
    const auto steps = static_cast<int>(problem.shape[problem.time_axis]);
    // Some lengths are none: they are clamped.
    for (int64_t& length : inputs[1].Span<int64_t>()) length = RandomInt(random, -1, steps + 1);
    expected.emplace_back(problem.dtype, problem.shape);
    ForCoordinates(problem.shape, [&](const Coordinates& at) {
      Coordinates from = at;
      const int64_t length =
          std::clamp<int64_t>(inputs[1].Span<int64_t>()[static_cast<size_t>(at[batch])], 0, steps);
      if (at[time] < length) from[time] = length - 1 - at[time];
      SetElement(expected[0], OffsetOf(problem.shape, at), inputs[0],
                 OffsetOf(problem.shape, from));
    });
    ExpectExact(ReverseSequenceVariants(), problem, inputs, expected);
  }
}

TEST(ArrangeTest, WorksOnSeveralWorkers) {
  std::mt19937 random(4);
  const ReverseSequenceProblem problem{DType::kF32, {300, 3, 500}, 0};
  std::vector<TestTensor> inputs, expected;
  inputs.push_back(RandomBytes(problem.dtype, problem.shape, random));
  inputs.push_back(TestTensor::Of<int64_t>({3}, {300, 0, 7}));
  expected.push_back(inputs[0].Copy());
  for (int64_t t = 0; t < 300; ++t) {
    for (int64_t i = 0; i < 500; ++i) {
      SetElement(expected[0], t * 1500 + i, inputs[0], (299 - t) * 1500 + i);
      if (t < 7) SetElement(expected[0], t * 1500 + 1000 + i, inputs[0], (6 - t) * 1500 + 1000 + i);
    }
  }
  ExpectExact(ReverseSequenceVariants(), problem, inputs, expected);
}

TEST(ArrangeTest, RefusesWhatDoesNotFit) {
  const auto code = [](const auto& variants, const auto& problem) {
    return SelectKernel(variants, problem, {}, {}).status().code();
  };
  EXPECT_EQ(code(OneHotVariants(), OneHotProblem{DType::kF32, DType::kI64, {2}, 2, 3}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code(TriluVariants(), TriluProblem{DType::kF32, {2}, 0, true}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code(ReverseSequenceVariants(), ReverseSequenceProblem{DType::kF32, {2}, 0}),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ergo::move
