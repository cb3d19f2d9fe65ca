// The SIMD variant of attention against the reference: layouts, grouped heads, caches, masks,
// windows, sizes around the tile and the vectors.
#include <gtest/gtest.h>

#include "kernels/attention/attention.h"
#include "kernels/attention/limits.h"
#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using testing::ForEachSimdTarget;
using testing::MakeReference;
using testing::RunKernel;
using testing::TestTensor;
using testing::ThreadedFor;

// The inputs of one problem, absent ones empty.
struct Operands {
  std::vector<TestTensor> tensors;
  std::vector<TensorView> views;

  void Add(bool present, DType dtype, const Shape& shape, std::mt19937& random, double low = -1,
           double high = 1) {
    if (!present) {
      views.emplace_back();
      return;
    }
    tensors.emplace_back(dtype, shape);
    tensors.back().FillUniform(random, low, high);
    views.push_back(tensors.back().View());
  }
};

Shape Layout(bool packed, int64_t batch, int64_t heads, int64_t len, int64_t width) {
  return packed ? Shape{batch, len, heads * width} : Shape{batch, heads, len, width};
}

Operands MakeOperands(const AttentionProblem& p, std::mt19937& random) {
  Operands o;
  o.Add(true, DType::kF32, Layout(p.q_packed, p.batch, p.q_heads, p.q_len, p.head), random);
  o.Add(true, DType::kF32, Layout(p.k_packed, p.batch, p.kv_heads, p.kv_len, p.head), random);
  o.Add(true, DType::kF32, Layout(p.v_packed, p.batch, p.kv_heads, p.kv_len, p.v_head), random);
  o.Add(p.has_mask, p.mask_dtype, p.mask_shape, random, -2, 2);
  const bool past = p.past_len > 0;
  o.Add(past, DType::kF32, {p.batch, p.kv_heads, p.past_len, p.head}, random);
  o.Add(past, DType::kF32, {p.batch, p.kv_heads, p.past_len, p.v_head}, random);
  o.Add(p.has_nonpad, DType::kI64, {p.batch}, random, 0, static_cast<double>(p.kv_len));
  return o;
}

std::vector<float> RunAttention(const AttentionProblem& p, const Kernel& kernel,
                                const Operands& operands, std::vector<TestTensor>& presents,
                                ParallelFor&& parallel) {
  TestTensor y(DType::kF32, Layout(p.q_packed, p.batch, p.q_heads, p.q_len, p.v_head));
  presents.clear();
  const int64_t total = p.past_len + p.kv_len;
  presents.emplace_back(DType::kF32, Shape{p.batch, p.kv_heads, total, p.head});
  presents.emplace_back(DType::kF32, Shape{p.batch, p.kv_heads, total, p.v_head});
  RunKernel(kernel, operands.views, {y.View(), presents[0].View(), presents[1].View()}, parallel);
  EXPECT_TRUE(y.GuardIntact());
  return {y.Span<float>().begin(), y.Span<float>().end()};
}

std::unique_ptr<Kernel> MakeSimd(const AttentionProblem& p) {
  SelectOptions options;
  options.forced = "attention=simd";
  auto selected = SelectKernel(AttentionVariants(), p, MakeContext{2, nullptr}, options);
  ERGO_CHECK_MSG(selected.ok(), "{}", selected.status().ToString());
  return std::move(selected->kernel);
}

// Operands of at most 1 and masks of at most 2.
void ExpectLikeReference(const AttentionProblem& p, uint32_t seed) {
  SCOPED_TRACE(::testing::Message() << "seed " << seed << ", q " << p.q_len << ", kv " << p.kv_len
                                    << ", past " << p.past_len << ", head " << p.head);
  std::mt19937 random(seed);
  const Operands operands = MakeOperands(p, random);
  std::vector<TestTensor> expected_presents, presents;
  const auto expected = RunAttention(p, *MakeReference(AttentionVariants(), p), operands,
                                     expected_presents, SerialFor());
  const double magnitude = static_cast<double>(p.head) * std::abs(double{p.scale});
  const double bound = AttentionErrorBound(p, magnitude + 2, magnitude, 1);
  ForEachSimdTarget([&](const std::string&) {
    const auto got = RunAttention(p, *MakeSimd(p), operands, presents, ThreadedFor(2));
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], bound) << "at " << i;
    for (size_t i = 0; i < presents.size(); ++i) {
      const auto bytes = static_cast<size_t>(presents[i].View().Bytes());
      EXPECT_EQ(std::memcmp(presents[i].View().data, expected_presents[i].View().data, bytes), 0);
    }
  });
}

