#include "kernels/qgemm/qgemm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/qgemm/vnni.h"
#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using namespace ergo::testing;
using ::testing::ElementsAre;

Shape Extended(Shape batch, int64_t rows, int64_t columns) {
  batch.Append(rows);
  batch.Append(columns);
  return batch;
}

Shape ZeroShape(ZeroPoint kind, int64_t count) {
  return kind == ZeroPoint::kVector ? Shape{count} : Shape{kind == ZeroPoint::kScalar ? 1 : 0};
}

int64_t Value(const TestTensor& tensor, int64_t index) {
  const auto i = static_cast<size_t>(index);
  return tensor.Type() == DType::kU8 ? int64_t{tensor.Span<uint8_t>()[i]}
                                     : int64_t{tensor.Span<int8_t>()[i]};
}

std::vector<int64_t> Values(const TestTensor& tensor) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < tensor.View().Elements(); ++i) values.push_back(Value(tensor, i));
  return values;
}

struct Case {
  Case(const QGemmProblem& p, uint32_t seed)
      : problem(p),
        a(p.a_dtype, Extended(p.a_batch, p.m, p.k)),
        b(p.b_dtype, Extended(p.b_batch, p.k, p.n)),
        a_zero(p.a_dtype, ZeroShape(p.a_zero, p.m)),
        b_zero(p.b_dtype, ZeroShape(p.b_zero, p.n)) {
    std::mt19937 random(seed);
    for (TestTensor* tensor : {&a, &b, &a_zero, &b_zero}) {
      // Extreme values often: they are what a product that saturates would get wrong.
      for (std::byte& byte : std::span(static_cast<std::byte*>(tensor->View().data),
                                       static_cast<size_t>(tensor->View().Bytes()))) {
        constexpr uint8_t kExtremes[] = {0x00, 0x7f, 0x80, 0xff};
        byte = std::byte(random() % 2 == 0 ? kExtremes[random() % 4]
                                           : static_cast<uint8_t>(random() % 256));
      }
    }
  }

  TestTensor Run(const Kernel& kernel, ParallelFor& parallel) const {
    GemmProblem shape{.m = problem.m, .n = problem.n, .k = problem.k};
    EXPECT_TRUE(shape.SetBatches(problem.a_batch, problem.b_batch).ok());
    TestTensor d(DType::kI32, Extended(shape.batch, problem.m, problem.n));
    RunKernel(kernel,
              {a.View(), b.View(),
               problem.a_zero == ZeroPoint::kNone ? TensorView() : TensorView(a_zero.View()),
               problem.b_zero == ZeroPoint::kNone ? TensorView() : TensorView(b_zero.View())},
              {d.View()}, parallel);
    return d;
  }

  // In 64-bit arithmetic. Sums of the tests' depths fit 32 bits.
  void ExpectMatches(const TestTensor& got) const {
    const QGemmProblem& p = problem;
    GemmProblem shape{.m = p.m, .n = p.n, .k = p.k};
    ASSERT_TRUE(shape.SetBatches(p.a_batch, p.b_batch).ok());
    const std::vector<int64_t> as = Values(a), bs = Values(b);
    int64_t at = 0;
    for (int64_t batch = 0; batch < shape.batch.Elements(); ++batch) {
      const GemmOffsets offsets = GemmOffsetsOf(shape, batch);
      for (int64_t i = 0; i < p.m; ++i) {
        for (int64_t j = 0; j < p.n; ++j, ++at) {
          const int64_t zero_a = Zero(a_zero, p.a_zero, i);
          const int64_t zero_b = Zero(b_zero, p.b_zero, j);
          int64_t sum = 0;
          for (int64_t q = 0; q < p.k; ++q) {
            sum += (as[static_cast<size_t>(offsets.a + i * p.k + q)] - zero_a) *
                   (bs[static_cast<size_t>(offsets.b + q * p.n + j)] - zero_b);
          }
          ASSERT_EQ(int64_t{got.Span<int32_t>()[static_cast<size_t>(at)]}, sum)
              << "batch " << batch << " row " << i << " column " << j;
        }
      }
    }
    EXPECT_TRUE(got.GuardIntact());
  }

  static int64_t Zero(const TestTensor& zeros, ZeroPoint kind, int64_t index) {
    if (kind == ZeroPoint::kNone) return 0;
    return Value(zeros, kind == ZeroPoint::kScalar ? 0 : index);
  }

  QGemmProblem problem;
  TestTensor a, b, a_zero, b_zero;
};

bool MayRun(const KernelInfo& variant) {
  return variant.requires_ != "AVX-512 VNNI" || VnniInForce();
}

void CheckAllVariants(Case& c, bool constant_b) {
  c.problem.constant_b = constant_b ? c.b.View().data : nullptr;
  for (const KernelVariant<QGemmProblem>& variant : QGemmVariants()) {
    const QGemmProblem& p = c.problem;
    SCOPED_TRACE(fmt::format("{}: {} x {}, m{} n{} k{} batches {} {} zero points {} {}{}",
                             variant.info.variant, DTypeName(p.a_dtype), DTypeName(p.b_dtype), p.m,
                             p.n, p.k, p.a_batch.ToString(), p.b_batch.ToString(),
                             static_cast<int>(p.a_zero), static_cast<int>(p.b_zero),
                             constant_b ? " const b" : ""));
    PackCache packs;
    MakeContext context;
    context.max_workers = 3;
    context.packs = &packs;
    if (!MayRun(variant.info)) continue;
    const MadeKernel made = variant.make(p, context);
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    SerialFor serial;
    c.ExpectMatches(c.Run(**made, serial));
    ThreadedFor threads(3);
    c.ExpectMatches(c.Run(**made, threads));
  }
}

