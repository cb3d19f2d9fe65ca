#include <array>
#include <cmath>

#include "engine/graph/op_schema.h"
#include "engine/plan/lowering.h"
#include "kernels/attention/attention.h"
#include "kernels/attention/kv_cache.h"

namespace ergo {
namespace {

struct Unpacked {
  int64_t batch, heads, len, width;
  bool packed;
};

Result<Unpacked> Unpack(const Shape& shape, int64_t heads) {
  if (shape.Rank() == 4) return Unpacked{shape[0], shape[1], shape[2], shape[3], false};
  if (shape.Rank() != 3 || heads <= 0 || shape[2] % heads != 0) {
    return InvalidArgument("{} is not [batch, heads, len, width], nor packed for {} heads",
                           shape.ToString(), heads);
  }
  return Unpacked{shape[0], heads, shape[1], shape[2] / heads, true};
}

Status CheckAttention(const LowerContext& context, const AttentionProblem& p, const Unpacked& k,
                      const Unpacked& v) {
  if (p.kv_heads <= 0 || p.q_heads % p.kv_heads != 0) {
    return InvalidArgument("{} query heads for {} key heads", p.q_heads, p.kv_heads);
  }
  if (k.batch != p.batch || v.batch != p.batch || k.width != p.head || v.heads != p.kv_heads ||
      v.len != k.len) {
    return InvalidArgument("Q {}, K {} and V {} do not fit", context.InputShape(0).ToString(),
                           context.InputShape(1).ToString(), context.InputShape(2).ToString());
  }
  if (context.HasInput(4) != context.HasInput(5)) {
    return InvalidArgument("past_key and past_value go together");
  }
  if (context.HasInput(4)) {
    const Shape key{p.batch, p.kv_heads, p.past_len, p.head};
    const Shape value{p.batch, p.kv_heads, p.past_len, p.v_head};
    if (!(context.InputShape(4) == key) || !(context.InputShape(5) == value)) {
      return InvalidArgument("the past is {} and {}, expected {} and {}",
                             context.InputShape(4).ToString(), context.InputShape(5).ToString(),
                             key.ToString(), value.ToString());
    }
  }
  if (p.has_nonpad && !(context.InputShape(6) == Shape{p.batch})) {
    return InvalidArgument("nonpad_kv_seqlen is {}, expected [{}]",
                           context.InputShape(6).ToString(), p.batch);
  }
  const std::array<int64_t, 3> leading = {p.batch, p.q_heads, p.q_len};
  const int rank = p.mask_shape.Rank();
  bool fits = rank <= 4;
  for (int axis = 0; p.has_mask && fits && axis < rank - 1; ++axis) {
    const int64_t dim = p.mask_shape[axis];
    fits = dim == 1 || dim == leading[static_cast<size_t>(4 - rank + axis)];
  }
  if (!fits) return InvalidArgument("the mask {} does not broadcast", p.mask_shape.ToString());
  return {};
}

Status LowerAttention(LowerContext& context) {
  const Node& node = context.GetNode();
  const int64_t kv_heads = node.IntAttr("kv_num_heads", 0);
  ERGO_ASSIGN_OR_RETURN(const Unpacked q,
                        Unpack(context.InputShape(0), node.IntAttr("q_num_heads", 0)));
  ERGO_ASSIGN_OR_RETURN(const Unpacked k, Unpack(context.InputShape(1), kv_heads));
  ERGO_ASSIGN_OR_RETURN(const Unpacked v, Unpack(context.InputShape(2), kv_heads));
  AttentionProblem p;
  p.dtype = context.InputType(0);
  p.batch = q.batch;
  p.q_heads = q.heads;
  p.kv_heads = k.heads;
  p.q_len = q.len;
  p.kv_len = k.len;
  p.head = q.width;
  p.v_head = v.width;
  p.q_packed = q.packed;
  p.k_packed = k.packed;
  p.v_packed = v.packed;
  if (context.HasInput(4)) p.past_len = context.InputShape(4)[2];
  const auto width = static_cast<float>(q.width);
  p.scale = node.FloatAttr("scale", 1.0f / std::sqrt(width));
  p.softcap = node.FloatAttr("softcap", 0);
  p.causal = node.IntAttr("is_causal", 0) != 0;
  p.left_window = node.IntAttr("left_window_size", -1);
  p.right_window = node.IntAttr("right_window_size", -1);
  p.has_nonpad = context.HasInput(6);
  if (context.HasInput(3)) {
    p.has_mask = true;
    p.mask_dtype = context.InputType(3);
    p.mask_shape = context.InputShape(3);
  }
  p.wants_scores = context.HasOutput(3);
  const int64_t stage = node.IntAttr("qk_matmul_output_mode", 0);
  if (stage < 0 || stage > 3) return InvalidArgument("qk_matmul_output_mode is {}", stage);
  p.scores_stage = static_cast<AttentionProblem::ScoresStage>(stage);
  ERGO_RETURN_IF_ERROR(CheckAttention(context, p, k, v));
  return context.Emit(AttentionVariants(), p, {In(0), In(1), In(2), In(3), In(4), In(5), In(6)},
                      {Out(0), Out(1), Out(2), Out(3)});
}

Status LowerRotaryEmbedding(LowerContext& context) {
  const Node& node = context.GetNode();
  ERGO_ASSIGN_OR_RETURN(const Unpacked x,
                        Unpack(context.InputShape(0), node.IntAttr("num_heads", 0)));
  RotaryEmbeddingProblem p;
  p.dtype = context.InputType(0);
  p.batch = x.batch;
  p.heads = x.heads;
  p.len = x.len;
  p.head = x.width;
  p.packed = x.packed;
  p.rotary = node.IntAttr("rotary_embedding_dim", 0);
  if (p.rotary == 0) p.rotary = p.head;
  p.interleaved = node.IntAttr("interleaved", 0) != 0;
  p.has_positions = context.HasInput(3);
  const Shape& cache = context.InputShape(1);
  p.positions = cache[0];
  const Shape expected =
      p.has_positions ? Shape{p.positions, p.rotary / 2} : Shape{p.batch, p.len, p.rotary / 2};
  if (p.rotary % 2 != 0 || p.rotary > p.head || !(cache == expected) ||
      !(context.InputShape(2) == expected) || (p.has_positions && p.positions == 0)) {
    return InvalidArgument("caches {} and {}, expected {}", cache.ToString(),
                           context.InputShape(2).ToString(), expected.ToString());
  }
  if (p.has_positions && !(context.InputShape(3) == Shape{p.batch, p.len})) {
    return InvalidArgument("position_ids {}", context.InputShape(3).ToString());
  }
  return context.Emit(RotaryEmbeddingVariants(), p, {In(0), In(1), In(2), In(3)}, {Out(0)});
}

Status LowerLinearAttention(LowerContext& context) {
  const Node& node = context.GetNode();
  LinearAttentionProblem p;
  p.dtype = context.InputType(0);
  p.q_heads = node.IntAttr("q_num_heads", 0);
  p.kv_heads = node.IntAttr("kv_num_heads", 0);
  ERGO_ASSIGN_OR_RETURN(const Unpacked q, Unpack(context.InputShape(0), p.q_heads));
  ERGO_ASSIGN_OR_RETURN(const Unpacked k, Unpack(context.InputShape(1), p.kv_heads));
  ERGO_ASSIGN_OR_RETURN(const Unpacked v, Unpack(context.InputShape(2), p.kv_heads));
  p.batch = q.batch;
  p.len = q.len;
  p.head = q.width;
  p.v_head = v.width;
  const std::string rule = node.StringAttr("update_rule", "gated_delta");
  p.gated = rule == "gated" || rule == "gated_delta";
  p.delta = rule == "delta" || rule == "gated_delta";
  if (!p.gated && !p.delta && rule != "linear") return InvalidArgument("update_rule '{}'", rule);
  p.scale = node.FloatAttr("scale", 0);
  if (p.scale == 0) p.scale = 1.0f / std::sqrt(static_cast<float>(p.head));
  p.has_past = context.HasInput(3);
  p.state_dtype = p.has_past ? context.InputType(3) : p.dtype;
  const Shape state{p.batch, p.kv_heads, p.head, p.v_head};
  const bool fits = p.q_heads % p.kv_heads == 0 && k.batch == p.batch && v.batch == p.batch &&
                    k.len == p.len && v.len == p.len && k.width == p.head &&
                    (!p.has_past || context.InputShape(3) == state);
  if (!fits) return InvalidArgument("query, key, value and state do not fit");
  if (p.gated) {
    if (!context.HasInput(4)) return InvalidArgument("rule {} needs decay", rule);
    p.decay_per_key = context.InputShape(4)[2] == p.kv_heads * p.head;
    if (!p.decay_per_key && context.InputShape(4)[2] != p.kv_heads) {
      return InvalidArgument("decay {}", context.InputShape(4).ToString());
    }
  }
  if (p.delta) {
    if (!context.HasInput(5)) return InvalidArgument("rule {} needs beta", rule);
    p.beta_per_head = context.InputShape(5)[2] == p.kv_heads;
    if (!p.beta_per_head && context.InputShape(5)[2] != 1) {
      return InvalidArgument("beta {}", context.InputShape(5).ToString());
    }
  }
  return context.Emit(LinearAttentionVariants(), p, {In(0), In(1), In(2), In(3), In(4), In(5)},
                      {Out(0), Out(1)});
}

Status LowerCausalConv(LowerContext& context) {
  const Shape& x = context.InputShape(0);
  const Shape& w = context.InputShape(1);
  if (x.Rank() != 3 || w.Rank() != 3 || w[0] != x[1] || w[1] != 1 || w[2] < 1) {
    return InvalidArgument("input {} and weight {} do not fit", x.ToString(), w.ToString());
  }
  CausalConvProblem p;
  p.dtype = context.InputType(0);
  p.batch = x[0];
  p.channels = x[1];
  p.length = x[2];
  p.taps = w[2];
  const std::string activation = context.GetNode().StringAttr("activation", "none");
  p.silu = activation == "silu" || activation == "swish";
  if (!p.silu && activation != "none") return InvalidArgument("activation '{}'", activation);
  p.has_past = context.HasInput(3);
  if (p.has_past && !(context.InputShape(3) == Shape{p.batch, p.channels, p.taps - 1})) {
    return InvalidArgument("past_state {}", context.InputShape(3).ToString());
  }
  return context.Emit(CausalConvVariants(), p, {In(0), In(1), In(2), In(3)}, {Out(0), Out(1)});
}

Status LowerTensorScatter(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& cache = context.InputShape(0);
  const Shape& update = context.InputShape(1);
  ERGO_ASSIGN_OR_RETURN(const int axis, NormalizeAxis(node.IntAttr("axis", -2), cache.Rank()));
  TensorScatterProblem p;
  p.dtype = context.InputType(0);
  p.circular = node.StringAttr("mode", "linear") == "circular";
  bool fits = axis > 0 && update.Rank() == cache.Rank();
  for (int i = 0; fits && i < cache.Rank(); ++i) {
    fits = i == axis ? update[i] <= cache[i] : update[i] == cache[i];
  }
  if (!fits) {
    return InvalidArgument("update {} does not fit cache {}", update.ToString(), cache.ToString());
  }
  p.batch = cache[0];
  p.outer = cache.Elements(1, axis);
  p.cache_len = cache[axis];
  p.update_len = update[axis];
  p.inner = cache.Elements(axis + 1, cache.Rank());
  return context.Emit(TensorScatterVariants(), p, {In(0), In(1), In(2)}, {Out(0)});
}

constexpr std::array kLowerings = {
    Lowering{"", "Attention", LowerAttention},
    Lowering{"", "RotaryEmbedding", LowerRotaryEmbedding},
    Lowering{"", "LinearAttention", LowerLinearAttention},
    Lowering{"", "CausalConvWithState", LowerCausalConv},
    Lowering{"", "TensorScatter", LowerTensorScatter},
};

}  // namespace

std::span<const Lowering> AttentionLowerings() {
  return kLowerings;
}

}  // namespace ergo
