// The reference against small results computed elsewhere: the tensors of the ONNX operators'
// documented examples, and by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "kernels/pool/pool.h"
#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using ::ergo::testing::MakeReference;
using ::ergo::testing::RunKernel;
using ::ergo::testing::TestTensor;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::FloatEq;
using ::testing::Pointwise;

template <typename T>
struct Pooled {
  std::vector<T> values;
  std::vector<int64_t> indices;
};

template <typename T>
Pooled<T> Pool(PoolProblem problem, const std::vector<T>& x) {
  problem.dtype = DTypeOf<T>::value;
  EXPECT_TRUE(CheckPool(problem).ok()) << CheckPool(problem).ToString();
  const auto kernel = MakeReference(PoolVariants(), problem);
  TestTensor in(problem.dtype, Shape{static_cast<int64_t>(x.size())});
  std::copy(x.begin(), x.end(), in.Span<T>().begin());
  const Shape shape{problem.planes * problem.window.OutElements()};
  TestTensor out(problem.dtype, shape), indices(DType::kI64, shape);
  SerialFor serial;
  RunKernel(*kernel, {in.View()}, {out.View(), indices.View()}, serial);
  EXPECT_TRUE(out.GuardIntact() && indices.GuardIntact());
  Pooled<T> result;
  result.values.assign(out.Span<T>().begin(), out.Span<T>().end());
  if (problem.has_indices) {
    result.indices.assign(indices.Span<int64_t>().begin(), indices.Span<int64_t>().end());
  }
  return result;
}

std::vector<float> Iota(int64_t count) {
  std::vector<float> values;
  for (int64_t i = 1; i <= count; ++i) values.push_back(static_cast<float>(i));
  return values;
}

PoolProblem Square(PoolKind kind, int64_t in, int64_t kernel, int64_t stride, int64_t pad,
                   int64_t out) {
  PoolProblem problem;
  problem.kind = kind;
  problem.window.in = {1, in, in};
  problem.window.kernel = {1, kernel, kernel};
  problem.window.strides = {1, stride, stride};
  problem.window.pads_begin = problem.window.pads_end = {0, pad, pad};
  problem.window.out = {1, out, out};
  return problem;
}

// maxpool_2d_precomputed_pads and maxpool_with_argmax_2d_precomputed_pads of ONNX.
TEST(PoolReferenceTest, MaxWithPadsAndIndices) {
  PoolProblem problem = Square(PoolKind::kMax, 5, 5, 1, 2, 5);
  problem.has_indices = true;
  const auto pooled = Pool(problem, Iota(25));
  EXPECT_THAT(pooled.values,
              ElementsAreArray<float>({13, 14, 15, 15, 15, 18, 19, 20, 20, 20, 23, 24, 25,
                                       25, 25, 23, 24, 25, 25, 25, 23, 24, 25, 25, 25}));
  EXPECT_THAT(pooled.indices,
              ElementsAreArray<int64_t>({12, 13, 14, 14, 14, 17, 18, 19, 19, 19, 22, 23, 24,
                                         24, 24, 22, 23, 24, 24, 24, 22, 23, 24, 24, 24}));
}

// maxpool_with_argmax_2d_precomputed_strides of ONNX: indices in column-major order.
TEST(PoolReferenceTest, ColumnMajorIndices) {
  PoolProblem problem = Square(PoolKind::kMax, 5, 2, 2, 0, 2);
  problem.has_indices = true;
  problem.column_major = true;
  const auto pooled = Pool(problem, Iota(25));
  EXPECT_THAT(pooled.values, ElementsAre(7, 9, 17, 19));
  EXPECT_THAT(pooled.indices, ElementsAre(6, 16, 8, 18));
}