QGemmProblem DrawProblem(std::mt19937& random) {
  const auto of = [&](const auto& choices) { return choices[random() % std::size(choices)]; };
  constexpr DType kTypes[] = {DType::kU8, DType::kI8};
  constexpr ZeroPoint kZeros[] = {ZeroPoint::kNone, ZeroPoint::kScalar, ZeroPoint::kVector};
  constexpr int64_t kRows[] = {0, 1, 2, 3, 4, 5, 6, 11, 12, 13, 25, 121};
  constexpr int64_t kColumns[] = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65};
  constexpr int64_t kDepths[] = {0, 1, 2, 3, 8, 15, 64, 511, 512, 513, 1030};
  constexpr int64_t kMost = 120000;
  QGemmProblem p;
  do {
    p.m = of(kRows);
    p.n = of(kColumns);
    p.k = of(kDepths);
  } while (p.m * p.n * p.k > kMost);
  p.a_dtype = of(kTypes);
  p.b_dtype = of(kTypes);
  p.a_zero = of(kZeros);
  p.b_zero = of(kZeros);
  if (random() % 3 == 0 && p.m * p.n * p.k < kMost / 8) {
    const Shape shapes[] = {Shape{2, 3}, Shape{}, Shape{3}, Shape{2, 1}, Shape{1, 1}, Shape{0, 1}};
    p.a_batch = of(shapes);
    p.b_batch = of(shapes);
  }
  return p;
}

TEST(QGemmTest, EveryVariantOnEveryTargetIsExact) {
  ForEachSimdTarget([](const std::string&) {
    for (uint32_t seed = 1; seed <= 150; ++seed) {
      SCOPED_TRACE(fmt::format("seed {}", seed));
      std::mt19937 random(seed);
      Case c(DrawProblem(random), seed);
      CheckAllVariants(c, random() % 2 == 0);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

TEST(QGemmTest, LargerProblemsOnSeveralWorkers) {
  for (const bool constant : {false, true}) {
    for (const int64_t m : {1, 50, 200}) {
      QGemmProblem p{.a_dtype = DType::kU8, .b_dtype = DType::kI8, .m = m, .n = 150, .k = 600};
      p.a_zero = ZeroPoint::kVector;
      p.b_zero = ZeroPoint::kVector;
      Case c(p, 9);
      CheckAllVariants(c, constant);
    }
  }
}

TEST(QGemmTest, HandWritten) {
  // The example of the ONNX standard for MatMulInteger.
  QGemmProblem p{.m = 4, .n = 2, .k = 3};
  p.a_zero = ZeroPoint::kScalar;
  const auto a = TestTensor::Of<uint8_t>({4, 3}, {11, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0});
  const auto b = TestTensor::Of<uint8_t>({3, 2}, {1, 4, 2, 5, 3, 6});
  const auto zero = TestTensor::Of<uint8_t>({1}, {12});
  for (const KernelVariant<QGemmProblem>& variant : QGemmVariants()) {
    if (!MayRun(variant.info)) continue;
    SCOPED_TRACE(variant.info.variant);
    const MadeKernel made = variant.make(p, MakeContext{});
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    TestTensor d(DType::kI32, {4, 2});
    SerialFor serial;
    RunKernel(**made, {a.View(), b.View(), zero.View()}, {d.View()}, serial);
    EXPECT_THAT(d.Span<int32_t>(), ElementsAre(-38, -83, -44, -98, -50, -113, -56, -128));
  }
}

TEST(QGemmTest, PackedWeightsDoNotDependOnZeroPointsOrRows) {
  QGemmProblem p{.m = 4, .n = 20, .k = 30};
  Case c(p, 3);
  c.problem.constant_b = c.b.View().data;
  PackCache packs;
  MakeContext context;
  context.packs = &packs;
  const MadeKernel first = MakeQGemmSimd(c.problem, context);
  const size_t once = packs.TotalBytes();
  EXPECT_GE(once, size_t{20 * 30});
  c.problem.m = 1;
  c.problem.b_zero = ZeroPoint::kVector;
  const MadeKernel second = MakeQGemmSimd(c.problem, context);
  EXPECT_EQ(packs.TotalBytes(), once);
  c.problem.b_dtype = DType::kI8;  // other numbers in the same bytes
  const MadeKernel third = MakeQGemmSimd(c.problem, context);
  EXPECT_GT(packs.TotalBytes(), once);
}

TEST(QGemmTest, RefusesWhatMakesNoSense) {
  for (const KernelVariant<QGemmProblem>& variant : QGemmVariants()) {
    const auto code = [&](const QGemmProblem& p) {
      return variant.make(p, MakeContext{}).status().code();
    };
    EXPECT_EQ(code({.a_dtype = DType::kI32, .m = 1, .n = 1, .k = 1}), StatusCode::kInvalidArgument);
    EXPECT_EQ(code({.m = -1, .n = 1, .k = 1}), StatusCode::kInvalidArgument);
    EXPECT_EQ(code({.m = 1, .n = 1, .k = 1, .a_batch = {2}, .b_batch = {3}}),
              StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace ergo
