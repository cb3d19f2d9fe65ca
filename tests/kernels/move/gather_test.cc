// The gathers against their formulas; indices of both widths, negative ones, and ones outside.
#include "kernels/move/gather.h"

#include "tests/kernels/move/move_testing.h"

namespace ergo::move {
namespace {

using namespace ergo::testing;

constexpr DType kSizes[] = {DType::kU8, DType::kF16, DType::kF32, DType::kI64};

// Indices in [-dim, dim), now and then one outside.
TestTensor RandomIndices(DType dtype, const Shape& shape, std::span<const int64_t> dims,
                         std::mt19937& random) {
  TestTensor indices(dtype, shape);
  for (int64_t i = 0; i < shape.Elements(); ++i) {
    const auto dim = static_cast<int>(dims[static_cast<size_t>(i) % dims.size()]);
    const bool outside = RandomInt(random, 0, 9) == 0;
    const int index = outside ? dim + 3 : RandomInt(random, -dim, dim - 1);
    if (dtype == DType::kI64) {
      indices.Span<int64_t>()[static_cast<size_t>(i)] = index;
    } else {
      indices.Span<int32_t>()[static_cast<size_t>(i)] = index;
    }
  }
  return indices;
}

int64_t IndexAt(const TestTensor& indices, int64_t i) {
  return indices.Type() == DType::kI64 ? indices.Span<int64_t>()[static_cast<size_t>(i)]
                                       : indices.Span<int32_t>()[static_cast<size_t>(i)];
}

// The element of `data` at coordinates of which some may be negative; zero where outside.
void SetOrZero(const TestTensor& to, int64_t to_index, const TestTensor& data, Coordinates at) {
  const Shape& shape = data.GetShape();
  for (int axis = 0; axis < shape.Rank(); ++axis) {
    int64_t& i = at[static_cast<size_t>(axis)];
    if (i < 0) i += shape[axis];
    if (i >= shape[axis]) {
      std::memset(ElementOf(to, to_index), 0, static_cast<size_t>(DTypeBytes(to.Type(), 1)));
      return;
    }
  }
  SetElement(to, to_index, data, OffsetOf(shape, at));
}

void ExpectGathers(const GatherProblem& problem, std::mt19937& random) {
  SCOPED_TRACE(fmt::format("{} {} by {} along {}", DTypeName(problem.dtype),
                           problem.data.ToString(), problem.indices.ToString(), problem.axis));
  const Shape &data = problem.data, &indices = problem.indices;
  std::vector<TestTensor> inputs, expected;
  inputs.push_back(RandomBytes(problem.dtype, data, random));
  const int64_t dim = data[problem.axis];
  inputs.push_back(RandomIndices(problem.index_dtype, indices, std::span(&dim, 1), random));
  Shape output;
  for (int axis = 0; axis < problem.axis; ++axis) output.Append(data[axis]);
  for (const int64_t d : indices.Dims()) output.Append(d);
  for (int axis = problem.axis + 1; axis < data.Rank(); ++axis) output.Append(data[axis]);
  expected.emplace_back(problem.dtype, output);
  ForCoordinates(output, [&](const Coordinates& at) {
    const auto picked = at.begin() + problem.axis, rest = picked + indices.Rank();
    Coordinates from(at.begin(), picked);
    from.push_back(IndexAt(inputs[1], OffsetOf(indices, Coordinates(picked, rest))));
    from.insert(from.end(), rest, at.end());
    SetOrZero(expected[0], OffsetOf(output, at), inputs[0], std::move(from));
  });
  ExpectExact(GatherVariants(), problem, inputs, expected);
}

TEST(GatherTest, PicksSlices) {
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    const Shape data = RandomShape(random, RandomInt(random, 1, 4), 6);
    const Shape indices = RandomShape(random, RandomInt(random, 0, 2), 5, 0);
    ExpectGathers({kSizes[round % 4], round % 2 == 0 ? DType::kI64 : DType::kI32, data, indices,
                   RandomInt(random, 0, data.Rank() - 1)},
                  random);
  }
}

TEST(GatherTest, PicksSlicesOnSeveralWorkers) {
  std::mt19937 random(2);
  ExpectGathers({DType::kF32, DType::kI64, {40, 33, 70}, {301}, 1}, random);
  ExpectGathers({DType::kF32, DType::kI32, {513, 1000}, {600}, 1}, random);
}

TEST(GatherTest, PicksElements) {
  std::mt19937 random(3);
  for (int round = 0; round < 60; ++round) {
    const Shape data = RandomShape(random, RandomInt(random, 1, 4), 6);
    const int axis = RandomInt(random, 0, data.Rank() - 1);
    Shape indices;
    for (int d = 0; d < data.Rank(); ++d) {
      indices.Append(RandomInt(random, 0, d == axis ? 9 : static_cast<int>(data[d])));
    }
    const GatherElementsProblem problem{
        kSizes[round % 4], round % 2 == 0 ? DType::kI64 : DType::kI32, data, indices, axis};
    std::vector<TestTensor> inputs, expected;
    inputs.push_back(RandomBytes(problem.dtype, data, random));
    inputs.push_back(RandomIndices(problem.index_dtype, indices,
                                   data.Dims().subspan(static_cast<size_t>(axis), 1), random));
    expected.emplace_back(problem.dtype, indices);
    ForCoordinates(indices, [&](const Coordinates& at) {
      Coordinates from = at;
      from[static_cast<size_t>(axis)] = IndexAt(inputs[1], OffsetOf(indices, at));
      SetOrZero(expected[0], OffsetOf(indices, at), inputs[0], std::move(from));
    });
    ExpectExact(GatherElementsVariants(), problem, inputs, expected);
  }
}

TEST(GatherTest, PicksByTuples) {
  std::mt19937 random(4);
  for (int round = 0; round < 80; ++round) {
    const Shape data = RandomShape(random, RandomInt(random, 1, 4), 5);
    const int batch = RandomInt(random, 0, data.Rank() - 1);
    const int tuple = RandomInt(random, 1, data.Rank() - batch);
    Shape indices;
    for (int axis = 0; axis < batch; ++axis) indices.Append(data[axis]);
    if (RandomInt(random, 0, 1) == 1) indices.Append(RandomInt(random, 0, 4));
    const int rows_rank = indices.Rank();
    indices.Append(tuple);
    const GatherNdProblem problem{kSizes[round % 4], DType::kI64, data, indices, batch};
    std::vector<TestTensor> inputs, expected;
    inputs.push_back(RandomBytes(problem.dtype, data, random));
    inputs.push_back(RandomIndices(
        DType::kI64, indices,
        data.Dims().subspan(static_cast<size_t>(batch), static_cast<size_t>(tuple)), random));
    Shape output;
    for (int axis = 0; axis < rows_rank; ++axis) output.Append(indices[axis]);
    for (int axis = batch + tuple; axis < data.Rank(); ++axis) output.Append(data[axis]);
    expected.emplace_back(problem.dtype, output);
    ForCoordinates(output, [&](const Coordinates& at) {
      Coordinates from(at.begin(), at.begin() + batch);
      Coordinates row(at.begin(), at.begin() + rows_rank);
      row.push_back(0);
      for (int k = 0; k < tuple; ++k) {
        row.back() = k;
        from.push_back(IndexAt(inputs[1], OffsetOf(indices, row)));
      }
      from.insert(from.end(), at.begin() + rows_rank, at.end());
      SetOrZero(expected[0], OffsetOf(output, at), inputs[0], std::move(from));
    });
    ExpectExact(GatherNdVariants(), problem, inputs, expected);
  }
}

TEST(GatherTest, RefusesWhatDoesNotFit) {
  const auto code = [](const auto& variants, const auto& problem) {
    return SelectKernel(variants, problem, {}, {}).status().code();
  };
  const DType f32 = DType::kF32, i64 = DType::kI64;
  EXPECT_EQ(code(GatherVariants(), GatherProblem{f32, f32, {2}, {2}, 0}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code(GatherVariants(), GatherProblem{f32, i64, {2}, {2}, 1}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code(GatherElementsVariants(), GatherElementsProblem{f32, i64, {2, 2}, {3, 2}, 1}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code(GatherNdVariants(), GatherNdProblem{f32, i64, {2, 2}, {2, 3}, 0}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code(GatherNdVariants(), GatherNdProblem{f32, i64, {2, 2}, {3, 1}, 1}),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ergo::move
