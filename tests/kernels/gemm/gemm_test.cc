#include "kernels/gemm/gemm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/gemm/gemm_testing.h"

namespace ergo {
namespace {

using namespace ergo::testing;
using ::testing::HasSubstr;

MakeContext Context(int workers, PackCache* packs = nullptr) {
  MakeContext context;
  context.max_workers = workers;
  context.packs = packs;
  return context;
}

// Runs the variant alone and with three workers, which must agree to the last bit, and in place of
// the residual; checks the result. False where the variant declines.
template <typename T>
bool CheckVariant(const KernelVariant<GemmProblem>& variant, const GemmCase& c) {
  PackCache packs;
  const MadeKernel made = variant.make(c.problem, Context(3, &packs));
  if (!made.ok()) {
    EXPECT_EQ(made.status().code(), StatusCode::kUnsupported) << made.status().ToString();
    return false;
  }
  SerialFor serial;
  const TestTensor alone = c.Run(**made, serial);
  c.ExpectMatches<T>(alone);
  ThreadedFor threads(3);
  const TestTensor together = c.Run(**made, threads);
  const auto bytes = static_cast<size_t>(alone.View().Bytes());
  EXPECT_EQ(bytes == 0 ? 0 : std::memcmp(alone.View().data, together.View().data, bytes), 0)
      << "depends on the workers";
  if (c.problem.residual && (*made)->MayRunInPlace(3)) {
    TestTensor in_place = c.residual.Copy();
    c.Run(**made, threads, in_place.View(), in_place);
    EXPECT_EQ(bytes == 0 ? 0 : std::memcmp(alone.View().data, in_place.View().data, bytes), 0);
    EXPECT_TRUE(in_place.GuardIntact());
  }
  return true;
}

void CheckAllVariants(const GemmCase& c) {
  for (const KernelVariant<GemmProblem>& variant : GemmVariants()) {
    SCOPED_TRACE(fmt::format("{}: {}", variant.info.variant, Describe(c.problem)));
    VisitDType(c.problem.dtype, [&]<typename T>(TypeTag<T>) {
      const bool accepted = CheckVariant<T>(variant, c);
      EXPECT_TRUE(accepted || variant.info.variant != "reference");
      EXPECT_TRUE(accepted || variant.info.variant != "simd" || c.problem.dtype != DType::kF32);
      return 0;
    });
  }
}

class Draw {
 public:
  explicit Draw(uint32_t seed) : random_(seed) {}
  int64_t Below(int64_t bound) {
    return std::uniform_int_distribution<int64_t>(0, bound - 1)(random_);
  }
  bool OneIn(int64_t n) { return Below(n) == 0; }
  template <typename C>
  auto Of(const C& choices) {
    return std::data(choices)[Below(static_cast<int64_t>(std::size(choices)))];
  }

