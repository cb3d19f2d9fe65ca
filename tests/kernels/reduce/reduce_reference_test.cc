// The reference kernels against naive index arithmetic in long double, and against hand-worked
// cases of the standard.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "kernels/reduce/reduce.h"
#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using ::testing::ElementsAre;
using testing::MakeReference;
using testing::RunKernel;
using testing::TestTensor;
using testing::ToDouble;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// Index of the output that each input element goes to, by long division.
std::vector<int64_t> OutputOfElement(const Shape& input, uint32_t axes) {
  std::vector<int64_t> outputs;
  for (int64_t at = 0; at < input.Elements(); ++at) {
    int64_t rest = at, output = 0, stride = 1;
    for (int axis = input.Rank() - 1; axis >= 0; --axis) {
      const int64_t index = rest % input[axis];
      rest /= input[axis];
      if ((axes >> axis & 1) != 0) continue;
      output += index * stride;
      stride *= input[axis];
    }
    outputs.push_back(output);
  }
  return outputs;
}

long double Naive(ReduceOp op, const std::vector<long double>& set) {
  long double sum = 0, product = 1, largest = -INFINITY, smallest = INFINITY, absolute = 0;
  long double squares = 0, exponentials = 0;
  for (const long double x : set) {
    sum += x;
    product *= x;
    largest = std::max(largest, x);
    smallest = std::min(smallest, x);
    absolute += std::abs(x);
    squares += x * x;
    exponentials += std::exp(x);
  }
  switch (op) {
    case ReduceOp::kSum: return sum;
    case ReduceOp::kMean: return sum / static_cast<long double>(set.size());
    case ReduceOp::kMax: return largest;
    case ReduceOp::kMin: return smallest;
    case ReduceOp::kProd: return product;
    case ReduceOp::kL1: return absolute;
    case ReduceOp::kL2: return std::sqrt(squares);
    case ReduceOp::kLogSum: return std::log(sum);
    case ReduceOp::kLogSumExp: return std::log(exponentials);
    case ReduceOp::kSumSquare: return squares;
  }
  return 0;
}

constexpr ReduceOp kAllOps[] = {
    ReduceOp::kSum, ReduceOp::kMean, ReduceOp::kMax,    ReduceOp::kMin,       ReduceOp::kProd,
    ReduceOp::kL1,  ReduceOp::kL2,   ReduceOp::kLogSum, ReduceOp::kLogSumExp, ReduceOp::kSumSquare};

int64_t OutputCount(const Shape& input, uint32_t axes) {
  int64_t count = 1;
  for (int axis = 0; axis < input.Rank(); ++axis) {
    if ((axes >> axis & 1) == 0) count *= input[axis];
  }
  return count;
}

template <typename T>
void CompareWithNaive(ReduceOp op, const Shape& shape, uint32_t axes, std::mt19937& random) {
  SCOPED_TRACE(fmt::format("{} of {} {}, axes {:#x}", ReduceOpName(op),
                           DTypeName(DTypeOf<T>::value), shape.ToString(), axes));
  TestTensor x(DTypeOf<T>::value, shape);
  x.FillUniform(random, 0.5, 3.5);
  const TestTensor y(DTypeOf<T>::value, {OutputCount(shape, axes)});
  testing::ThreadedFor parallel(2);
  const ReduceProblem problem{op, DTypeOf<T>::value, shape, axes};
  RunKernel(*MakeReference(ReduceVariants(), problem), {x.View()}, {y.View()}, parallel);
  ASSERT_TRUE(y.GuardIntact());

  std::map<int64_t, std::vector<long double>> sets;
  const std::vector<int64_t> outputs = OutputOfElement(shape, axes);
  for (size_t i = 0; i < outputs.size(); ++i) {
    sets[outputs[i]].push_back(ToDouble(x.Span<T>()[i]));
  }
  const double relative = std::is_same_v<T, Float16> ? 0x1p-11
                          : std::is_same_v<T, float> ? 0x1p-24
                                                     : 1e-13;
  for (const auto& [output, set] : sets) {
    auto expected = static_cast<double>(Naive(op, set));
    if constexpr (std::is_integral_v<T>) expected = std::trunc(expected);
    EXPECT_NEAR(ToDouble(y.Span<T>()[static_cast<size_t>(output)]), expected,
                relative * std::fabs(expected));
  }
}

