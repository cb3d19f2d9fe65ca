// The scatters against their formulas, sums and products against plain arithmetic.
#include "kernels/move/scatter.h"

#include "tests/kernels/move/move_testing.h"

namespace ergo::move {
namespace {

using namespace ergo::testing;

constexpr ScatterReduction kReductions[] = {ScatterReduction::kNone, ScatterReduction::kAdd,
                                            ScatterReduction::kMul, ScatterReduction::kMin,
                                            ScatterReduction::kMax};
constexpr DType kTypes[] = {DType::kF32, DType::kI8,  DType::kU16, DType::kF64,
                            DType::kI64, DType::kF16, DType::kI32, DType::kBF16};

// Small whole numbers, with which every type here computes exactly.
double Combined(ScatterReduction reduction, double a, double b) {
  switch (reduction) {
    case ScatterReduction::kAdd: return a + b;
    case ScatterReduction::kMul: return a * b;
    case ScatterReduction::kMin: return std::min(a, b);
    case ScatterReduction::kMax: return std::max(a, b);
    case ScatterReduction::kNone: break;
  }
  return b;
}

void CombineElement(const TestTensor& to, int64_t to_index, const TestTensor& from,
                    int64_t from_index, ScatterReduction reduction) {
  VisitDType(to.Type(), [&]<typename T>(TypeTag<T>) {
    T& element = to.Span<T>()[static_cast<size_t>(to_index)];
    const T update = from.Span<T>()[static_cast<size_t>(from_index)];
    const double combined = Combined(reduction, ToDouble(element), ToDouble(update));
    if constexpr (std::is_arithmetic_v<T>) {
      element = static_cast<T>(combined);
    } else {
      element = T(static_cast<float>(combined));
    }
    return 0;
  });
}

TestTensor SmallNumbers(DType dtype, const Shape& shape, std::mt19937& random) {
  TestTensor tensor(dtype, shape);
  VisitDType(dtype, [&]<typename T>(TypeTag<T>) {
    for (T& value : tensor.Span<T>()) value = T(static_cast<float>(RandomInt(random, 1, 2)));
    return 0;
  });
  return tensor;
}

TEST(ScatterTest, PlacesElements) {
  std::mt19937 random(1);
  for (int round = 0; round < 80; ++round) {
    const Shape data = RandomShape(random, RandomInt(random, 1, 4), 5);
    const int axis = RandomInt(random, 0, data.Rank() - 1);
    Shape indices;
    for (int d = 0; d < data.Rank(); ++d) {
      indices.Append(RandomInt(random, 0, d == axis ? 4 : static_cast<int>(data[d])));
    }
    const ScatterElementsProblem problem{kTypes[round % 8], DType::kI32, data,
                                         indices,           axis,        kReductions[round % 5]};
    SCOPED_TRACE(
        fmt::format("{} {} at {}", DTypeName(problem.dtype), data.ToString(), indices.ToString()));
    std::vector<TestTensor> inputs, expected;
    inputs.push_back(SmallNumbers(problem.dtype, data, random));
    inputs.emplace_back(DType::kI32, indices);
    inputs.push_back(SmallNumbers(problem.dtype, indices, random));
    expected.push_back(inputs[0].Copy());
    const auto dim = static_cast<int>(data[axis]);
    ForCoordinates(indices, [&](Coordinates at) {
      const int64_t from = OffsetOf(indices, at);
      // One of the indices beyond the end is left out.
      const int index = RandomInt(random, -dim, dim);
      inputs[1].Span<int32_t>()[static_cast<size_t>(from)] = index;
      if (index == dim) return;
      at[static_cast<size_t>(axis)] = index < 0 ? index + dim : index;
      CombineElement(expected[0], OffsetOf(data, at), inputs[2], from, problem.reduction);
    });
    ExpectExact(ScatterElementsVariants(), problem, inputs, expected);
  }
}

TEST(ScatterTest, PlacesSlices) {
  std::mt19937 random(2);
  for (int round = 0; round < 80; ++round) {
    const Shape data = RandomShape(random, RandomInt(random, 1, 4), 5);
    const int tuple = RandomInt(random, 1, data.Rank());
    Shape indices = RandomShape(random, RandomInt(random, 0, 2), 3);
    Shape updates = indices;
    for (int axis = tuple; axis < data.Rank(); ++axis) updates.Append(data[axis]);
    const int rows_rank = indices.Rank();
    const int64_t rows = indices.Elements();
    indices.Append(tuple);
    const ScatterNdProblem problem{kTypes[round % 8], DType::kI64, data,
                                   indices,           updates,     kReductions[round % 5]};
    std::vector<TestTensor> inputs, expected;
    inputs.push_back(SmallNumbers(problem.dtype, data, random));
    inputs.emplace_back(DType::kI64, indices);
    for (int64_t i = 0; i < indices.Elements(); ++i) {
      const auto dim = static_cast<int>(data[static_cast<int>(i % tuple)]);
      inputs[1].Span<int64_t>()[static_cast<size_t>(i)] = RandomInt(random, -dim, dim - 1);
    }
    inputs.push_back(SmallNumbers(problem.dtype, updates, random));
    expected.push_back(inputs[0].Copy());
    const int64_t run = updates.Elements(rows_rank, updates.Rank());
    for (int64_t row = 0; row < rows; ++row) {
      int64_t place = 0;
      for (int k = 0; k < tuple; ++k) {
        const int64_t index = inputs[1].Span<int64_t>()[static_cast<size_t>(row * tuple + k)];
        place = place * data[k] + (index < 0 ? index + data[k] : index);
      }
      for (int64_t i = 0; i < run; ++i) {
        CombineElement(expected[0], place * run + i, inputs[2], row * run + i, problem.reduction);
      }
    }
    ExpectExact(ScatterNdVariants(), problem, inputs, expected);
  }
}

TEST(ScatterTest, WorksInPlace) {
  TestTensor data = TestTensor::Of<float>({4}, {1, 2, 3, 4});
  const TestTensor indices = TestTensor::Of<int64_t>({3}, {1, -1, 1});
  const TestTensor updates = TestTensor::Of<float>({3}, {10, 20, 30});
  const ScatterElementsProblem problem{DType::kF32, DType::kI64, {4},
                                       {3},         0,           ScatterReduction::kAdd};
  const std::unique_ptr<Kernel> kernel = MakeReference(ScatterElementsVariants(), problem);
  ASSERT_TRUE(kernel->MayRunInPlace(0));
  EXPECT_FALSE(kernel->MayRunInPlace(2));
  SerialFor serial;
  RunKernel(*kernel, {data.View(), indices.View(), updates.View()}, {data.View()}, serial);
  const float expected[] = {1, 42, 3, 24};
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(data.Span<float>()[i], expected[i]);
}

TEST(ScatterTest, WrapsIntegersAndPassesNanOn) {
  SerialFor serial;
  const TestTensor first = TestTensor::Of<int64_t>({1}, {0});
  const auto combine = [&](const TestTensor& data, const TestTensor& update,
                           ScatterReduction reduction) {
    const ScatterElementsProblem problem{data.Type(), DType::kI64, {1}, {1}, 0, reduction};
    TestTensor y(data.Type(), {1});
    RunKernel(*MakeReference(ScatterElementsVariants(), problem),
              {data.View(), first.View(), update.View()}, {y.View()}, serial);
    return y;
  };
  const TestTensor big = TestTensor::Of<int32_t>({1}, {0x40000000});
  EXPECT_EQ(combine(big, big, ScatterReduction::kAdd).Span<int32_t>()[0], INT32_MIN);
  EXPECT_EQ(combine(big, big, ScatterReduction::kMul).Span<int32_t>()[0], 0);
  const TestTensor nan = TestTensor::Of<float>({1}, {std::nanf("")});
  const TestTensor one = TestTensor::Of<float>({1}, {1});
  for (const ScatterReduction reduction : {ScatterReduction::kMin, ScatterReduction::kMax}) {
    EXPECT_TRUE(std::isnan(combine(nan, one, reduction).Span<float>()[0]));
    EXPECT_TRUE(std::isnan(combine(one, nan, reduction).Span<float>()[0]));
  }
}

TEST(ScatterTest, RefusesWhatDoesNotFit) {
  const auto code = [](const auto& variants, const auto& problem) {
    return SelectKernel(variants, problem, {}, {}).status().code();
  };
  const DType f32 = DType::kF32, i64 = DType::kI64;
  EXPECT_EQ(code(ScatterElementsVariants(), ScatterElementsProblem{f32, i64, {2, 2}, {3, 2}, 1}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code(ScatterNdVariants(), ScatterNdProblem{f32, i64, {4, 3}, {2, 1}, {2, 4}}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code(ScatterNdVariants(), ScatterNdProblem{f32, i64, {4}, {2, 2}, {2}}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code(ScatterNdVariants(),
                 ScatterNdProblem{DType::kBool, i64, {4}, {2, 1}, {2}, ScatterReduction::kAdd}),
            StatusCode::kUnsupported);
}

}  // namespace
}  // namespace ergo::move
