// Strided copies against the operators' own index formulas, every variant.
#include "kernels/move/strided_copy.h"

#include <algorithm>
#include <numeric>

#include "tests/kernels/move/move_testing.h"

namespace ergo::move {
namespace {

using namespace ergo::testing;

constexpr DType kSizes[] = {DType::kU8, DType::kF16, DType::kF32, DType::kF64};

// Expects y[at] = x[source(at)] of every variant.
template <typename Source>
void ExpectCopies(const StridedCopyProblem& problem, const Source& source, std::mt19937& random) {
  SCOPED_TRACE(fmt::format("{} {} to {}", DTypeName(problem.dtype), problem.input.ToString(),
                           problem.output.ToString()));
  std::vector<TestTensor> inputs, expected;
  inputs.push_back(RandomBytes(problem.dtype, problem.input, random));
  expected.emplace_back(problem.dtype, problem.output);
  ForCoordinates(problem.output, [&](const Coordinates& at) {
    SetElement(expected[0], OffsetOf(problem.output, at), inputs[0],
               OffsetOf(problem.input, source(at)));
  });
  ExpectExact(StridedCopyVariants(), problem, inputs, expected);
}

void ExpectTransposes(DType dtype, const Shape& input, const std::vector<int>& perm,
                      std::mt19937& random) {
  const auto source = [&](const Coordinates& at) {
    Coordinates from(at.size());
    for (size_t axis = 0; axis < perm.size(); ++axis)
      from[static_cast<size_t>(perm[axis])] = at[axis];
    return from;
  };
  ExpectCopies(TransposeCopy(dtype, input, perm), source, random);
}

TEST(StridedCopyTest, TransposesRandomShapes) {
  std::mt19937 random(1);
  for (int round = 0; round < 120; ++round) {
    const int rank = RandomInt(random, 0, 6);
    const Shape input = RandomShape(random, rank, rank <= 2 ? 70 : 9);
    std::vector<int> perm(static_cast<size_t>(rank));
    std::iota(perm.begin(), perm.end(), 0);
    std::ranges::shuffle(perm, random);
    ExpectTransposes(kSizes[round % 4], input, perm, random);
  }
}

TEST(StridedCopyTest, TransposesEveryTailOfTheBlocks) {
  std::mt19937 random(2);
  for (const int64_t rows : {1, 2, 3, 4, 5, 8, 15, 16, 17, 63, 64, 65}) {
    for (const int64_t columns : {1, 3, 4, 7, 8, 9, 16, 21, 64, 67, 130}) {
      ExpectTransposes(DType::kF32, {rows, columns}, {1, 0}, random);
    }
  }
}

TEST(StridedCopyTest, TransposesLargeOnesOnSeveralWorkers) {
  std::mt19937 random(3);
  for (const DType dtype : kSizes) {
    ExpectTransposes(dtype, {3, 501, 403}, {1, 2, 0}, random);
    ExpectTransposes(dtype, {2, 307, 10, 97}, {0, 3, 2, 1}, random);
    ExpectTransposes(dtype, {7, 211, 5, 64}, {0, 2, 1, 3}, random);
  }
}

TEST(StridedCopyTest, SlicesForwardAndBackward) {
  std::mt19937 random(4);
  for (int round = 0; round < 120; ++round) {
    const Shape input = RandomShape(random, RandomInt(random, 1, 4), 13);
    std::vector<AxisSlice> slices;
    for (const int64_t dim : input.Dims()) {
      const int64_t step = RandomInt(random, 1, 3) * (RandomInt(random, 0, 1) == 0 ? 1 : -1);
      const int64_t start = RandomInt(random, 0, static_cast<int>(dim) - 1);
      const int64_t most = step > 0 ? (dim - 1 - start) / step + 1 : start / -step + 1;
      slices.push_back({start, step, RandomInt(random, 0, static_cast<int>(most))});
    }
    const auto source = [&](const Coordinates& at) {
      Coordinates from(at.size());
      for (size_t axis = 0; axis < at.size(); ++axis) {
        from[axis] = slices[axis].start + at[axis] * slices[axis].step;
      }
      return from;
    };
    ExpectCopies(SliceCopy(kSizes[round % 4], input, slices), source, random);
  }
}

TEST(StridedCopyTest, ExpandsAndTiles) {
  std::mt19937 random(5);
  for (int round = 0; round < 80; ++round) {
    const int rank = RandomInt(random, 0, 4);
    Shape input, output = RandomShape(random, RandomInt(random, 0, 2), 4);
    const int added = output.Rank();
    for (int axis = 0; axis < rank; ++axis) {
      output.Append(RandomInt(random, 1, 7));
      input.Append(RandomInt(random, 0, 1) == 0 ? 1 : output[added + axis]);
    }
    ExpectCopies(
        ExpandCopy(kSizes[round % 4], input, output),
        [&](const Coordinates& at) {
          Coordinates from(at.begin() + added, at.end());
          for (int axis = 0; axis < rank; ++axis) from[static_cast<size_t>(axis)] %= input[axis];
          return from;
        },
        random);
    std::vector<int64_t> repeats;
    for (int axis = 0; axis < rank; ++axis) repeats.push_back(RandomInt(random, 0, 3));
    ExpectCopies(
        TileCopy(kSizes[round % 4], input, repeats),
        [&](Coordinates at) {
          for (int axis = 0; axis < rank; ++axis) at[static_cast<size_t>(axis)] %= input[axis];
          return at;
        },
        random);
  }
}

TEST(StridedCopyTest, MovesBetweenDepthAndSpace) {
  std::mt19937 random(6);
  for (const int64_t b : {1, 2, 3}) {
    const Shape deep{2, 5 * b * b, 3, 4}, wide{2, 5, 3 * b, 4 * b};
    const auto from_depth = [&](DepthOrder order) {
      return [b, order](const Coordinates& at) {
        const int64_t row = at[2] % b, column = at[3] % b;
        const int64_t depth = order == DepthOrder::kDcr ? (row * b + column) * 5 + at[1]
                                                        : at[1] * b * b + row * b + column;
        return Coordinates{at[0], depth, at[2] / b, at[3] / b};
      };
    };
    for (const DepthOrder order : {DepthOrder::kDcr, DepthOrder::kCrd}) {
      ExpectCopies(DepthToSpaceCopy(DType::kF32, deep, b, order), from_depth(order), random);
    }
    ExpectCopies(
        SpaceToDepthCopy(DType::kI16, wide, b, DepthOrder::kDcr),
        [b](const Coordinates& at) {
          const int64_t block = at[1] / 5;
          return Coordinates{at[0], at[1] % 5, at[2] * b + block / b, at[3] * b + block % b};
        },
        random);
    ExpectCopies(
        SpaceToDepthCopy(DType::kI16, wide, b, DepthOrder::kCrd),
        [b](const Coordinates& at) {
          const int64_t block = at[1] % (b * b);
          return Coordinates{at[0], at[1] / (b * b), at[2] * b + block / b, at[3] * b + block % b};
        },
        random);
  }
}

TEST(StridedCopyTest, CopiesNothingAndScalars) {
  std::mt19937 random(7);
  ExpectTransposes(DType::kF32, {3, 0, 2}, {2, 0, 1}, random);
  ExpectTransposes(DType::kI64, {}, {}, random);
  ExpectCopies(
      PlainCopy(DType::kBool, {5, 3}), [](const Coordinates& at) { return at; }, random);
}

TEST(StridedCopyTest, KnowsWhenNothingMoves) {
  EXPECT_TRUE(KeepsEveryByte(TransposeCopy(DType::kF32, {1, 5, 1, 3}, std::vector{1, 0, 2, 3})));
  EXPECT_FALSE(KeepsEveryByte(TransposeCopy(DType::kF32, {2, 5}, std::vector{1, 0})));
  EXPECT_TRUE(KeepsEveryByte(ExpandCopy(DType::kF32, {3}, {1, 3})));
  EXPECT_FALSE(KeepsEveryByte(ExpandCopy(DType::kF32, {3}, {2, 3})));
  const std::vector<AxisSlice> reversed{{4, -1, 5}}, all{{0, 1, 5}};
  EXPECT_FALSE(KeepsEveryByte(SliceCopy(DType::kF32, {5}, reversed)));
  EXPECT_TRUE(KeepsEveryByte(SliceCopy(DType::kF32, {5}, all)));
}

TEST(StridedCopyTest, RefusesWhatWouldReadOutside) {
  for (const auto& variant : StridedCopyVariants()) {
    StridedCopyProblem problem = PlainCopy(DType::kF32, {4});
    problem.offset = 1;
    EXPECT_EQ(variant.make(problem, {}).status().code(), StatusCode::kInvalidArgument);
    problem.offset = 0;
    problem.axes = {{4, -1}};
    EXPECT_EQ(variant.make(problem, {}).status().code(), StatusCode::kInvalidArgument);
    problem.axes = {{3, 1}};
    EXPECT_EQ(variant.make(problem, {}).status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(variant.make(PlainCopy(DType::kI4, {4}), {}).status().code(),
              StatusCode::kUnsupported);
  }
}

}  // namespace
}  // namespace ergo::move
