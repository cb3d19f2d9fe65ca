// Attention, RotaryEmbedding, LinearAttention, CausalConvWithState, TensorScatter,
// FlexAttention.
#include <array>
#include <optional>

#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

Dim Product(const Dim& a, int64_t b) {
  return a.Known() ? Dim(a.value * b) : Dim();
}
Dim Quotient(const Dim& a, int64_t b) {
  return a.Known() && b > 0 && a.value % b == 0 ? Dim(a.value / b) : Dim();
}
Dim Sum(const Dim& a, const Dim& b) {
  if (a.Known() && b.Known()) return Dim(a.value + b.value);
  if (a.Known() && a.value == 0) return b;
  if (b.Known() && b.value == 0) return a;
  return {};
}

// [batch, heads, len, width] of an operand that may be packed; nullopt while its rank is unknown.
Result<std::optional<std::array<Dim, 4>>> Unpack(const SymbolicShape& shape, int64_t heads) {
  std::optional<std::array<Dim, 4>> none;
  if (!shape.RankKnown()) return none;
  if (shape.Rank() == 4) return std::optional(std::array{shape[0], shape[1], shape[2], shape[3]});
  if (shape.Rank() != 3) return InvalidArgument("an operand of rank {}", shape.Rank());
  if (heads <= 0) return InvalidArgument("packed operands need q_num_heads and kv_num_heads");
  return std::optional(std::array{shape[0], Dim(heads), shape[1], Quotient(shape[2], heads)});
}

Status InferAttention(InferContext& context) {
  const Node& node = context.GetNode();
  const int64_t q_heads = node.IntAttr("q_num_heads", 0),
                kv_heads = node.IntAttr("kv_num_heads", 0);
  ERGO_ASSIGN_OR_RETURN(const auto q, Unpack(context.InputShape(0), q_heads));
  ERGO_ASSIGN_OR_RETURN(const auto k, Unpack(context.InputShape(1), kv_heads));
  ERGO_ASSIGN_OR_RETURN(const auto v, Unpack(context.InputShape(2), kv_heads));
  const DType dtype = context.InputType(0);
  SymbolicShape y, present_key, present_value, scores;
  if (q && k && v) {
    Dim past(0);
    if (context.HasInput(4)) {
      const SymbolicShape& shape = context.InputShape(4);
      past = shape.RankKnown() && shape.Rank() == 4 ? shape[2] : Dim();
    }
    const Dim total = Sum(past, (*k)[2]);
    y = context.InputShape(0).Rank() == 4
            ? SymbolicShape({(*q)[0], (*q)[1], (*q)[2], (*v)[3]})
            : SymbolicShape({(*q)[0], (*q)[2], Product((*v)[3], q_heads)});
    present_key = SymbolicShape({(*k)[0], (*k)[1], total, (*k)[3]});
    present_value = SymbolicShape({(*v)[0], (*v)[1], total, (*v)[3]});
    scores = SymbolicShape({(*q)[0], (*q)[1], (*q)[2], total});
  }
  ERGO_RETURN_IF_ERROR(context.SetOutput(0, dtype, y));
  ERGO_RETURN_IF_ERROR(context.SetOutput(1, dtype, present_key));
  ERGO_RETURN_IF_ERROR(context.SetOutput(2, context.InputType(2), present_value));
  return context.SetOutput(3, dtype, scores);
}

Status InferFlexAttention(InferContext& context) {
  const SymbolicShape& q = context.InputShape(0);
  const SymbolicShape& v = context.InputShape(2);
  SymbolicShape y;
  if (q.RankKnown() && q.Rank() == 4 && v.RankKnown() && v.Rank() == 4) {
    y = SymbolicShape({q[0], q[1], q[2], v[3]});
  }
  return context.SetOutput(0, context.InputType(0), y);
}

Status InferSameAsFirst(InferContext& context) {
  return context.SetOutput(0, context.InputType(0), context.InputShape(0));
}

Status InferLinearAttention(InferContext& context) {
  const Node& node = context.GetNode();
  const int64_t q_heads = node.IntAttr("q_num_heads", 0),
                kv_heads = node.IntAttr("kv_num_heads", 0);
  if (q_heads <= 0 || kv_heads <= 0) return InvalidArgument("needs q_num_heads and kv_num_heads");
  const SymbolicShape& query = context.InputShape(0);
  const SymbolicShape& value = context.InputShape(2);
  const DType state = context.HasInput(3) ? context.InputType(3) : context.InputType(0);
  SymbolicShape y, present;
  if (query.RankKnown() && query.Rank() == 3 && value.RankKnown() && value.Rank() == 3) {
    const Dim v_head = Quotient(value[2], kv_heads);
    y = SymbolicShape({query[0], query[1], Product(v_head, q_heads)});
    present = SymbolicShape({query[0], Dim(kv_heads), Quotient(query[2], q_heads), v_head});
  }
  ERGO_RETURN_IF_ERROR(context.SetOutput(0, context.InputType(0), y));
  return context.SetOutput(1, state, present);
}

Status InferCausalConv(InferContext& context) {
  ERGO_RETURN_IF_ERROR(InferSameAsFirst(context));
  const SymbolicShape& input = context.InputShape(0);
  const SymbolicShape& weight = context.InputShape(1);
  SymbolicShape present;
  if (input.RankKnown() && input.Rank() == 3 && weight.RankKnown() && weight.Rank() == 3) {
    present = SymbolicShape({input[0], input[1], Dim()});
    if (weight[2].Known()) present[2] = Dim(weight[2].value - 1);
  }
  return context.SetOutput(1, context.InputType(0), present);
}

constexpr std::array kSchemas = {
    OpSchema{"", "Attention", 23, 3, 6, 1, 4, InferAttention},
    OpSchema{"", "Attention", 24, 3, 7, 1, 4, InferAttention},
    OpSchema{"", "RotaryEmbedding", 23, 3, 4, 1, 1, InferSameAsFirst},
    OpSchema{"", "TensorScatter", 24, 2, 3, 1, 1, InferSameAsFirst},
    OpSchema{"", "LinearAttention", 27, 3, 6, 1, 2, InferLinearAttention},
    OpSchema{"", "CausalConvWithState", 27, 2, 4, 1, 2, InferCausalConv},
    OpSchema{"ai.onnx.preview", "FlexAttention", 1, 3, 3, 1, 1, InferFlexAttention},
};

}  // namespace

std::span<const OpSchema> AttentionSchemas() {
  return kSchemas;
}

}  // namespace ergo