TEST(ReduceReferenceTest, AgreesWithNaiveSums) {
  std::mt19937 random(7);
  for (const ReduceOp op : kAllOps) {
    for (int round = 0; round < 12; ++round) {
      Shape shape;
      const int rank = static_cast<int>(random() % 5);
      for (int axis = 0; axis < rank; ++axis) shape.Append(1 + random() % 3);
      const uint32_t axes = static_cast<uint32_t>(random()) & ((1u << rank) - 1);
      CompareWithNaive<float>(op, shape, axes, random);
      CompareWithNaive<double>(op, shape, axes, random);
      if (op != ReduceOp::kProd && op != ReduceOp::kSumSquare) {  // which overflow float16
        CompareWithNaive<Float16>(op, shape, axes, random);
      }
      CompareWithNaive<int64_t>(op, shape, axes & 3, random);
    }
  }
}

template <typename T>
std::vector<T> Reduce(ReduceOp op, const TestTensor& x, uint32_t axes) {
  const TestTensor y(x.Type(), {OutputCount(x.GetShape(), axes)});
  SerialFor serial;
  const ReduceProblem problem{op, x.Type(), x.GetShape(), axes};
  RunKernel(*MakeReference(ReduceVariants(), problem), {x.View()}, {y.View()}, serial);
  return {y.Span<T>().begin(), y.Span<T>().end()};
}

TEST(ReduceReferenceTest, GivesEmptySetsTheirIdentity) {
  const TestTensor none(DType::kF32, {2, 0});
  const auto identity = [&](ReduceOp op) { return Reduce<float>(op, none, 2); };
  EXPECT_THAT(identity(ReduceOp::kSum), ElementsAre(0, 0));
  EXPECT_THAT(identity(ReduceOp::kL2), ElementsAre(0, 0));
  EXPECT_THAT(identity(ReduceOp::kProd), ElementsAre(1, 1));
  EXPECT_THAT(identity(ReduceOp::kMax), ElementsAre(-kInf, -kInf));
  EXPECT_THAT(identity(ReduceOp::kMin), ElementsAre(kInf, kInf));
  EXPECT_THAT(identity(ReduceOp::kLogSum), ElementsAre(-kInf, -kInf));
  EXPECT_THAT(identity(ReduceOp::kLogSumExp), ElementsAre(-kInf, -kInf));
  EXPECT_TRUE(std::isnan(identity(ReduceOp::kMean)[0]));
  const TestTensor bytes(DType::kI8, {0});
  EXPECT_THAT(Reduce<int8_t>(ReduceOp::kMax, bytes, 1), ElementsAre(-128));
  EXPECT_THAT(Reduce<int8_t>(ReduceOp::kMin, bytes, 1), ElementsAre(127));
  EXPECT_THAT(Reduce<int8_t>(ReduceOp::kMean, bytes, 1), ElementsAre(0));
}

TEST(ReduceReferenceTest, HandlesSpecialValues) {
  const TestTensor mixed = TestTensor::Of<float>({3, 2}, {1, kNaN, kInf, 2, -kInf, 3});
  EXPECT_TRUE(std::isnan(Reduce<float>(ReduceOp::kMax, mixed, 1)[1]));
  EXPECT_TRUE(std::isnan(Reduce<float>(ReduceOp::kMin, mixed, 3)[0]));
  EXPECT_EQ(Reduce<float>(ReduceOp::kMax, mixed, 1)[0], kInf);
  const TestTensor large = TestTensor::Of<float>({2}, {1000, 1000});
  EXPECT_FLOAT_EQ(Reduce<float>(ReduceOp::kLogSumExp, large, 1)[0], 1000 + std::log(2.0f));
  const TestTensor infinite = TestTensor::Of<float>({2}, {kInf, 1});
  EXPECT_EQ(Reduce<float>(ReduceOp::kLogSumExp, infinite, 1)[0], kInf);
  const TestTensor truths = TestTensor::Of<bool>({2, 2}, {true, false, false, false});
  EXPECT_THAT(Reduce<bool>(ReduceOp::kMax, truths, 2), ElementsAre(true, false));
  EXPECT_THAT(Reduce<bool>(ReduceOp::kMin, truths, 1), ElementsAre(false, false));
  const TestTensor bytes = TestTensor::Of<uint8_t>({2}, {200, 100});
  EXPECT_THAT(Reduce<uint8_t>(ReduceOp::kSum, bytes, 1), ElementsAre(44));
  EXPECT_THAT(Reduce<uint8_t>(ReduceOp::kMean, bytes, 1), ElementsAre(150));
}