TEST(PoolReferenceTest, IndicesCountThroughAllPlanesAndNameTheFirstOfEquals) {
  PoolProblem problem;
  problem.planes = 2;
  problem.window.in = {1, 1, 4};
  problem.window.kernel = {1, 1, 2};
  problem.window.strides = {1, 1, 2};
  problem.window.out = {1, 1, 2};
  problem.has_indices = true;
  const auto pooled = Pool<float>(problem, {1, 1, 0, 2, 5, 5, 7, 7});
  EXPECT_THAT(pooled.indices, ElementsAre(0, 3, 4, 6));
}

// maxpool_2d_ceil and maxpool_2d_dilations of ONNX.
TEST(PoolReferenceTest, MaxCeilAndDilations) {
  PoolProblem ceil = Square(PoolKind::kMax, 4, 3, 2, 0, 2);
  EXPECT_THAT(Pool(ceil, Iota(16)).values, ElementsAre(11, 12, 15, 16));
  PoolProblem dilated = Square(PoolKind::kMax, 4, 2, 1, 0, 2);
  dilated.window.dilations = {1, 2, 2};
  EXPECT_THAT(Pool(dilated, Iota(16)).values, ElementsAre(11, 12, 15, 16));
}

// maxpool_2d_uint8 of ONNX, and the same shifted to signed numbers.
TEST(PoolReferenceTest, MaxOfBytes) {
  const PoolProblem problem = Square(PoolKind::kMax, 5, 5, 1, 2, 5);
  std::vector<uint8_t> x;
  std::vector<int8_t> shifted;
  for (int i = 1; i <= 25; ++i) {
    x.push_back(static_cast<uint8_t>(i));
    shifted.push_back(static_cast<int8_t>(i - 128));
  }
  const std::vector<int> expected = {13, 14, 15, 15, 15, 18, 19, 20, 20, 20, 23, 24, 25,
                                     25, 25, 23, 24, 25, 25, 25, 23, 24, 25, 25, 25};
  EXPECT_THAT(Pool(problem, x).values, ElementsAreArray(expected));
  const auto moved = Pool(problem, shifted).values;
  for (size_t i = 0; i < moved.size(); ++i) EXPECT_EQ(moved[i], expected[i] - 128) << i;
}

TEST(PoolReferenceTest, MaxOfHalves) {
  const PoolProblem problem = Square(PoolKind::kMax, 2, 2, 1, 0, 1);
  const auto halves =
      Pool<Float16>(problem, {Float16(-3.0f), Float16(-1.5f), Float16(-2.0f), Float16(-8.0f)});
  EXPECT_EQ(static_cast<float>(halves.values[0]), -1.5f);
  const auto brains =
      Pool<BFloat16>(problem, {BFloat16(-3.0f), BFloat16(2.5f), BFloat16(-2.0f), BFloat16(-8.0f)});
  EXPECT_EQ(static_cast<float>(brains.values[0]), 2.5f);
}

// averagepool_2d_precomputed_pads of ONNX and its count_include_pad twin.
TEST(PoolReferenceTest, AverageCounts) {
  PoolProblem problem = Square(PoolKind::kAverage, 5, 5, 1, 2, 5);
  EXPECT_THAT(Pool(problem, Iota(25)).values,
              Pointwise(FloatEq(), {7.0f,  7.5f,  8.0f,  8.5f,  9.0f,  9.5f,  10.0f, 10.5f, 11.0f,
                                    11.5f, 12.0f, 12.5f, 13.0f, 13.5f, 14.0f, 14.5f, 15.0f, 15.5f,
                                    16.0f, 16.5f, 17.0f, 17.5f, 18.0f, 18.5f, 19.0f}));
  problem.count_include_pad = true;
  EXPECT_THAT(Pool(problem, Iota(25)).values,
              Pointwise(FloatEq(), {2.52f,  3.6f,  4.8f,  4.08f, 3.24f, 4.56f, 6.4f,  8.4f, 7.04f,
                                    5.52f,  7.2f,  10.0f, 13.0f, 10.8f, 8.4f,  6.96f, 9.6f, 12.4f,
                                    10.24f, 7.92f, 6.12f, 8.4f,  10.8f, 8.88f, 6.84f}));
}

