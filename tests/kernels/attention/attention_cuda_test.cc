// Attention on the emulated GPU against the reference: layouts, groups, caches, masks, windows.
#include <gtest/gtest.h>

#include "kernels/attention/attention.h"
#include "tests/emulator/cuda_testing.h"

namespace ergo {
namespace {

using namespace ergo::testing;

Shape Layout(bool packed, int64_t batch, int64_t heads, int64_t len, int64_t width) {
  return packed ? Shape{batch, len, heads * width} : Shape{batch, heads, len, width};
}

AttentionProblem DrawProblem(std::mt19937& random) {
  const auto draw = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  AttentionProblem p;
  constexpr DType kTypes[] = {DType::kF32, DType::kF32, DType::kF16, DType::kBF16};
  p.dtype = kTypes[draw(0, 3)];
  p.batch = draw(1, 2);
  p.kv_heads = draw(1, 2);
  p.q_heads = p.kv_heads * draw(1, 3);
  p.q_len = draw(1, 9);
  p.kv_len = draw(1, 2) == 1 ? draw(1, 8) : draw(30, 70);
  p.past_len = draw(0, 2) == 0 ? draw(1, 40) : 0;
  p.head = draw(0, 3) == 0 ? 200 : draw(1, 40);
  p.v_head = draw(0, 1) == 0 ? p.head : draw(1, 70);
  p.q_packed = draw(0, 1) == 1;
  p.k_packed = draw(0, 1) == 1;
  p.v_packed = draw(0, 1) == 1;
  p.scale = 0.3f;
  if (draw(0, 3) == 0) p.softcap = 2;
  p.causal = draw(0, 1) == 1;
  if (draw(0, 3) == 0) p.left_window = draw(0, 20);
  if (draw(0, 3) == 0) p.right_window = draw(0, 20);
  const int64_t total = p.past_len + p.kv_len;
  p.has_mask = draw(0, 1) == 1;
  p.mask_dtype = draw(0, 1) == 1 ? DType::kBool : p.dtype;
  p.mask_shape = draw(0, 1) == 1 ? Shape{p.batch, 1, p.q_len, total} : Shape{p.q_len, total};
  if (draw(0, 3) == 0) p.mask_shape = Shape{p.batch, p.q_heads, 1, std::max<int64_t>(total - 1, 1)};
  p.has_nonpad = p.past_len == 0 && draw(0, 3) == 0;
  return p;
}

void CheckAttention(CudaBench& bench, const AttentionProblem& p, std::mt19937& random) {
  std::vector<TestTensor> tensors;
  std::vector<TensorView> inputs;
  const auto add = [&](bool present, DType dtype, const Shape& shape, double low, double high) {
    inputs.emplace_back();
    if (!present) return;
    tensors.emplace_back(dtype, shape);
    tensors.back().FillUniform(random, low, high);
    inputs.back() = tensors.back().View();
  };
  add(true, p.dtype, Layout(p.q_packed, p.batch, p.q_heads, p.q_len, p.head), -1, 1);
  add(true, p.dtype, Layout(p.k_packed, p.batch, p.kv_heads, p.kv_len, p.head), -1, 1);
  add(true, p.dtype, Layout(p.v_packed, p.batch, p.kv_heads, p.kv_len, p.v_head), -1, 1);
  add(p.has_mask, p.mask_dtype, p.mask_shape, -2, 2);
  add(p.past_len > 0, p.dtype, {p.batch, p.kv_heads, p.past_len, p.head}, -1, 1);
  add(p.past_len > 0, p.dtype, {p.batch, p.kv_heads, p.past_len, p.v_head}, -1, 1);
  add(p.has_nonpad, DType::kI64, {p.batch}, 0, static_cast<double>(p.kv_len));
  const int64_t total = p.past_len + p.kv_len;
  const Shape shapes[] = {Layout(p.q_packed, p.batch, p.q_heads, p.q_len, p.v_head),
                          {p.batch, p.kv_heads, total, p.head},
                          {p.batch, p.kv_heads, total, p.v_head}};
  std::vector<TestTensor> got, expected;
  std::vector<MutableTensorView> got_views, expected_views;
  for (const Shape& shape : shapes) {
    got.emplace_back(p.dtype, shape);
    expected.emplace_back(p.dtype, shape);
    got_views.push_back(got.back().View());
    expected_views.push_back(expected.back().View());
  }
  const auto kernel = bench.Make(AttentionVariants(), p);
  ASSERT_TRUE(kernel);
  bench.Run(*kernel, inputs, got_views);
  RunReference(AttentionVariants(), p, inputs, expected_views);
  for (size_t i = 1; i < 3; ++i) {
    EXPECT_EQ(std::memcmp(got_views[i].data, expected_views[i].data,
                          static_cast<size_t>(got_views[i].Bytes())),
              0);
  }
  EXPECT_TRUE(got[0].GuardIntact());
  const double magnitude = static_cast<double>(p.head) * static_cast<double>(p.scale);
  const double of_type = p.dtype == DType::kF32 ? 0 : p.dtype == DType::kF16 ? 0x1p-10 : 0x1p-7;
  const double bound = AttentionErrorBound(p, magnitude + 2, magnitude, 1) + of_type;
  for (size_t i = 0; i < static_cast<size_t>(shapes[0].Elements()); ++i) {
    VisitDType(p.dtype, [&]<typename T>(TypeTag<T>) {
      EXPECT_NEAR(ToDouble(got[0].Span<T>()[i]), ToDouble(expected[0].Span<T>()[i]), bound) << i;
      return 0;
    });
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(AttentionCudaTest, LikeTheReference) {
  CudaBench bench;
  for (uint32_t seed = 1; seed <= 80; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937 random(seed);
    CheckAttention(bench, DrawProblem(random), random);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace ergo