AttentionProblem Plain(int64_t q_len, int64_t kv_len, int64_t head) {
  AttentionProblem p;
  p.batch = 2;
  p.q_heads = p.kv_heads = 3;
  p.q_len = q_len;
  p.kv_len = kv_len;
  p.head = p.v_head = head;
  p.scale = 0.3f;
  return p;
}

TEST(AttentionSimdTest, SizesAroundTilesAndVectors) {
  uint32_t seed = 0;
  for (const int64_t q_len : {1, 3, 4, 17, 64, 65, 128, 135}) {
    for (const int64_t kv_len : {1, 5, 63, 64, 130}) {
      ExpectLikeReference(Plain(q_len, kv_len, 8 + q_len % 5), ++seed);
    }
  }
  for (const int64_t kv_len : {1023, 1024, 2100}) ExpectLikeReference(Plain(2, kv_len, 7), ++seed);
  for (const int64_t head : {1, 15, 16, 33, 64}) ExpectLikeReference(Plain(9, 20, head), ++seed);
}

// Blocks of keys that only the later rows of a tile attend, in several tiles.
TEST(AttentionSimdTest, LongCausalRows) {
  uint32_t seed = 0;
  for (const int64_t past_len : {0, 70}) {
    for (const int64_t left_window : {-1, 40}) {
      AttentionProblem p = Plain(190, 190, 20);
      p.causal = true;
      p.past_len = past_len;
      p.left_window = left_window;
      ExpectLikeReference(p, ++seed);
    }
  }
}

// One row of numbers for all queries, as padding is masked, with keys of no weight at all.
TEST(AttentionSimdTest, SharedMasks) {
  for (const float hidden : {-3.4e38f, -std::numeric_limits<float>::infinity()}) {
    AttentionProblem p = Plain(70, 90, 33);
    p.has_mask = true;
    p.mask_dtype = DType::kF32;
    p.mask_shape = {2, 1, 1, 90};
    std::mt19937 random(5);
    const Operands operands = MakeOperands(p, random);
    const auto mask = operands.tensors[3].Span<float>();
    std::fill(mask.begin() + 60, mask.begin() + 90, hidden);
    std::vector<TestTensor> presents;
    const auto expected =
        RunAttention(p, *MakeReference(AttentionVariants(), p), operands, presents, SerialFor());
    const double bound = AttentionErrorBound(p, 33 * 0.3 + 2, 33 * 0.3, 1);
    ForEachSimdTarget([&](const std::string&) {
      const auto got = RunAttention(p, *MakeSimd(p), operands, presents, ThreadedFor(2));
      for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], bound) << i;
    });
  }
}

TEST(AttentionSimdTest, NothingToDo) {
  ExpectLikeReference(Plain(0, 5, 8), 1);
  ExpectLikeReference(Plain(5, 0, 8), 2);
  AttentionProblem p = Plain(5, 7, 8);
  p.v_head = 0;
  ExpectLikeReference(p, 3);
}

