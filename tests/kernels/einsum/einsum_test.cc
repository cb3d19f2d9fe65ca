// Equations at large are tested in tests/engine/plan/lower_einsum_test.cc; here the contract.
#include "kernels/einsum/einsum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/base/visit_dtype.h"
#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using namespace ergo::testing;
using ::testing::ElementsAre;

// D[i] = sum over j of X[i, j] Y[j] Z, with X 2 x 3.
EinsumProblem MatrixVectorScalar(DType dtype) {
  EinsumProblem problem;
  problem.dtype = dtype;
  problem.sizes = {2, 3};
  problem.output_labels = 1;
  problem.operands = {{6, {3, 1}}, {3, {0, 1}}, {1, {0, 0}}};
  return problem;
}

TEST(EinsumTest, EveryDtypeAndEveryVariant) {
  for (const DType dtype :
       {DType::kF32, DType::kF64, DType::kF16, DType::kBF16, DType::kI8, DType::kU8, DType::kI16,
        DType::kU16, DType::kI32, DType::kU32, DType::kI64, DType::kU64}) {
    SCOPED_TRACE(DTypeName(dtype));
    for (const KernelVariant<EinsumProblem>& variant : EinsumVariants()) {
      const MadeKernel made = variant.make(MatrixVectorScalar(dtype), MakeContext{3, nullptr});
      ASSERT_TRUE(made.ok()) << made.status().ToString();
      VisitDType(dtype, [&]<typename T>(TypeTag<T>) {
        if constexpr (std::is_same_v<T, bool>) return 0;
        TestTensor x(dtype, {2, 3}), y(dtype, {3}), z(dtype, {}), d(dtype, {2});
        for (size_t i = 0; i < 6; ++i) x.Span<T>()[i] = T(static_cast<float>(i + 1));
        for (size_t i = 0; i < 3; ++i) y.Span<T>()[i] = T(static_cast<float>(i));
        z.Span<T>()[0] = T(2.0f);
        ThreadedFor threads(3);
        RunKernel(**made, {x.View(), y.View(), z.View()}, {d.View()}, threads);
        EXPECT_EQ(ToDouble(d.Span<T>()[0]), 16);  // 2 (0 * 1 + 1 * 2 + 2 * 3)
        EXPECT_EQ(ToDouble(d.Span<T>()[1]), 34);
        EXPECT_TRUE(d.GuardIntact());
        return 0;
      });
    }
  }
}

TEST(EinsumTest, IntegersWrapAround) {
  EinsumProblem problem = MatrixVectorScalar(DType::kI8);
  const auto x = TestTensor::Of<int8_t>({2, 3}, {127, 0, 0, -128, 0, 0});
  const auto y = TestTensor::Of<int8_t>({3}, {2, 0, 0});
  const auto z = TestTensor::Of<int8_t>({}, {1});
  TestTensor d(DType::kI8, {2});
  SerialFor serial;
  RunKernel(*MakeReference(EinsumVariants(), problem), {x.View(), y.View(), z.View()}, {d.View()},
            serial);
  EXPECT_THAT(d.Span<int8_t>(), ElementsAre(-2, 0));
}

TEST(EinsumTest, ASumOfNothingIsZero) {
  EinsumProblem problem;
  problem.sizes = {2, 0};
  problem.output_labels = 1;
  problem.operands = {{0, {0, 1}}};
  TestTensor x(DType::kF32, {2, 0}), d(DType::kF32, {2});
  SerialFor serial;
  RunKernel(*MakeReference(EinsumVariants(), problem), {x.View()}, {d.View()}, serial);
  EXPECT_THAT(d.Span<float>(), ElementsAre(0.0f, 0.0f));
}

TEST(EinsumTest, RefusesWhatMakesNoSense) {
  const EinsumProblem good = MatrixVectorScalar(DType::kF32);
  EXPECT_TRUE(CheckEinsum(good).ok());
  EinsumProblem outside = good;
  outside.operands[0].elements = 5;
  EXPECT_EQ(CheckEinsum(outside).code(), StatusCode::kInvalidArgument);
  EinsumProblem negative = good;
  negative.operands[1].strides[1] = -1;
  EXPECT_EQ(CheckEinsum(negative).code(), StatusCode::kInvalidArgument);
  EinsumProblem ragged = good;
  ragged.operands[1].strides.pop_back();
  EXPECT_EQ(CheckEinsum(ragged).code(), StatusCode::kInvalidArgument);
  EinsumProblem huge = good;
  huge.sizes = {int64_t{1} << 40, int64_t{1} << 40};
  EXPECT_EQ(CheckEinsum(huge).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(MakeEinsumReference(MatrixVectorScalar(DType::kBool), {}).status().code(),
            StatusCode::kUnsupported);
}

TEST(EinsumTest, CostCountsEveryProduct) {
  const KernelCost cost = CostOf(MatrixVectorScalar(DType::kF32));
  EXPECT_EQ(cost.flops, 3 * 6);
  EXPECT_EQ(cost.bytes_read, 4 * (6 + 3 + 1));
  EXPECT_EQ(cost.bytes_written, 4 * 2);
}

}  // namespace
}  // namespace ergo
