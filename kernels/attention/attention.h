// Attention: softmax(scale * Q K^T, softcapped, + mask) V per head, with grouped queries, causal
// and window masks, and a key/value cache in or out. ONNX Attention, opset 23 to 25.
//
// Operands (absent ones are empty views):
//   inputs  Q  f[batch, q_heads, q_len, head] or packed [batch, q_len, q_heads * head]
//           K  f[batch, kv_heads, kv_len, head] or packed
//           V  f[batch, kv_heads, kv_len, v_head] or packed
//           mask   bool or the float type, broadcast to [batch, q_heads, q_len, total]; its last
//                  dimension may be shorter than total: what is missing does not attend
//           past_key, past_value   [batch, kv_heads, past_len, head / v_head]
//           nonpad  i64[batch]: valid keys of each sample, when the cache is kept outside
//   outputs Y  as Q with v_head; present_key, present_value [batch, kv_heads, total, ...]; scores
//           [batch, q_heads, q_len, total] at the stage `scores_stage`
// total = past_len + kv_len. A query that may attend nothing gives a row of zeros.
//
// Arithmetic: the reference computes in double and rounds once. The SIMD variant computes in float,
// within AttentionErrorBound; its results do not depend on the number of workers.
// What a masked key or value holds does not matter, not even NaN, to the reference; to the SIMD
// variant as long as no query within kAttentionTileRows of it attends it either.
#ifndef ERGO_KERNELS_ATTENTION_ATTENTION_H_
#define ERGO_KERNELS_ATTENTION_ATTENTION_H_

#include <span>

#include "kernels/base/kernel.h"

namespace ergo {

struct AttentionProblem {
  DType dtype = DType::kF32;
  int64_t batch = 0;
  int64_t q_heads = 0, kv_heads = 0;  // q_heads is a multiple of kv_heads
  int64_t q_len = 0, kv_len = 0, past_len = 0;
  int64_t head = 0, v_head = 0;
  bool q_packed = false, k_packed = false, v_packed = false;  // Y is packed as Q is
  float scale = 1;
  float softcap = 0;  // 0: none
  bool causal = false;
  int64_t left_window = -1, right_window = -1;  // -1: unbounded
  bool has_mask = false, has_nonpad = false;
  DType mask_dtype = DType::kBool;
  Shape mask_shape;
  bool wants_scores = false;  // at the stage:
  enum class ScoresStage { kRaw = 0, kSoftcapped = 1, kMasked = 2, kProbabilities = 3 };
  ScoresStage scores_stage = ScoresStage::kRaw;
};

KernelCost CostOf(const AttentionProblem& problem);
std::span<const KernelVariant<AttentionProblem>> AttentionVariants();

// |error| of one element of Y of the SIMD variant, where no |score| (with mask and softcap) is
// above `largest_score`, the sum of |scale q k| over a head not above `score_magnitude`, and no
// |value| above `largest_value`.
double AttentionErrorBound(const AttentionProblem& problem, double largest_score,
                           double score_magnitude, double largest_value);

// Rotary position embedding (Su et al., RoFormer, 2021): rotates pairs of each head's first
// `rotary` elements by the angle of the token's position. ONNX RotaryEmbedding, opset 23.
//   inputs  X  f[batch, heads, len, head] or packed [batch, len, heads * head]
//           cos, sin  [positions, rotary / 2] with position_ids, else [batch, len, rotary / 2]
//           position_ids  i64[batch, len] or absent; the caller has checked nothing about them, so
//                  ids outside the cache are clamped into it
//   output  Y as X
struct RotaryEmbeddingProblem {
  DType dtype = DType::kF32;
  int64_t batch = 0, heads = 0, len = 0, head = 0, rotary = 0;
  bool packed = false;
  bool interleaved = false;  // pairs are neighbours, else halves
  bool has_positions = false;
  int64_t positions = 0;  // rows of the cache
};

KernelCost CostOf(const RotaryEmbeddingProblem& problem);
std::span<const KernelVariant<RotaryEmbeddingProblem>> RotaryEmbeddingVariants();

// Linear attention with a recurrent state S[head, v_head] per key/value head. ONNX LinearAttention,
// opset 27: for each token S = exp(g) S + beta k (v - exp(g) S^T k) (rule gated_delta; the other
// rules leave out gate or correction) and y = scale S^T q.
//   inputs  Q, K, V packed [batch, len, heads * ...]; past_state [batch, kv_heads, head, v_head] or
//           absent; decay [batch, len, kv_heads * head] or [batch, len, kv_heads]; beta [batch,
//           len, kv_heads] or [batch, len, 1]
//   outputs Y [batch, len, q_heads * v_head], present_state
struct LinearAttentionProblem {
  DType dtype = DType::kF32, state_dtype = DType::kF32;
  int64_t batch = 0, len = 0;
  int64_t q_heads = 0, kv_heads = 0;
  int64_t head = 0, v_head = 0;
  float scale = 1;
  bool has_past = false;
  bool gated = false, delta = false;
  bool decay_per_key = false;  // one number a key dimension, else one a head
  bool beta_per_head = false;  // else one for all heads
};

KernelCost CostOf(const LinearAttentionProblem& problem);
std::span<const KernelVariant<LinearAttentionProblem>> LinearAttentionVariants();

}  // namespace ergo

#endif  // ERGO_KERNELS_ATTENTION_ATTENTION_H_