TEST(AttentionSimdTest, RandomProblems) {
  for (uint32_t seed = 0; seed < 150; ++seed) {
    std::mt19937 random(seed);
    const auto any = [&](int64_t low, int64_t high) {
      return low + static_cast<int64_t>(random() % static_cast<uint32_t>(high - low + 1));
    };
    AttentionProblem p = Plain(any(0, 3) / 3 * 60 + any(1, 19), any(1, 90), any(1, 40));
    p.kv_heads = any(1, 3);
    p.q_heads = p.kv_heads * any(1, 4);
    p.v_head = any(1, 40);
    p.past_len = any(0, 1) * any(1, 70);
    p.q_packed = any(0, 1) == 1;
    p.k_packed = any(0, 1) == 1;
    p.v_packed = any(0, 1) == 1;
    p.softcap = any(0, 3) == 0 ? 1.5f : 0;
    p.causal = any(0, 1) == 1;
    if (any(0, 3) == 0) p.left_window = any(0, 9);
    if (any(0, 3) == 0) p.right_window = any(0, 9);
    p.has_nonpad = p.past_len == 0 && any(0, 3) == 0;
    p.has_mask = any(0, 1) == 1;
    p.mask_dtype = any(0, 1) == 1 ? DType::kBool : DType::kF32;
    const int64_t total = p.past_len + p.kv_len;
    const int64_t dims[] = {p.batch, p.q_heads, p.q_len, std::max<int64_t>(1, total - any(0, 2))};
    for (int64_t axis = any(0, 3); axis < 4; ++axis) {
      p.mask_shape.Append(any(0, 2) == 0 ? 1 : dims[axis]);
    }
    ExpectLikeReference(p, seed);
  }
}

TEST(AttentionSimdTest, RowsThatMayAttendNothingAreZero) {
  AttentionProblem p = Plain(6, 70, 9);
  p.has_mask = true;
  p.mask_shape = {6, 70};
  Operands operands;
  std::mt19937 random(1);
  operands = MakeOperands(p, random);
  const auto mask = operands.tensors[3].Span<bool>();
  std::fill(mask.begin() + 2 * 70, mask.begin() + 3 * 70, false);
  ForEachSimdTarget([&](const std::string&) {
    std::vector<TestTensor> presents;
    const auto y = RunAttention(p, *MakeSimd(p), operands, presents, ThreadedFor(2));
    for (size_t i = 2 * 9; i < 3 * 9; ++i) EXPECT_EQ(y[i], 0);
    EXPECT_NE(y[0], 0);
  });
}

void ExpectHiddenKeysToMatterNothing(int64_t q_len) {
  AttentionProblem p = Plain(q_len, 70, 9);
  p.has_mask = true;
  p.mask_shape = {70};
  std::mt19937 random(1);
  const Operands operands = MakeOperands(p, random);
  const auto mask = operands.tensors[3].Span<bool>();
  mask[40] = false;
  mask[0] = true;
  for (int64_t head = 0; head < 6; ++head) {
    operands.tensors[1].Span<float>()[static_cast<size_t>((head * 70 + 40) * 9)] = NAN;
    operands.tensors[2].Span<float>()[static_cast<size_t>((head * 70 + 40) * 9 + 3)] = NAN;
  }
  ForEachSimdTarget([&](const std::string&) {
    std::vector<TestTensor> presents;
    for (const float value : RunAttention(p, *MakeSimd(p), operands, presents, ThreadedFor(2))) {
      EXPECT_EQ(value, value);
    }
  });
}

TEST(AttentionSimdTest, MaskedKeysMayHoldAnything) {
  for (const int64_t q_len : {1, 6, 150}) ExpectHiddenKeysToMatterNothing(q_len);
}

TEST(AttentionSimdTest, DeclinesWhatItCannot) {
  const auto reason = [](const AttentionProblem& p) {
    return ExplainKernels(AttentionVariants(), p, MakeContext{}, SelectOptions{})[0].reason;
  };
  AttentionProblem p = Plain(2, 2, 2);
  EXPECT_EQ(reason(p), "");
  p.wants_scores = true;
  EXPECT_NE(reason(p), "");
  p = Plain(2, 2, kMaxAttentionHead + 1);
  EXPECT_NE(reason(p), "");
  p = Plain(2, 2, 2);
  p.dtype = DType::kF16;
  EXPECT_NE(reason(p), "");
}

}  // namespace
}  // namespace ergo
