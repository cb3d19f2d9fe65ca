// The reference kernels against onnxruntime's answers, and their corner cases.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/norm/norm.h"
#include "tests/kernels/norm/norm_oracle.h"
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

const std::vector<float>& Oracle(const std::string& name) {
  return kNormOracle.at(name);
}

TestTensor FromVector(const std::vector<float>& values) {
  TestTensor tensor(DType::kF32, {static_cast<int64_t>(values.size())});
  std::ranges::copy(values, tensor.Span<float>().begin());
  return tensor;
}

// Runs the reference on the case's inputs and compares every output with the oracle's.
template <typename Problem>
void ExpectOracle(std::span<const KernelVariant<Problem>> variants, const Problem& problem,
                  const std::string& name, int inputs, int outputs = 1) {
  SCOPED_TRACE(name);
  std::vector<TestTensor> operands, results;
  std::vector<TensorView> in;
  std::vector<MutableTensorView> out;
  for (int i = 0; i < inputs; ++i) {
    operands.push_back(FromVector(Oracle(fmt::format("{}/i{}", name, i))));
    in.push_back(operands.back().View());
  }
  for (int i = 0; i < outputs; ++i) {
    const auto size = static_cast<int64_t>(Oracle(fmt::format("{}/o{}", name, i)).size());
    results.emplace_back(DType::kF32, Shape{size});
    out.push_back(results.back().View());
  }
  SerialFor serial;
  RunKernel(*MakeReference(variants, problem), in, out, serial);
  for (int i = 0; i < outputs; ++i) {
    const TestTensor& result = results[static_cast<size_t>(i)];
    EXPECT_TRUE(result.GuardIntact());
    const std::vector<float>& expected = Oracle(fmt::format("{}/o{}", name, i));
    for (size_t k = 0; k < expected.size(); ++k) {
      EXPECT_NEAR(result.Span<float>()[k], expected[k], 2e-6f + 2e-6f * std::fabs(expected[k]))
          << "output " << i << " [" << k << "]";
    }
  }
}

TEST(NormReferenceTest, AnswersLikeOnnxruntime) {
  const auto softmax = [](SoftmaxOp op) { return SoftmaxProblem{op, DType::kF32, 2, 3, 4}; };
  ExpectOracle(SoftmaxVariants(), softmax(SoftmaxOp::kSoftmax), "softmax", 1);
  ExpectOracle(SoftmaxVariants(), softmax(SoftmaxOp::kLogSoftmax), "log_softmax", 1);
  ExpectOracle(SoftmaxVariants(), softmax(SoftmaxOp::kHardmax), "hardmax", 1);
  ExpectOracle(BatchNormVariants(), BatchNormProblem{DType::kF32, 2, 3, 4, 1e-2f}, "batch_norm", 5);
  ExpectOracle(GroupNormVariants(), GroupNormProblem{DType::kF32, 2, 3, 1, 4, 1e-2f},
               "instance_norm", 3);
  ExpectOracle(GroupNormVariants(), GroupNormProblem{DType::kF32, 2, 2, 2, 3, 1e-2f}, "group_norm",
               3);
  ExpectOracle(LayerNormVariants(), LayerNormProblem{DType::kF32, 2, 12, 1e-2f}, "layer_norm", 3,
               3);
  ExpectOracle(LpNormVariants(), LpNormProblem{DType::kF32, 2, 3, 4, 1}, "lp1", 1);
  ExpectOracle(LpNormVariants(), LpNormProblem{DType::kF32, 2, 3, 4, 2}, "lp2", 1);
  ExpectOracle(LrnVariants(), LrnProblem{DType::kF32, 1, 7, 2, 3, 0.3f, 0.6f, 1.5f}, "lrn", 1);
}

template <typename Problem>
std::vector<float> RunInPlace(std::span<const KernelVariant<Problem>> variants,
                              const Problem& problem, std::initializer_list<float> values) {
  const TestTensor x = FromVector(values);
  SerialFor serial;
  const auto kernel = MakeReference(variants, problem);
  EXPECT_TRUE(kernel->MayRunInPlace(0));
  RunKernel(*kernel, {x.View()}, {x.View()}, serial);
  EXPECT_TRUE(x.GuardIntact());
  return {x.Span<float>().begin(), x.Span<float>().end()};
}