// averagepool_2d_ceil of ONNX; then with stated padding, whose cells count where those beyond it,
// which only ceil_mode reaches, do not.
TEST(PoolReferenceTest, AverageCeil) {
  EXPECT_THAT(Pool(Square(PoolKind::kAverage, 4, 3, 2, 0, 2), Iota(16)).values,
              ElementsAre(6, 7.5f, 12, 13.5f));
  PoolProblem problem;
  problem.kind = PoolKind::kAverage;
  problem.count_include_pad = true;
  problem.window.in = {1, 1, 4};
  problem.window.kernel = {1, 1, 4};
  problem.window.strides = {1, 1, 3};
  problem.window.pads_begin = problem.window.pads_end = {0, 0, 1};
  problem.window.out = {1, 1, 2};
  // Windows [pad 1 2 3] and [3 4 pad beyond].
  EXPECT_THAT(Pool<float>(problem, {1, 2, 3, 4}).values,
              Pointwise(FloatEq(), {6.0f / 4, 7.0f / 3}));
}

TEST(PoolReferenceTest, AverageOfHalvesAccumulatesInFloat) {
  PoolProblem problem;
  problem.kind = PoolKind::kAverage;
  problem.window.in = problem.window.kernel = {1, 1, 4096};
  // A sum in halves would stop at 2048.
  const auto pooled = Pool(problem, std::vector<Float16>(4096, Float16(1.0f)));
  EXPECT_EQ(static_cast<float>(pooled.values[0]), 1.0f);
}

TEST(PoolReferenceTest, Lp) {
  PoolProblem problem;
  problem.kind = PoolKind::kLp;
  problem.window.in = {1, 1, 4};
  problem.window.kernel = {1, 1, 2};
  problem.window.strides = {1, 1, 2};
  problem.window.out = {1, 1, 2};
  problem.p = 2;
  EXPECT_THAT(Pool<float>(problem, {3, -4, 5, 12}).values, Pointwise(FloatEq(), {5.0f, 13.0f}));
  problem.p = 1;
  EXPECT_THAT(Pool<double>(problem, {3, -4, 5, 12}).values, ElementsAre(7.0, 17.0));
  problem.p = 3;
  EXPECT_THAT(Pool<float>(problem, {3, 4, 5, 0}).values,
              Pointwise(FloatEq(), {4.497941445275415f, 5.0f}));
}

TEST(PoolReferenceTest, WindowsInThePaddingOnly) {
  PoolProblem problem;
  problem.window.in = {1, 1, 1};
  problem.window.kernel = {1, 1, 1};
  problem.window.pads_begin = {0, 0, 1};
  problem.window.out = {1, 1, 2};
  EXPECT_THAT(Pool<float>(problem, {3}).values,
              ElementsAre(-std::numeric_limits<float>::infinity(), 3));
  EXPECT_THAT(Pool<int8_t>(problem, {3}).values, ElementsAre(-128, 3));
  problem.kind = PoolKind::kAverage;
  EXPECT_THAT(Pool<float>(problem, {3}).values, ElementsAre(0, 3));
}

TEST(PoolReferenceTest, RefusesWhatMakesNoSense) {
  PoolProblem problem;
  problem.kind = PoolKind::kAverage;
  problem.dtype = DType::kU8;
  EXPECT_EQ(CheckPool(problem).code(), StatusCode::kUnsupported);
  problem.dtype = DType::kF32;
  problem.has_indices = true;
  EXPECT_EQ(CheckPool(problem).code(), StatusCode::kInvalidArgument);
  problem = PoolProblem();
  problem.kind = PoolKind::kLp;
  problem.p = 0;
  EXPECT_EQ(CheckPool(problem).code(), StatusCode::kInvalidArgument);
  problem = PoolProblem();
  problem.planes = int64_t{1} << 37;
  problem.window.in = {1, 2, 2};
  EXPECT_EQ(CheckPool(problem).code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace ergo