 private:
  std::mt19937 random_;
};

constexpr ActivationSpec kActivations[] = {{Activation::kNone},
                                           {Activation::kRelu},
                                           {Activation::kClip, -0.5f, 0.5f},
                                           {Activation::kLeakyRelu, 0.1f},
                                           {Activation::kGelu},
                                           {Activation::kSigmoid},
                                           {Activation::kTanh},
                                           {Activation::kSilu},
                                           {Activation::kHardSwish}};
constexpr GemmBias kBiases[] = {GemmBias::kNone, GemmBias::kScalar, GemmBias::kPerColumn,
                                GemmBias::kPerRow, GemmBias::kFull};

void DrawEpilogue(Draw& draw, GemmProblem& p) {
  p.bias = draw.Of(kBiases);
  p.residual = draw.OneIn(3);
  if (draw.OneIn(2)) p.activation = draw.Of(kActivations);
  if (draw.OneIn(3)) p.alpha = 0.75f;
  if (draw.OneIn(3)) p.beta = -1.5f;
}

// Sizes around the tile and block sizes of all targets.
GemmProblem DrawProblem(Draw& draw) {
  constexpr int64_t kRows[] = {1, 2, 3, 4, 5, 6, 7, 13, 14, 15, 27, 29, 64, 170};
  constexpr int64_t kColumns[] = {1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 31, 32, 33, 48, 65, 100, 150};
  constexpr int64_t kDepths[] = {1, 2, 3, 4, 7, 16, 17, 64, 255, 256, 257, 515};
  constexpr int64_t kMost = 120000;
  GemmProblem p;
  do {
    p.m = draw.OneIn(40) ? 0 : draw.Of(kRows);
    p.n = draw.OneIn(40) ? 0 : draw.Of(kColumns);
    p.k = draw.OneIn(20) ? 0 : draw.Of(kDepths);
  } while (p.m * p.n * p.k > kMost);
  p.trans_a = draw.OneIn(3);
  p.trans_b = draw.OneIn(3);
  if (draw.OneIn(3) && p.m * p.n * p.k < kMost / 8) {
    constexpr int64_t kBatches[] = {0, 1, 2, 3};
    const Shape whole{draw.Of(kBatches), draw.Of(kBatches)};
    const Shape shapes[] = {whole, Shape{}, Shape{whole[1]}, Shape{whole[0], 1}, Shape{1, 1}};
    EXPECT_TRUE(p.SetBatches(draw.Of(shapes), draw.Of(shapes)).ok());
  }
  if (p.batch.Rank() == 0 && draw.OneIn(4)) {
    p.a_row_stride = p.ARowStride() + draw.Below(20);
    p.b_row_stride = p.BRowStride() + draw.Below(20);
  }
  DrawEpilogue(draw, p);
  return p;
}

TEST(GemmTest, EveryVariantOnEveryTargetMatchesDoublePrecision) {
  ForEachSimdTarget([](const std::string&) {
    for (uint32_t seed = 1; seed <= 250; ++seed) {
      SCOPED_TRACE(fmt::format("seed {}", seed));
      Draw draw(seed);
      GemmCase c(DrawProblem(draw), seed);
      c.MakeConstant(draw.OneIn(3), draw.OneIn(2));
      CheckAllVariants(c);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

TEST(GemmTest, EveryDtypeOfTheReference) {
  for (const DType dtype : {DType::kF64, DType::kF16, DType::kBF16, DType::kI32, DType::kI64,
                            DType::kU32, DType::kU64}) {
    for (uint32_t seed = 1; seed <= 20; ++seed) {
      SCOPED_TRACE(fmt::format("seed {}", seed));
      Draw draw(seed);
      GemmProblem p = DrawProblem(draw);
      p.dtype = dtype;
      if (!IsFloatingPoint(dtype)) {
        p.alpha = 2;
        p.beta = dtype == DType::kI32 || dtype == DType::kI64 ? -3 : 3;
        p.activation = {draw.OneIn(2) ? Activation::kNone : Activation::kRelu};
      }
      const GemmCase c(p, seed);
      CheckAllVariants(c);
    }
  }
}

// Large enough that work is dealt to several workers, in both directions.
TEST(GemmTest, LargerProblemsDoNotDependOnTheWorkers) {
  struct Size {
    int64_t m, n, k;
  };
  for (const Size& size : {Size{300, 70, 40}, Size{1, 700, 600}, Size{2, 900, 300},
                           Size{40, 300, 270}, Size{700, 1, 600}, Size{15, 33, 1100}}) {
    for (const bool trans_b : {false, true}) {
      for (const bool constant : {false, true}) {
        GemmProblem p{.m = size.m, .n = size.n, .k = size.k, .trans_b = trans_b};
        p.bias = GemmBias::kPerColumn;
        p.activation = {Activation::kRelu};
        GemmCase c(p, 17);
        c.MakeConstant(false, constant);
        CheckAllVariants(c);
      }
    }
  }
}

// Heads of attention: the batch axes are permuted in A, and shared pairwise in B.
TEST(GemmTest, ReadsPermutedAndGroupedOperandsInPlace) {
  constexpr int64_t kBatch = 2, kHeads = 4, kRows = 9, kDepth = 5, kColumns = 7;
  GemmProblem p{.m = kRows, .n = kColumns, .k = kDepth};
  p.batch = Shape{kBatch, kHeads / 2, 2};
  p.a_row_stride = kHeads * kDepth;  // [batch, row, head, depth]
  p.a_batch_strides = {kRows * kHeads * kDepth, 2 * kDepth, kDepth};
  p.b_batch_strides = {kHeads / 2 * kDepth * kColumns, kDepth * kColumns, 0};
  for (const bool constant : {false, true}) {
    GemmCase c(p, 3);
    c.MakeConstant(constant, constant);
    ForEachSimdTarget([&](const std::string&) { CheckAllVariants(c); });
  }
}

TEST(GemmTest, HandWritten) {
  // numpy: np.maximum(0.5 * a @ b + 2 * [1, -8] + r, 0)
  GemmProblem p{.m = 2, .n = 2, .k = 3};
  p.alpha = 0.5f;
  p.beta = 2;
  p.bias = GemmBias::kPerColumn;
  p.residual = true;
  p.activation = {Activation::kRelu};
  const auto a = TestTensor::Of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto b = TestTensor::Of<float>({3, 2}, {1, 2, 3, 4, 5, 6});
  const auto bias = TestTensor::Of<float>({2}, {1, -8});
  const auto residual = TestTensor::Of<float>({2, 2}, {0.25f, 1, -40, 0});
  for (const KernelVariant<GemmProblem>& variant : GemmVariants()) {
    if (variant.info.device != Device::kCpu) continue;
    SCOPED_TRACE(variant.info.variant);
    const MadeKernel made = variant.make(p, Context(1));
    if (variant.info.variant == "onednn") {
      EXPECT_THAT(std::string(made.status().message()), HasSubstr("alpha"));
      continue;
    }
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    TestTensor d(DType::kF32, {2, 2});
    SerialFor serial;
    RunKernel(**made, {a.View(), b.View(), bias.View(), residual.View()}, {d.View()}, serial);
    // a @ b = [[22, 28], [49, 64]]
    EXPECT_THAT(d.Span<float>(), ::testing::ElementsAre(13.25f, 0.0f, 0.0f, 16.0f));
  }
}

TEST(GemmTest, IntegersWrapAround) {
  const GemmProblem p{.dtype = DType::kI64, .m = 1, .n = 1, .k = 2};
  const auto a = TestTensor::Of<int64_t>({1, 2}, {INT64_MAX, 3});
  const auto b = TestTensor::Of<int64_t>({2, 1}, {2, 4});
  TestTensor d(DType::kI64, {1, 1});
  SerialFor serial;
  RunKernel(*MakeReference(GemmVariants(), p), {a.View(), b.View()}, {d.View()}, serial);
  EXPECT_EQ(d.Span<int64_t>()[0], 10);
}

TEST(GemmTest, KeepsNaNAndInfinity) {
  GemmProblem p{.m = 3, .n = 40, .k = 20};
  p.activation = {Activation::kRelu};
  ForEachSimdTarget([&](const std::string&) {
    GemmCase c(p, 5);
    c.a.Span<float>()[0] = NAN;
    c.a.Span<float>()[20] = INFINITY;
    c.b.Span<float>()[0] = 1;
    for (const KernelVariant<GemmProblem>& variant : GemmVariants()) {
      if (variant.info.device != Device::kCpu) continue;
      SCOPED_TRACE(variant.info.variant);
      SerialFor serial;
      const TestTensor d = c.Run(**variant.make(c.problem, Context(1)), serial);
      if (variant.info.variant == "onednn") continue;  // its relu of NaN is 0, as gemm.h says
      EXPECT_TRUE(std::isnan(d.Span<float>()[0]));
      EXPECT_TRUE(std::isinf(d.Span<float>()[40]));
      EXPECT_TRUE(std::isfinite(d.Span<float>()[80]));
    }
  });
}

TEST(GemmTest, WeightsArePackedOnceForAllKernels) {
  GemmCase c(GemmProblem{.m = 20, .n = 50, .k = 30}, 7);
  c.MakeConstant(false, true);
  PackCache packs;
  const MadeKernel first = MakeGemmSimd(c.problem, Context(1, &packs));
  ASSERT_TRUE(first.ok());
  const size_t once = packs.TotalBytes();
  EXPECT_GE(once, 50 * 30 * sizeof(float));
  c.problem.m = 1;  // another shape of the same layer
  const MadeKernel second = MakeGemmSimd(c.problem, Context(1, &packs));
  EXPECT_EQ(packs.TotalBytes(), once);
  // The same bytes read in another way are other weights.
  GemmProblem other{.m = 20, .n = 30, .k = 50};
  other.constant_b = c.problem.constant_b;
  const MadeKernel third = MakeGemmSimd(other, Context(1, &packs));
  EXPECT_GT(packs.TotalBytes(), once);
}

TEST(GemmTest, RefusesWhatMakesNoSense) {
  for (const KernelVariant<GemmProblem>& variant : GemmVariants()) {
    if (variant.info.device != Device::kCpu) continue;
    const auto code = [&](const GemmProblem& p) {
      return variant.make(p, Context(1)).status().code();
    };
    EXPECT_EQ(code({.m = -1, .n = 1, .k = 1}), StatusCode::kInvalidArgument);
    EXPECT_EQ(code({.m = 2, .n = 2, .k = 4, .a_row_stride = 3}), StatusCode::kInvalidArgument);
    EXPECT_EQ(code({.m = int64_t{1} << 30, .n = int64_t{1} << 30, .k = 1}),
              StatusCode::kResourceExhausted);
    EXPECT_EQ(code({.dtype = DType::kI8, .m = 1, .n = 1, .k = 1}), StatusCode::kUnsupported);
    EXPECT_EQ(code({.dtype = DType::kI32, .m = 1, .n = 1, .k = 1, .alpha = 0.5f}),
              StatusCode::kUnsupported);
  }
  GemmProblem p{.m = 1, .n = 1, .k = 1};
  EXPECT_EQ(p.SetBatches(Shape{2}, Shape{3}).code(), StatusCode::kInvalidArgument);
}

TEST(GemmTest, CanonicalFormMakesRowsOfBatchesAndOfColumns) {
  GemmProblem p{.m = 3, .n = 5, .k = 7};
  ASSERT_TRUE(p.SetBatches(Shape{2, 4}, Shape{}).ok());
  EXPECT_EQ(Canonicalize(p).problem.m, 24);
  EXPECT_EQ(Canonicalize(p).problem.batch.Rank(), 0);
  p.bias = GemmBias::kFull;
  EXPECT_EQ(Canonicalize(p).problem.batch.Elements(), 8);
  ASSERT_TRUE(p.SetBatches(Shape{2, 4}, Shape{2, 1}).ok());
  p.bias = GemmBias::kPerColumn;
  EXPECT_EQ(Canonicalize(p).problem.m, 12);
  EXPECT_EQ(Canonicalize(p).problem.batch.ToString(), "[2]");
  GemmProblem column{.m = 9, .n = 1, .k = 7};
  const CanonicalGemm row = Canonicalize(column);
  EXPECT_TRUE(row.swapped);
  EXPECT_EQ(row.problem.m, 1);
  EXPECT_EQ(row.problem.n, 9);
  EXPECT_TRUE(row.problem.trans_b);
  EXPECT_FALSE(row.problem.trans_a);
}

TEST(GemmTest, CostCountsEachOperandOnce) {
  GemmProblem p{.m = 3, .n = 5, .k = 7};
  ASSERT_TRUE(p.SetBatches(Shape{2}, Shape{}).ok());
  p.bias = GemmBias::kPerColumn;
  const KernelCost cost = CostOf(p);
  EXPECT_EQ(cost.flops, 2 * 2 * 3 * 5 * 7);
  EXPECT_EQ(cost.bytes_read, 4 * (2 * 3 * 7 + 7 * 5 + 5));
  EXPECT_EQ(cost.bytes_written, 4 * 2 * 3 * 5);
}

}  // namespace
}  // namespace ergo
