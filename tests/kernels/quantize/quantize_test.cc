// Quantization: the standard's own examples, what rounding must satisfy in exact arithmetic, and
// every variant bit for bit against the reference.
#include "kernels/quantize/quantize.h"

#include <gmock/gmock.h>

#include "tests/kernels/move/move_testing.h"

namespace ergo {
namespace {

using namespace ergo::testing;
using ::testing::ElementsAre;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

template <typename T>
std::vector<T> Values(const TestTensor& tensor) {
  const auto span = tensor.Span<T>();
  return {span.begin(), span.end()};
}

TestTensor Quantized(const QuantizeProblem& problem, const TestTensor& x, const TestTensor& scale,
                     const TestTensor& zero_point) {
  TestTensor y(problem.to, problem.layout.shape);
  SerialFor serial;
  RunKernel(*MakeReference(QuantizeVariants(), problem),
            {x.View(), scale.View(), problem.zero_point ? zero_point.View() : TensorView()},
            {y.View()}, serial);
  EXPECT_TRUE(y.GuardIntact());
  return y;
}

// ONNX's test_quantizelinear and test_quantizelinear_axis.
TEST(QuantizeReferenceTest, QuantizesLikeTheStandardsExamples) {
  const QuantizeProblem tensor{DType::kF32, DType::kF32, DType::kU8, {Shape{6}}, true};
  EXPECT_THAT(Values<uint8_t>(
                  Quantized(tensor, TestTensor::Of<float>({6}, {0, 2, 3, 1000, -254, -1000}),
                            TestTensor::Of<float>({}, {2}), TestTensor::Of<uint8_t>({}, {128}))),
              ElementsAre(128, 129, 130, 255, 1, 0));
  const QuantizeProblem axis{DType::kF32, DType::kF32, DType::kU8, {Shape{1, 3, 3, 2}, 1}, true};
  EXPECT_THAT(
      Values<uint8_t>(Quantized(
          axis,
          TestTensor::Of<float>({1, 3, 3, 2}, {-162, 10, -100, 232, -20, -50, -76, 0, 0, 252, 32,
                                               -44, 245, -485, -960, -270, -375, -470}),
          TestTensor::Of<float>({3}, {2, 4, 5}), TestTensor::Of<uint8_t>({3}, {84, 24, 196}))),
      ElementsAre(3, 89, 34, 200, 74, 59, 5, 24, 24, 87, 32, 13, 245, 99, 4, 142, 121, 102));
}

TEST(QuantizeReferenceTest, RoundsTiesToEvenAndSaturates) {
  const QuantizeProblem problem{DType::kF32, DType::kF32, DType::kI8, {Shape{10}}, false};
  EXPECT_THAT(
      Values<int8_t>(Quantized(problem,
                               TestTensor::Of<float>({10}, {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 127.5f,
                                                            -200, kInf, -kInf, kNaN}),
                               TestTensor::Of<float>({}, {1}), TestTensor::Of<int8_t>({}, {0}))),
      ElementsAre(0, 2, 2, 0, -2, 127, -128, 127, -128, 0));
}

TEST(QuantizeReferenceTest, RoundsEveryTypeWithinHalfAStep) {
  std::mt19937 random(1);
  for (const DType to : {DType::kU8, DType::kI8, DType::kU16, DType::kI16}) {
    const bool is_signed = to == DType::kI8 || to == DType::kI16;
    const int bits = DTypeBits(to);
    const double low = is_signed ? -std::ldexp(1, bits - 1) : 0;
    const double high = std::ldexp(1, is_signed ? bits - 1 : bits) - 1;
    const QuantizeProblem problem{DType::kF32, DType::kF32, to, {Shape{500}}, true};
    TestTensor x(DType::kF32, {500}), scale(DType::kF32, {}), zero(to, {});
    x.FillUniform(random, -high / 40, high / 40);
    scale.FillUniform(random, 0.02, 0.06);
    zero.FillUniform(random, low, high);
    const TestTensor y = Quantized(problem, x, scale, zero);
    VisitDType(to, [&]<typename T>(TypeTag<T>) {
      for (size_t i = 0; i < 500; ++i) {
        const double exact = double{x.Span<float>()[i]} / double{scale.Span<float>()[0]} +
                             ToDouble(zero.Span<T>()[0]);
        const double got = ToDouble(y.Span<T>()[i]);
        EXPECT_LE(std::fabs(got - std::clamp(exact, low, high)), 0.5 + 1e-6 * std::fabs(exact))
            << i;
      }
      return 0;
    });
  }
}

// ONNX's test_dequantizelinear, test_dequantizelinear_axis and test_dequantizelinear_blocked.
TEST(QuantizeReferenceTest, DequantizesLikeTheStandardsExamples) {
  const auto run = [](const DequantizeProblem& problem, const TestTensor& x,
                      const TestTensor& scale, const TestTensor& zero) {
    TestTensor y(DType::kF32, problem.layout.shape);
    SerialFor serial;
    RunKernel(*MakeReference(DequantizeVariants(), problem), {x.View(), scale.View(), zero.View()},
              {y.View()}, serial);
    return Values<float>(y);
  };
  EXPECT_THAT(run({DType::kU8, DType::kF32, {Shape{4}}, true},
                  TestTensor::Of<uint8_t>({4}, {0, 3, 128, 255}), TestTensor::Of<float>({}, {2}),
                  TestTensor::Of<uint8_t>({}, {128})),
              ElementsAre(-256, -250, 0, 254));
  EXPECT_THAT(
      run({DType::kU8, DType::kF32, {Shape{1, 3, 3, 2}, 1}, true},
          TestTensor::Of<uint8_t>({1, 3, 3, 2}, {3, 89, 34, 200, 74, 59, 5, 24, 24, 87, 32, 13, 245,
                                                 99, 4, 142, 121, 102}),
          TestTensor::Of<float>({3}, {2, 4, 5}), TestTensor::Of<uint8_t>({3}, {84, 24, 196})),
      ElementsAre(-162, 10, -100, 232, -20, -50, -76, 0, 0, 252, 32, -44, 245, -485, -960, -270,
                  -375, -470));
  EXPECT_THAT(run({DType::kU8, DType::kF32, {Shape{1, 4, 3, 2}, 1, 2}, true},
                  TestTensor::Of<uint8_t>({1, 4, 3, 2},
                                          {3, 89, 34, 200, 74, 59, 5,   24, 24, 87,  32,  13,
                                           5, 12, 12, 33,  65, 42, 245, 99, 4,  142, 121, 102}),
                  TestTensor::Of<float>({1, 2, 3, 2}, {3, 2, 4, 1, 2, 2, 5, 2, 4, 3, 5, 2}),
                  TestTensor::Of<uint8_t>({1, 2, 3, 2}, {1, 0, 0, 1, 2, 20, 3, 2, 4, 3, 15, 2})),
              ElementsAre(6, 178, 136, 199, 144, 78, 12, 48, 96, 86, 60, -14, 10, 20, 32, 90, 250,
                          80, 1210, 194, 0, 417, 530, 200));
}

TEST(QuantizeReferenceTest, DequantizesInt32WithoutLosingTheDifference) {
  const DequantizeProblem problem{DType::kI32, DType::kF32, {Shape{2}}, true};
  const TestTensor x = TestTensor::Of<int32_t>({2}, {2147483647, -2147483647 - 1});
  const TestTensor zero = TestTensor::Of<int32_t>({}, {-2147483647});
  const TestTensor scale = TestTensor::Of<float>({}, {1});
  TestTensor y(DType::kF32, {2});
  SerialFor serial;
  RunKernel(*MakeReference(DequantizeVariants(), problem), {x.View(), scale.View(), zero.View()},
            {y.View()}, serial);
  EXPECT_THAT(Values<float>(y), ElementsAre(4294967294.0f, -1));
}

TEST(QuantizeReferenceTest, ReadsAndWritesHalves) {
  const auto half = [](float value) { return Float16(value); };
  const QuantizeProblem problem{DType::kF16, DType::kF16, DType::kI8, {Shape{3}}, false};
  const TestTensor x = TestTensor::Of<Float16>({3}, {half(1), half(-2.5f), half(6)});
  const TestTensor scale = TestTensor::Of<Float16>({}, {half(0.5f)});
  const TestTensor y = Quantized(problem, x, scale, TestTensor(DType::kI8, {}));
  EXPECT_THAT(Values<int8_t>(y), ElementsAre(2, -5, 12));
  TestTensor back(DType::kF16, {3});
  SerialFor serial;
  RunKernel(*MakeReference(DequantizeVariants(),
                           DequantizeProblem{DType::kI8, DType::kF16, {Shape{3}}, false}),
            {y.View(), scale.View(), TensorView()}, {back.View()}, serial);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(back.Span<Float16>()[i].bits, x.Span<Float16>()[i].bits);
}

std::vector<TestTensor> RunDynamic(const Kernel& kernel, const TestTensor& x,
                                   ParallelFor& parallel) {
  std::vector<TestTensor> results;
  results.emplace_back(DType::kU8, x.GetShape());
  results.emplace_back(DType::kF32, Shape());
  results.emplace_back(DType::kU8, Shape());
  RunKernel(kernel, {x.View()}, {results[0].View(), results[1].View(), results[2].View()},
            parallel);
  for (const TestTensor& result : results) EXPECT_TRUE(result.GuardIntact());
  return results;
}

// ONNX's test_dynamicquantizelinear, _max_adjusted and _min_adjusted.
TEST(DynamicQuantizeTest, AnswersLikeTheStandardsExamples) {
  const auto expect = [](std::initializer_list<float> values, float scale, int zero_point,
                         std::vector<int> quantized) {
    const TestTensor x = TestTensor::Of<float>(Shape{static_cast<int64_t>(values.size())}, values);
    SerialFor serial;
    for (const auto& variant : DynamicQuantizeVariants()) {
      const MadeKernel made = variant.make(DynamicQuantizeProblem{x.GetShape()}, {});
      ASSERT_TRUE(made.ok());
      const std::vector<TestTensor> y = RunDynamic(**made, x, serial);
      EXPECT_FLOAT_EQ(y[1].Span<float>()[0], scale);
      EXPECT_EQ(y[2].Span<uint8_t>()[0], zero_point);
      for (size_t i = 0; i < quantized.size(); ++i) {
        EXPECT_EQ(y[0].Span<uint8_t>()[i], quantized[i]) << variant.info.variant << " " << i;
      }
    }
  };
  expect({0, 2, -3, -2.5f, 1.34f, 0.5f}, 0.0196078438f, 153, {153, 255, 0, 26, 221, 179});
  expect({-1, -2.1f, -1.3f, -2.5f, -3.34f, -4}, 0.0156862754f, 255, {191, 121, 172, 96, 42, 0});
  expect({1, 2.1f, 1.3f, 2.5f, 3.34f, 4, 1.5f, 2.6f, 3.9f, 4, 3, 2.345f}, 0.0156862754f, 0,
         {64, 134, 83, 159, 213, 255, 96, 166, 249, 255, 191, 149});
  expect({0, 0, 0}, 1, 0, {0, 0, 0});
}

// Every variant, target and number of workers, bit for bit.
void ExpectDynamicLikeReference(const TestTensor& x) {
  SerialFor serial;
  ThreadedFor threaded(3);
  const DynamicQuantizeProblem problem{x.GetShape()};
  const std::vector<TestTensor> expected =
      RunDynamic(*MakeReference(DynamicQuantizeVariants(), problem), x, serial);
  ForEachSimdTarget([&](const std::string&) {
    for (const auto& variant : DynamicQuantizeVariants()) {
      const MadeKernel made = variant.make(problem, MakeContext{3, nullptr});
      ASSERT_TRUE(made.ok());
      for (ParallelFor* parallel :
           {static_cast<ParallelFor*>(&serial), static_cast<ParallelFor*>(&threaded)}) {
        const std::vector<TestTensor> y = RunDynamic(**made, x, *parallel);
        EXPECT_EQ(y[1].Span<float>()[0], expected[1].Span<float>()[0]);
        EXPECT_EQ(y[2].Span<uint8_t>()[0], expected[2].Span<uint8_t>()[0]);
        ASSERT_EQ(Values<uint8_t>(y[0]), Values<uint8_t>(expected[0])) << variant.info.variant;
      }
    }
  });
}

TEST(DynamicQuantizeTest, VariantsAgree) {
  std::mt19937 random(2);
  for (const int64_t size : {0, 1, 5, 16, 31, 64, 1001, 100003}) {
    TestTensor x(DType::kF32, {size});
    for (const auto& [low, high] : {std::pair{-3.0, 5.0}, {-4.0, -1.0}, {0.5, 2.0}}) {
      x.FillUniform(random, low, high);
      ExpectDynamicLikeReference(x);
    }
    if (size > 20) {
      x.Span<float>()[3] = x.Span<float>()[17] = kNaN;
      ExpectDynamicLikeReference(x);
    }
  }
}

ScaleLayout RandomLayout(std::mt19937& random, int round) {
  ScaleLayout layout{RandomShape(random, RandomInt(random, 1, 4), 9)};
  if (round % 10 == 9) layout.shape[RandomInt(random, 0, layout.shape.Rank() - 1)] = 0;
  if (round % 4 == 0) layout.shape[layout.shape.Rank() - 1] = RandomInt(random, 30, 90);
  if (round % 3 != 0) layout.axis = RandomInt(random, 0, layout.shape.Rank() - 1);
  if (round % 3 == 2) layout.block = RandomInt(random, 1, 5);
  return layout;
}

void ExpectQuantizesLikeReference(const ScaleLayout& layout, DType type, bool zero_point,
                                  std::mt19937& random) {
  SCOPED_TRACE(fmt::format("{} {} axis {} block {}", DTypeName(type), layout.shape.ToString(),
                           layout.axis, layout.block));
  TestTensor x(DType::kF32, layout.shape), scale(DType::kF32, layout.Scales());
  x.FillUniform(random, -4, 4);
  // Ties, and numbers that no integer has.
  constexpr float kSpecial[] = {0.5f, -0.75f, 1e30f, -kInf, kInf, kNaN, -0.0f};
  for (float& value : x.Span<float>()) {
    if (RandomInt(random, 0, 5) == 0) value = kSpecial[RandomInt(random, 0, 6)];
  }
  scale.FillUniform(random, 0.01, 0.1);
  for (float& value : scale.Span<float>()) {
    if (RandomInt(random, 0, 2) == 0) value = 0.0625f;
  }
  const QuantizeProblem quantize{DType::kF32, DType::kF32, type, layout, zero_point};
  const DequantizeProblem dequantize{type, DType::kF32, layout, zero_point};
  std::vector<TestTensor> inputs, quantized, restored;
  inputs.push_back(std::move(x));
  inputs.push_back(std::move(scale));
  if (zero_point) inputs.push_back(RandomBytes(type, layout.Scales(), random));
  quantized.emplace_back(type, layout.shape);
  restored.emplace_back(DType::kF32, layout.shape);
  SerialFor serial;
  const auto run = [&](const Kernel& kernel, const TestTensor& to) {
    std::vector<TensorView> in;
    for (const TestTensor& input : inputs) in.push_back(input.View());
    RunKernel(kernel, in, {to.View()}, serial);
  };
  run(*MakeReference(QuantizeVariants(), quantize), quantized[0]);
  ExpectExact(QuantizeVariants(), quantize, inputs, quantized);
  inputs[0] = quantized[0].Copy();
  run(*MakeReference(DequantizeVariants(), dequantize), restored[0]);
  ExpectExact(DequantizeVariants(), dequantize, inputs, restored);
}

TEST(QuantizeVariantsTest, AgreeBitForBit) {
  std::mt19937 random(3);
  for (int round = 0; round < 90; ++round) {
    ExpectQuantizesLikeReference(RandomLayout(random, round),
                                 round % 2 == 0 ? DType::kU8 : DType::kI8, round % 4 < 2, random);
  }
}

TEST(QuantizeVariantsTest, AgreeOnSeveralWorkers) {
  std::mt19937 random(4);
  ExpectQuantizesLikeReference({Shape{300001}}, DType::kU8, true, random);
  ExpectQuantizesLikeReference({Shape{301, 700}, 1}, DType::kI8, true, random);
  ExpectQuantizesLikeReference({Shape{7, 40000}, 0}, DType::kU8, true, random);
  ExpectQuantizesLikeReference({Shape{301, 700}, 1, 64}, DType::kI8, false, random);
}

TEST(QuantizeVariantsTest, RefuseWhatDoesNotFit) {
  for (const auto& variant : QuantizeVariants()) {
    const QuantizeProblem axis{DType::kF32, DType::kF32, DType::kU8, {Shape{2}, 1}, true};
    EXPECT_EQ(variant.make(axis, {}).status().code(), StatusCode::kInvalidArgument);
    const QuantizeProblem type{DType::kF64, DType::kF32, DType::kU8, {Shape{2}}, true};
    EXPECT_EQ(variant.make(type, {}).status().code(), StatusCode::kUnsupported);
  }
}

}  // namespace
}  // namespace ergo
