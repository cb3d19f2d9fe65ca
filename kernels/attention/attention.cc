#include "kernels/attention/attention.h"

#include <array>
#include <limits>

#include "kernels/attention/attention_reference.h"
#include "kernels/attention/attention_simd.h"
#include "kernels/attention/variants_cuda.h"

namespace ergo {
namespace {

constexpr std::array kAttentionVariants = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, requires_, make)                         \
  KernelVariant<AttentionProblem>{{"attention", #name, Device::device, dtypes, layout, requires_}, \
                                  make},
#include "kernels/attention/attention_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

constexpr std::array kRotaryVariants = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, requires_, make) \
  KernelVariant<RotaryEmbeddingProblem>{                                   \
      {"rotary_embedding", #name, Device::device, dtypes, layout, requires_}, make},
#include "kernels/attention/rotary_embedding_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

constexpr std::array kLinearVariants = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, requires_, make) \
  KernelVariant<LinearAttentionProblem>{                                   \
      {"linear_attention", #name, Device::device, dtypes, layout, requires_}, make},
#include "kernels/attention/linear_attention_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

}  // namespace

std::span<const KernelVariant<AttentionProblem>> AttentionVariants() {
  return kAttentionVariants;
}
std::span<const KernelVariant<RotaryEmbeddingProblem>> RotaryEmbeddingVariants() {
  return kRotaryVariants;
}
std::span<const KernelVariant<LinearAttentionProblem>> LinearAttentionVariants() {
  return kLinearVariants;
}

KernelCost CostOf(const AttentionProblem& p) {
  const int64_t total = p.past_len + p.kv_len;
  const int64_t q = p.batch * p.q_heads * p.q_len * p.head;
  const int64_t kv = p.batch * p.kv_heads * total * (p.head + p.v_head);
  const int64_t y = p.batch * p.q_heads * p.q_len * p.v_head;
  return {2 * p.batch * p.q_heads * p.q_len * total * (p.head + p.v_head),
          DTypeBytes(p.dtype, q + kv), DTypeBytes(p.dtype, y)};
}

double AttentionErrorBound(const AttentionProblem& p, double largest_score, double score_magnitude,
                           double largest_value) {
  constexpr double kEpsilon = std::numeric_limits<float>::epsilon();
  const auto keys = static_cast<double>(p.past_len + p.kv_len);
  // A score is off by the rounding of its sum, of the functions after it and of the difference to
  // the largest; that is its weight's relative error, beside those of exp and of the sums.
  const double score = (static_cast<double>(p.head) + 2) * score_magnitude + 16 * largest_score;
  return 2 * kEpsilon * largest_value * (2 * score + keys + 16);
}

KernelCost CostOf(const RotaryEmbeddingProblem& p) {
  const int64_t elements = p.batch * p.heads * p.len * p.head;
  return {3 * p.batch * p.heads * p.len * p.rotary,
          DTypeBytes(p.dtype, elements + p.batch * p.len * p.rotary),
          DTypeBytes(p.dtype, elements)};
}

KernelCost CostOf(const LinearAttentionProblem& p) {
  const int64_t state = p.batch * p.kv_heads * p.head * p.v_head;
  const int64_t per_token = (p.delta ? 6 : 4) * state;
  const int64_t y = p.batch * p.len * p.q_heads * p.v_head;
  const int64_t qkv = p.batch * p.len * (p.q_heads * p.head + p.kv_heads * (p.head + p.v_head));
  return {p.len * per_token, DTypeBytes(p.dtype, qkv) + DTypeBytes(p.state_dtype, state),
          DTypeBytes(p.dtype, y) + DTypeBytes(p.state_dtype, state)};
}

}  // namespace ergo
