// Moving elements on the emulated GPU: the very bytes of the reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "kernels/move/concat.h"
#include "kernels/move/gather.h"
#include "kernels/move/strided_copy.h"
#include "tests/emulator/cuda_testing.h"

namespace ergo::move {
namespace {

using namespace ergo::testing;

class Draw {
 public:
  explicit Draw(uint32_t seed) : random(seed) {}
  int Int(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); }
  DType Type() {
    constexpr DType kTypes[] = {DType::kU8, DType::kF16, DType::kF32, DType::kI64};
    return kTypes[Int(0, 3)];
  }
  TestTensor Tensor(DType dtype, const Shape& shape) {
    TestTensor tensor(dtype, shape);
    tensor.FillUniform(random, 0, 100);
    return tensor;
  }
  Shape Dims(int rank, int low = 1) {
    Shape shape;
    for (int i = 0; i < rank; ++i) shape.Append(Int(0, 15) == 0 ? low : Int(1, 6));
    return shape;
  }
  std::mt19937 random;
};

template <typename Problem>
void Check(std::span<const KernelVariant<Problem>> variants, const Problem& problem, DType dtype,
           const std::vector<TensorView>& inputs, const std::vector<Shape>& outputs) {
  CudaBench bench;
  const auto kernel = bench.Make(variants, problem);
  ASSERT_TRUE(kernel);
  std::vector<TestTensor> got, expected;
  std::vector<MutableTensorView> got_views, expected_views;
  for (const Shape& shape : outputs) {
    got.emplace_back(dtype, shape);
    expected.emplace_back(dtype, shape);
    got_views.push_back(got.back().View());
    expected_views.push_back(expected.back().View());
  }
  bench.Run(*kernel, inputs, got_views);
  RunReference(variants, problem, inputs, expected_views);
  for (size_t i = 0; i < outputs.size(); ++i) {
    EXPECT_TRUE(got[i].GuardIntact());
    EXPECT_EQ(std::memcmp(got_views[i].data, expected_views[i].data,
                          static_cast<size_t>(got_views[i].Bytes())),
              0);
  }
}

TEST(MoveCudaTest, TransposesSlicesAndExpands) {
  for (uint32_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Draw draw(seed);
    const DType dtype = draw.Type();
    const int rank = draw.Int(1, 5);
    const Shape shape = draw.Dims(rank, 0);
    const TestTensor x = draw.Tensor(dtype, shape);
    std::vector<int> perm(static_cast<size_t>(rank));
    std::iota(perm.begin(), perm.end(), 0);
    std::ranges::shuffle(perm, draw.random);
    const StridedCopyProblem transposed = TransposeCopy(dtype, shape, perm);
    Check(StridedCopyVariants(), transposed, dtype, {x.View()}, {transposed.output});
    std::vector<AxisSlice> slices;
    for (int axis = 0; axis < rank; ++axis) {
      const auto dim = static_cast<int>(shape[axis]);
      const int count = dim == 0 ? 0 : draw.Int(1, dim);
      const bool reverse = draw.Int(0, 3) == 0;
      const int start = draw.Int(0, dim - count);
      slices.push_back({reverse ? start + count - 1 : start, reverse ? -1 : 1, count});
      if (count == 0) slices.back().start = 0;
    }
    const StridedCopyProblem sliced = SliceCopy(dtype, shape, slices);
    Check(StridedCopyVariants(), sliced, dtype, {x.View()}, {sliced.output});
    Shape wide = shape;
    wide[0] = shape[0] == 1 ? 4 : shape[0];
    Check(StridedCopyVariants(), ExpandCopy(dtype, shape, wide), dtype, {x.View()}, {wide});
  }
}

TEST(MoveCudaTest, ConcatAndSplit) {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Draw draw(seed);
    const DType dtype = draw.Type();
    Shape shape = draw.Dims(draw.Int(1, 4));
    const int axis = draw.Int(0, shape.Rank() - 1);
    ConcatProblem concat{dtype, {}, axis};
    SplitProblem split{dtype, shape, axis, {}};
    std::vector<TestTensor> parts;
    std::vector<TensorView> views;
    Shape whole = shape;
    whole[axis] = 0;
    for (int part = draw.Int(1, 4); part > 0; --part) {
      shape[axis] = draw.Int(0, 4);
      whole[axis] += shape[axis];
      concat.inputs.push_back(shape);
      split.sizes.push_back(shape[axis]);
      parts.push_back(draw.Tensor(dtype, shape));
      views.push_back(parts.back().View());
    }
    Check(ConcatVariants(), concat, dtype, views, {whole});
    split.input = whole;
    const TestTensor x = draw.Tensor(dtype, whole);
    Check(SplitVariants(), split, dtype, {x.View()}, concat.inputs);
  }
}

TEST(MoveCudaTest, GathersAndLeavesZerosForWhatIsOutside) {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Draw draw(seed);
    const DType dtype = draw.Type();
    const Shape data = draw.Dims(draw.Int(1, 4), 0), indices = draw.Dims(draw.Int(0, 2), 0);
    const int axis = draw.Int(0, data.Rank() - 1);
    const bool wide = draw.Int(0, 1) == 1;
    TestTensor which(wide ? DType::kI64 : DType::kI32, indices);
    const auto dim = static_cast<double>(data[axis]);
    which.FillUniform(draw.random, -dim - 1, dim);
    Shape output;
    for (int i = 0; i < axis; ++i) output.Append(data[i]);
    for (int i = 0; i < indices.Rank(); ++i) output.Append(indices[i]);
    for (int i = axis + 1; i < data.Rank(); ++i) output.Append(data[i]);
    const TestTensor x = draw.Tensor(dtype, data);
    Check(GatherVariants(), GatherProblem{dtype, which.Type(), data, indices, axis}, dtype,
          {x.View(), which.View()}, {output});
  }
}

}  // namespace
}  // namespace ergo::move
