// FlexAttention of ai.onnx.preview: attention whose scores and probabilities go through graphs that
// the model brings along. Definition: ONNX, ai.onnx.preview, FlexAttention-1.
#include <array>
#include <cmath>

#include "engine/expand/expand_context.h"
#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

// [batch, kv_heads, len, width] with each head `repeat` times in a row.
ValueId RepeatHeads(ExpandContext& context, ValueId x, int64_t heads, int64_t repeat,
                    int64_t width) {
  if (repeat == 1) return x;
  const ValueId apart = context.Emit("Unsqueeze", {x, context.Ints({2})});
  const ValueId repeated = context.Emit("Expand", {apart, context.Ints({1, 1, repeat, 1, 1})});
  const ValueId length = context.ExtentOf(x, 2);
  const ValueId dims =
      context.Emit("Concat", {context.Ints({0, heads * repeat}), length, context.Ints({width})},
                   {{"axis", int64_t{0}}});
  return context.Emit("Reshape", {repeated, dims});
}

Result<ValueId> Modified(ExpandContext& context, std::string_view attribute, ValueId x) {
  if (context.GetNode().SubgraphAttr(attribute) == nullptr) return x;
  ERGO_ASSIGN_OR_RETURN(const std::vector<ValueId> results, context.Inline(attribute, {x}));
  if (results.size() != 1) {
    return InvalidArgument("{} has {} outputs, not 1", attribute, results.size());
  }
  return results[0];
}

Status ExpandFlexAttention(ExpandContext& context) {
  const Node& node = context.GetNode();
  ERGO_RETURN_IF_ERROR(context.CheckFloat(0));
  const ValueId q = context.Input(0), k = context.Input(1), v = context.Input(2);
  for (const ValueId id : {q, k, v}) {
    ERGO_ASSIGN_OR_RETURN(const int rank, context.Rank(id));
    if (rank != 4) return InvalidArgument("an operand of rank {}, not 4", rank);
  }
  ERGO_ASSIGN_OR_RETURN(const int64_t q_heads, context.Extent(q, 1));
  ERGO_ASSIGN_OR_RETURN(const int64_t kv_heads, context.Extent(k, 1));
  ERGO_ASSIGN_OR_RETURN(const int64_t head, context.Extent(q, 3));
  ERGO_ASSIGN_OR_RETURN(const int64_t v_head, context.Extent(v, 3));
  if (kv_heads == 0 || q_heads % kv_heads != 0) {
    return InvalidArgument("{} query heads for {} key heads", q_heads, kv_heads);
  }
  const DType dtype = context.TypeOf(q);
  const DType widened = dtype == DType::kF64 ? DType::kF64 : DType::kF32;
  ERGO_ASSIGN_OR_RETURN(const DType precision, DTypeAttr(node, "softmax_precision", widened));
  if (!IsFloatingPoint(precision)) return InvalidArgument("softmax_precision is no float type");
  const float scale = node.FloatAttr("scale", 1.0f / std::sqrt(static_cast<float>(head)));
  if (node.subgraphs.empty() && precision == widened) {
    context.EmitTo("", "Attention", std::array{q, k, v}, {node.Output(0)}, {{"scale", scale}});
    return {};
  }

  // Both factors carry half of the scale, which keeps products of narrow types in their range.
  const ValueId half = context.Scalar(dtype, std::sqrt(scale));
  const int64_t repeat = q_heads / kv_heads;
  const ValueId keys = context.Emit(
      "Mul",
      {context.Transpose(RepeatHeads(context, k, kv_heads, repeat, head), {0, 1, 3, 2}), half});
  const ValueId products = context.Emit("MatMul", {context.Emit("Mul", {q, half}), keys});
  ERGO_ASSIGN_OR_RETURN(const ValueId scores,
                        Modified(context, "score_mod", context.Cast(products, precision)));
  const ValueId softmax = context.Emit("Softmax", {scores}, {{"axis", int64_t{-1}}});
  ERGO_ASSIGN_OR_RETURN(const ValueId weights, Modified(context, "prob_mod", softmax));
  const ValueId values = context.Cast(RepeatHeads(context, v, kv_heads, repeat, v_head), precision);
  context.Output(0, context.Cast(context.Emit("MatMul", {weights, values}), dtype));
  return {};
}

constexpr Expander kExpanders[] = {{"ai.onnx.preview", "FlexAttention", ExpandFlexAttention}};

}  // namespace

std::span<const Expander> FlexAttentionExpanders() {
  return kExpanders;
}

}  // namespace ergo