TEST(SoftmaxReferenceTest, HandlesLargeAndSpecialValues) {
  const auto run = [](SoftmaxOp op, std::initializer_list<float> x) {
    const auto length = static_cast<int64_t>(x.size());
    return RunInPlace(SoftmaxVariants(), SoftmaxProblem{op, DType::kF32, 1, length, 1}, x);
  };
  EXPECT_THAT(run(SoftmaxOp::kSoftmax, {1e30f, 1e30f}), ElementsAre(0.5f, 0.5f));
  EXPECT_THAT(run(SoftmaxOp::kSoftmax, {-kInf, 0.0f}), ElementsAre(0, 1));
  EXPECT_THAT(run(SoftmaxOp::kLogSoftmax, {0.0f, -1000.0f}), ElementsAre(0, -1000));
  EXPECT_TRUE(std::isnan(run(SoftmaxOp::kSoftmax, {kNaN, 0.0f})[1]));
  EXPECT_THAT(run(SoftmaxOp::kHardmax, {3.0f, 7.0f, 7.0f}), ElementsAre(0, 1, 0));
}

TEST(LpNormReferenceTest, GivesZeroForZeroNorm) {
  EXPECT_THAT(RunInPlace(LpNormVariants(), LpNormProblem{DType::kF32, 1, 2, 1, 2}, {0, 0}),
              ElementsAre(0, 0));
}

TEST(LayerNormReferenceTest, DividesByRootMeanSquare) {
  LayerNormProblem problem{DType::kF32, 1, 2, 0, true};
  EXPECT_THAT(RunInPlace(LayerNormVariants(), problem, {3, -4}),
              ElementsAre(3 / std::sqrt(12.5f), -4 / std::sqrt(12.5f)));
}

TEST(LrnReferenceTest, PutsTheLongerHalfOfAnEvenWindowBehind) {
  const LrnProblem problem{DType::kF32, 1, 3, 1, 2, 2, 1, 0};  // divides by x[c]^2 + x[c + 1]^2
  const TestTensor x = FromVector({1, 2, 4}), y = FromVector({0, 0, 0});
  SerialFor serial;
  RunKernel(*MakeReference(LrnVariants(), problem), {x.View()}, {y.View()}, serial);
  EXPECT_THAT(y.Span<float>(), ElementsAre(0.2f, 0.1f, 0.25f));
}

TEST(GroupNormReferenceTest, TakesParametersPerGroup) {
  const GroupNormProblem per_group{DType::kF32, 1, 2, 1, 2, 0, true};
  const TestTensor x = FromVector({1, 3, 10, 30}), y = FromVector({0, 0, 0, 0});
  const TestTensor scale = FromVector({2, 3}), bias = FromVector({5, 7});
  SerialFor serial;
  RunKernel(*MakeReference(GroupNormVariants(), per_group), {x.View(), scale.View(), bias.View()},
            {y.View()}, serial);
  EXPECT_THAT(y.Span<float>(), ElementsAre(3, 7, 4, 10));
}

TEST(NormReferenceTest, RoundsOtherTypesOnce) {
  TestTensor x(DType::kF16, {1, 2});
  x.Span<Float16>()[0] = Float16(0.0f);
  x.Span<Float16>()[1] = Float16(1.0f);
  const TestTensor y(DType::kF16, {1, 2});
  SerialFor serial;
  RunKernel(
      *MakeReference(SoftmaxVariants(), SoftmaxProblem{SoftmaxOp::kSoftmax, DType::kF16, 1, 2, 1}),
      {x.View()}, {y.View()}, serial);
  EXPECT_EQ(y.Span<Float16>()[1].bits, Float16(1 / (1 + std::exp(-1.0f))).bits);
}

TEST(NormReferenceTest, RefusesIntegers) {
  const SoftmaxProblem problem{SoftmaxOp::kSoftmax, DType::kI32, 1, 2, 1};
  EXPECT_EQ(SelectKernel(SoftmaxVariants(), problem, MakeContext{}, {}).status().code(),
            StatusCode::kUnsupported);
}

}  // namespace
}  // namespace ergo
