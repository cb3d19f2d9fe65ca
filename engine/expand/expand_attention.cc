// The attentions of com.microsoft as ai.onnx.Attention, and rotary embeddings in their operand
// order. Definitions: ONNX Runtime, docs/ContribOperators.md; masks as in attention_helper.h there.
#include <array>

#include "engine/expand/expand_context.h"
#include "engine/graph/limits.h"

namespace ergo {
namespace {

// Int64 scalars and vectors of one are told apart by nobody but Range.
ValueId AsScalar(ExpandContext& context, ValueId one) {
  return context.Emit("Squeeze", {one});
}

// 0 to count, an int64 vector of one.
ValueId Counting(ExpandContext& context, ValueId count) {
  return context.Emit("Range", {context.Int(0), AsScalar(context, count), context.Int(1)});
}

ValueId Unsqueezed(ExpandContext& context, ValueId x, std::initializer_list<int64_t> axes) {
  return context.Emit("Unsqueeze", {x, context.Ints(axes)});
}

Status Refuse(const ExpandContext& context, std::initializer_list<std::string_view> attributes) {
  for (const std::string_view name : attributes) {
    if (context.GetNode().IntAttr(name, 0) != 0)
      return InvalidArgument("{} is not supported", name);
  }
  return {};
}

// What is added to the scores, [batch or 1, 1, q_len or 1, kv_len]: the filter value where the mask
// says so. Masks are [batch, kv_len] or [batch, q_len, kv_len] of 0 and 1, or [batch] of where each
// sequence ends, or [2 * batch] of ends and then starts.
Result<ValueId> AdditiveMask(ExpandContext& context, ValueId mask, ValueId batch, ValueId kv_len,
                             DType dtype) {
  ERGO_ASSIGN_OR_RETURN(const int rank, context.Rank(mask));
  const ValueId filter =
      context.Scalar(dtype, context.GetNode().FloatAttr("mask_filter_value", -10000.0f));
  const ValueId none = context.Scalar(dtype, 0);
  if (rank == 2 || rank == 3) {
    const ValueId seen = context.Emit("Greater", {mask, context.Scalar(context.TypeOf(mask), 0)});
    const ValueId wide =
        rank == 2 ? Unsqueezed(context, seen, {1, 2}) : Unsqueezed(context, seen, {1});
    return context.Emit("Where", {wide, none, filter});
  }
  if (rank != 1) return InvalidArgument("a mask of rank {}", rank);
  ERGO_ASSIGN_OR_RETURN(const int64_t count, context.Extent(mask, 0));
  ERGO_ASSIGN_OR_RETURN(const int64_t sequences, context.Extent(context.Input(0), 0));
  if (count != sequences && count != 2 * sequences) {
    return InvalidArgument("{} positions for {} sequences", count, sequences);
  }
  const ValueId positions = Unsqueezed(context, context.Cast(mask, DType::kI64), {1, 2, 3});
  const ValueId key = Counting(context, kv_len);
  const ValueId ends = context.Emit("Slice", {positions, context.Ints({0}), batch});
  ValueId seen = context.Emit("Less", {key, ends});
  if (count != sequences) {
    const ValueId starts = context.Emit("Slice", {positions, batch, context.Ints({2 * sequences})});
    seen = context.Emit("And", {seen, context.Emit("GreaterOrEqual", {key, starts})});
  }
  return context.Emit("Where", {seen, none, filter});
}

// ai.onnx.Attention with results `outputs`: Y, present key, present value.
struct AttentionOperands {
  ValueId q = kNoValue, k = kNoValue, v = kNoValue, mask = kNoValue;
  ValueId past_key = kNoValue, past_value = kNoValue;
};

void EmitAttention(ExpandContext& context, const AttentionOperands& x, int64_t q_heads,
                   int64_t kv_heads, bool causal, std::vector<ValueId> outputs) {
  const Node& node = context.GetNode();
  ExpandContext::Attributes attributes = {
      {"q_num_heads", q_heads}, {"kv_num_heads", kv_heads}, {"is_causal", int64_t{causal}}};
  if (const float scale = node.FloatAttr("scale", 0); scale != 0) attributes["scale"] = scale;
  if (const float cap = node.FloatAttr("softcap", 0); cap != 0) attributes["softcap"] = cap;
  context.EmitTo("", "Attention", std::array{x.q, x.k, x.v, x.mask, x.past_key, x.past_value},
                 std::move(outputs), std::move(attributes));
}

// The mask of input `mask_input` and the bias of input `bias_input`, summed up; none where neither
// is there. `k` is [batch, len, ...] or, if `heads_first`, [batch, heads, len, width].
Result<ValueId> MaskAndBias(ExpandContext& context, size_t mask_input, size_t bias_input,
                            const AttentionOperands& x, bool heads_first) {
  const ValueId bias = context.HasInput(bias_input) ? context.Input(bias_input) : kNoValue;
  if (!context.HasInput(mask_input)) return bias;
  ValueId kv_len = context.ExtentOf(x.k, heads_first ? 2 : 1);
  if (x.past_key != kNoValue) {
    kv_len = context.Emit("Add", {kv_len, context.ExtentOf(x.past_key, 2)});
  }
  ERGO_ASSIGN_OR_RETURN(const ValueId mask,
                        AdditiveMask(context, context.Input(mask_input), context.ExtentOf(x.q, 0),
                                     kv_len, context.TypeOf(x.q)));
  return bias == kNoValue ? mask : context.Emit("Add", {mask, bias});
}

ValueId SplitSizes(ExpandContext& context, const std::array<int64_t, 3>& sizes) {
  return context.Ints({sizes[0], sizes[1], sizes[2]});
}

std::array<ValueId, 3> SplitLast(ExpandContext& context, ValueId x,
                                 const std::array<int64_t, 3>& sizes) {
  const std::array parts = {context.NewValue("q"), context.NewValue("k"), context.NewValue("v")};
  context.EmitTo("", "Split", std::array{x, SplitSizes(context, sizes)},
                 {parts.begin(), parts.end()}, {{"axis", int64_t{-1}}});
  return parts;
}

// Which inputs of an operator are the mask, the past [2, batch, heads, past, head] and the bias of
// the scores.
struct AttentionInputs {
  size_t mask, past, bias;
};
constexpr size_t kNoInput = kMaxNodeOperands;

// Attention of `product`, [batch, len, q + k + v].
Status AttendProduct(ExpandContext& context, ValueId product, const AttentionInputs& inputs) {
  const Node& node = context.GetNode();
  ERGO_RETURN_IF_ERROR(Refuse(context, {"do_rotary", "past_present_share_buffer"}));
  const int64_t heads = node.IntAttr("num_heads", 0);
  ERGO_ASSIGN_OR_RETURN(const int64_t width, context.Extent(context.Input(1), 1));
  std::array<int64_t, 3> sizes = {width / 3, width / 3, width / 3};
  if (const auto* given = node.IntsAttr("qkv_hidden_sizes"); given != nullptr && !given->empty()) {
    if (given->size() != 3) return InvalidArgument("{} qkv_hidden_sizes", given->size());
    std::ranges::copy(*given, sizes.begin());
  }
  if (context.HasInput(2)) product = context.Emit("Add", {product, context.Input(2)});
  AttentionOperands x;
  const auto parts = SplitLast(context, product, sizes);
  x.q = parts[0];
  x.k = parts[1];
  x.v = parts[2];
  if (context.HasInput(inputs.past)) {
    x.past_key = context.Emit("Gather", {context.Input(inputs.past), context.Int(0)});
    x.past_value = context.Emit("Gather", {context.Input(inputs.past), context.Int(1)});
  }
  ERGO_ASSIGN_OR_RETURN(x.mask, MaskAndBias(context, inputs.mask, inputs.bias, x, false));
  const bool causal = node.IntAttr("unidirectional", 0) != 0;
  if (!context.HasOutput(1)) {
    EmitAttention(context, x, heads, heads, causal, {node.Output(0)});
    return {};
  }
  const std::array present = {context.NewValue("present_key"), context.NewValue("present_value")};
  EmitAttention(context, x, heads, heads, causal, {node.Output(0), present[0], present[1]});
  context.Output(
      1, context.Emit("Concat",
                      {Unsqueezed(context, present[0], {0}), Unsqueezed(context, present[1], {0})},
                      {{"axis", int64_t{0}}}));
  return {};
}

// Inputs: X [batch, len, width], W [width, q + k + v], bias?, mask?, past?, attention bias?.
Status ExpandAttention(ExpandContext& context) {
  ERGO_RETURN_IF_ERROR(context.CheckFloat(0));
  const ValueId product = context.Emit("MatMul", {context.Input(0), context.Input(1)});
  return AttendProduct(context, product, {3, 4, 5});
}

// Inputs: X and W of 8 bits, bias, both scales, mask?, both zero points?, past?.
Status ExpandQAttention(ExpandContext& context) {
  const ValueId x =
      context.Emit("DequantizeLinear", {context.Input(0), context.Input(3), context.Input(6)});
  const ValueId w =
      context.Emit("DequantizeLinear", {context.Input(1), context.Input(4), context.Input(7)},
                   {{"axis", int64_t{1}}});
  return AttendProduct(context, context.Emit("MatMul", {x, w}), {5, 8, kNoInput});
}

// [batch, len, heads, count, head]: part `i` of `count`, as [batch, len, heads * head].
ValueId UnpackPart(ExpandContext& context, ValueId packed, int64_t i) {
  const ValueId part = context.Emit("Gather", {packed, context.Int(i)}, {{"axis", int64_t{3}}});
  return context.Reshape(part, {0, 0, -1});
}

// Q, K and V from inputs 0 to 2, which may be packed; [batch, len, width], or K and V [batch,
// heads, len, head] (of cross attention).
Result<AttentionOperands> UnpackOperands(ExpandContext& context) {
  AttentionOperands x;
  ERGO_ASSIGN_OR_RETURN(const int q_rank, context.Rank(context.Input(0)));
  if (!context.HasInput(1)) {
    if (q_rank != 5) return InvalidArgument("a query of rank {} without key and value", q_rank);
    x.q = UnpackPart(context, context.Input(0), 0);
    x.k = UnpackPart(context, context.Input(0), 1);
    x.v = UnpackPart(context, context.Input(0), 2);
    return x;
  }
  x.q = context.Input(0);
  if (!context.HasInput(2)) {
    x.k = UnpackPart(context, context.Input(1), 0);
    x.v = UnpackPart(context, context.Input(1), 1);
    return x;
  }
  x.k = context.Input(1);
  x.v = context.Input(2);
  return x;
}

// Inputs: query, key?, value?, bias?, key padding mask?, attention bias?, past key?, past value?.
Status ExpandMultiHeadAttention(ExpandContext& context) {
  const Node& node = context.GetNode();
  const int64_t heads = node.IntAttr("num_heads", 0);
  ERGO_RETURN_IF_ERROR(context.CheckFloat(0));
  if (context.HasInput(8) || context.HasInput(9)) {
    return InvalidArgument("caches of beams are not supported");
  }
  ERGO_ASSIGN_OR_RETURN(AttentionOperands x, UnpackOperands(context));
  ERGO_ASSIGN_OR_RETURN(const int k_rank, context.Rank(x.k));
  const bool heads_first = k_rank == 4;
  if (context.HasInput(3)) {
    ERGO_ASSIGN_OR_RETURN(const int64_t q_width, context.Extent(x.q, -1));
    ERGO_ASSIGN_OR_RETURN(const int64_t width, context.Extent(context.Input(3), 0));
    const auto parts =
        SplitLast(context, context.Input(3), {q_width, q_width, width - 2 * q_width});
    x.q = context.Emit("Add", {x.q, parts[0]});
    if (!heads_first) {
      x.k = context.Emit("Add", {x.k, parts[1]});
      x.v = context.Emit("Add", {x.v, parts[2]});
    }
  }
  if (context.HasInput(6)) x.past_key = context.Input(6);
  if (context.HasInput(7)) x.past_value = context.Input(7);
  ERGO_ASSIGN_OR_RETURN(x.mask, MaskAndBias(context, 4, 5, x, heads_first));
  EmitAttention(context, x, heads, heads, node.IntAttr("unidirectional", 0) != 0,
                {node.Output(0), node.Output(1), node.Output(2)});
  return {};
}

// Inputs: X, positions ([batch, len], or one that the first token has), cosines, sines.
Status ExpandRotaryEmbedding(ExpandContext& context) {
  const Node& node = context.GetNode();
  ERGO_RETURN_IF_ERROR(Refuse(context, {"is_packed_batching"}));
  if (node.FloatAttr("scale", 1) != 1) return InvalidArgument("scale is not supported");
  const ValueId x = context.Input(0);
  ERGO_ASSIGN_OR_RETURN(const int rank, context.Rank(x));
  ERGO_ASSIGN_OR_RETURN(const int position_rank, context.Rank(context.Input(1)));
  ERGO_ASSIGN_OR_RETURN(const int64_t half, context.Extent(context.Input(2), 1));
  int64_t heads = node.IntAttr("num_heads", 0);
  if (rank == 3 && heads == 0) {
    ERGO_ASSIGN_OR_RETURN(const int64_t width, context.Extent(x, 2));
    if (half == 0 || width % (2 * half) != 0) {
      return InvalidArgument("{} numbers in heads of {}", width, 2 * half);
    }
    heads = width / (2 * half);
  }
  ValueId positions = context.Input(1);
  if (position_rank < 2) {
    const ValueId len = context.ExtentOf(x, rank == 3 ? 1 : 2);
    const ValueId row = context.Emit("Add", {Counting(context, len), positions});
    const ValueId dims =
        context.Emit("Concat", {context.ExtentOf(x, 0), len}, {{"axis", int64_t{0}}});
    positions = context.Emit("Expand", {row, dims});
  }
  context.Output(0,
                 context.Emit("RotaryEmbedding", {x, context.Input(2), context.Input(3), positions},
                              {{"num_heads", heads},
                               {"interleaved", node.IntAttr("interleaved", 0)},
                               {"rotary_embedding_dim", 2 * half}}));
  return {};
}

constexpr Expander kExpanders[] = {
    {"com.microsoft", "Attention", ExpandAttention},
    {"com.microsoft", "MultiHeadAttention", ExpandMultiHeadAttention},
    {"com.microsoft", "QAttention", ExpandQAttention},
    {"com.microsoft", "RotaryEmbedding", ExpandRotaryEmbedding},
};

}  // namespace

std::span<const Expander> AttentionExpanders() {
  return kExpanders;
}

}  // namespace ergo