std::vector<int64_t> ArgReduce(const TestTensor& x, int axis, bool largest, bool last) {
  const ArgReduceProblem problem{x.Type(), x.GetShape(), axis, largest, last};
  const TestTensor y(DType::kI64, {OutputCount(x.GetShape(), 1u << axis)});
  SerialFor serial;
  RunKernel(*MakeReference(ArgReduceVariants(), problem), {x.View()}, {y.View()}, serial);
  return {y.Span<int64_t>().begin(), y.Span<int64_t>().end()};
}

TEST(ArgReduceReferenceTest, PicksFirstOrLast) {
  const TestTensor x = TestTensor::Of<float>({2, 3}, {2, 2, 1, 3, 10, 10});
  EXPECT_THAT(ArgReduce(x, 1, true, false), ElementsAre(0, 1));
  EXPECT_THAT(ArgReduce(x, 1, true, true), ElementsAre(1, 2));
  EXPECT_THAT(ArgReduce(x, 0, true, false), ElementsAre(1, 1, 1));
  EXPECT_THAT(ArgReduce(x, 1, false, false), ElementsAre(2, 0));
  const TestTensor ties = TestTensor::Of<int32_t>({3}, {-5, -5, 7});
  EXPECT_THAT(ArgReduce(ties, 0, false, false), ElementsAre(0));
  EXPECT_THAT(ArgReduce(ties, 0, false, true), ElementsAre(1));
  const TestTensor nans = TestTensor::Of<float>({4}, {1, kNaN, kNaN, kInf});
  EXPECT_THAT(ArgReduce(nans, 0, true, false), ElementsAre(1));
  EXPECT_THAT(ArgReduce(nans, 0, false, true), ElementsAre(2));
}

TEST(ArgReduceReferenceTest, RefusesAnEmptyAxis) {
  const ArgReduceProblem problem{DType::kF32, {2, 0}, 1, true, false};
  EXPECT_EQ(SelectKernel(ArgReduceVariants(), problem, MakeContext{}, {}).status().code(),
            StatusCode::kInvalidArgument);
}

template <typename T>
std::vector<T> Cumulate(CumulativeOp op, const TestTensor& x, int axis, bool exclusive,
                        bool reverse) {
  const CumulativeProblem problem{op, x.Type(), x.GetShape(), axis, exclusive, reverse};
  const TestTensor y = x.Copy();
  SerialFor serial;
  RunKernel(*MakeReference(CumulativeVariants(), problem), {y.View()}, {y.View()}, serial);
  return {y.Span<T>().begin(), y.Span<T>().end()};
}

TEST(CumulativeReferenceTest, SumsInPlaceInEachDirection) {
  const auto sums = [](const TestTensor& x, int axis, bool exclusive, bool reverse) {
    return Cumulate<double>(CumulativeOp::kSum, x, axis, exclusive, reverse);
  };
  const TestTensor x = TestTensor::Of<double>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(sums(x, 1, false, false), ElementsAre(1, 3, 6, 4, 9, 15));
  EXPECT_THAT(sums(x, 0, false, false), ElementsAre(1, 2, 3, 5, 7, 9));
  EXPECT_THAT(sums(x, 1, true, false), ElementsAre(0, 1, 3, 0, 4, 9));
  EXPECT_THAT(sums(x, 1, false, true), ElementsAre(6, 5, 3, 15, 11, 6));
  EXPECT_THAT(sums(x, 1, true, true), ElementsAre(5, 3, 0, 11, 6, 0));
}

TEST(CumulativeReferenceTest, MultipliesInPlaceInEachDirection) {
  constexpr CumulativeOp kProduct = CumulativeOp::kProduct;
  const TestTensor x = TestTensor::Of<int32_t>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(Cumulate<int32_t>(kProduct, x, 1, false, false), ElementsAre(1, 2, 6, 4, 20, 120));
  EXPECT_THAT(Cumulate<int32_t>(kProduct, x, 0, false, true), ElementsAre(4, 10, 18, 4, 5, 6));
  EXPECT_THAT(Cumulate<int32_t>(kProduct, x, 1, true, false), ElementsAre(1, 1, 2, 1, 4, 20));
  EXPECT_THAT(Cumulate<int32_t>(kProduct, x, 1, true, true), ElementsAre(6, 3, 1, 30, 6, 1));
  const TestTensor bytes = TestTensor::Of<uint8_t>({3}, {16, 15, 3});
  EXPECT_THAT(Cumulate<uint8_t>(kProduct, bytes, 0, false, false), ElementsAre(16, 240, 208));
}

}  // namespace
}  // namespace ergo
