// Operators of com.microsoft, which consist of others (engine/expand). Rules say what is sure
// without those: the types, and shapes where an operand has them.
#include <array>

#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

// Output 0: as input `i`.
template <size_t i>
Status InferAs(InferContext& context) {
  return context.SetOutput(0, context.InputType(i), context.InputShape(i));
}

// Output 0: of the type of input `i`.
template <size_t i>
Status InferTypeOf(InferContext& context) {
  return context.SetOutput(0, context.InputType(i), SymbolicShape());
}

// Required inputs behind optional ones.
Status NeedInputs(const InferContext& context, std::initializer_list<size_t> inputs) {
  for (const size_t i : inputs) {
    if (!context.HasInput(i)) return InvalidArgument("required input {} is absent", i);
  }
  return {};
}

Status InferSkipNorm(InferContext& context) {
  const DType dtype = context.InputType(0);
  ERGO_RETURN_IF_ERROR(InferAs<0>(context));
  ERGO_RETURN_IF_ERROR(context.SetOutput(1, DType::kF32, SymbolicShape()));
  ERGO_RETURN_IF_ERROR(context.SetOutput(2, DType::kF32, SymbolicShape()));
  return context.SetOutput(3, dtype, context.InputShape(0));
}

Status InferSimplifiedNorm(InferContext& context) {
  ERGO_RETURN_IF_ERROR(context.SetOutput(0, context.InputType(1), context.InputShape(0)));
  return context.SetOutput(1, DType::kF32, SymbolicShape());
}

Status InferEmbedNorm(InferContext& context) {
  ERGO_RETURN_IF_ERROR(NeedInputs(context, {2, 3, 5, 6}));
  const SymbolicShape& ids = context.InputShape(0);
  const SymbolicShape& words = context.InputShape(2);
  SymbolicShape y, counts;
  if (ids.RankKnown() && ids.Rank() == 2 && words.RankKnown() && words.Rank() == 2) {
    y = SymbolicShape({ids[0], ids[1], words[1]});
    counts = SymbolicShape(std::vector<Dim>{ids[0]});
  }
  ERGO_RETURN_IF_ERROR(context.SetOutput(0, context.InputType(2), y));
  ERGO_RETURN_IF_ERROR(context.SetOutput(1, context.InputType(0), counts));
  return context.SetOutput(2, context.InputType(2), y);
}

Status InferQLinearBinary(InferContext& context) {
  ERGO_RETURN_IF_ERROR(NeedInputs(context, {3, 4, 6}));
  ERGO_ASSIGN_OR_RETURN(const SymbolicShape shape,
                        BroadcastSymbolic(context.InputShape(0), context.InputShape(3)));
  return context.SetOutput(0, context.InputType(0), shape);
}

template <bool same_shape>
Status InferQLinearUnary(InferContext& context) {
  ERGO_RETURN_IF_ERROR(NeedInputs(context, {3}));
  return context.SetOutput(0, context.InputType(0),
                           same_shape ? context.InputShape(0) : SymbolicShape());
}

Status InferQGemm(InferContext& context) {
  const DType dtype = context.HasInput(7) ? context.InputType(0) : context.InputType(1);
  return context.SetOutput(0, dtype, SymbolicShape());
}

Status InferQuantize(InferContext& context) {
  const DType dtype = context.HasInput(2) ? context.InputType(2) : DType::kU8;
  return context.SetOutput(0, dtype, context.InputShape(0));
}

Status InferDequantize(InferContext& context) {
  return context.SetOutput(0, context.InputType(1), context.InputShape(0));
}

// Y, and what is kept for later calls, all of one type.
Status InferAttention(InferContext& context) {
  for (size_t i = 0; i < context.OutputCount(); ++i) {
    ERGO_RETURN_IF_ERROR(context.SetOutput(i, context.InputType(0), SymbolicShape()));
  }
  return {};
}

Status InferQAttention(InferContext& context) {
  ERGO_RETURN_IF_ERROR(NeedInputs(context, {3, 4}));
  for (size_t i = 0; i < context.OutputCount(); ++i) {
    ERGO_RETURN_IF_ERROR(context.SetOutput(i, context.InputType(3), SymbolicShape()));
  }
  return {};
}

Status InferQuantizedLstm(InferContext& context) {
  ERGO_RETURN_IF_ERROR(NeedInputs(context, {8, 9, 10, 11}));
  return InferAttention(context);
}

Status InferGroupQuery(InferContext& context) {
  ERGO_RETURN_IF_ERROR(NeedInputs(context, {5, 6}));
  return InferAttention(context);
}

constexpr OpSchema Contrib(std::string_view op, int min_inputs, int max_inputs, int max_outputs,
                           InferFn infer) {
  return {"com.microsoft", op, 1, min_inputs, max_inputs, 1, max_outputs, infer};
}

constexpr OpSchema kSchemas[] = {
    {"", "SimplifiedLayerNormalization", 1, 2, 2, 1, 2, InferSimplifiedNorm},
    Contrib("Attention", 2, 7, 2, InferAttention),
    Contrib("BiasGelu", 2, 2, 1, InferAs<0>),
    Contrib("DequantizeLinear", 2, 3, 1, InferDequantize),
    Contrib("DynamicQuantizeMatMul", 3, 5, 1, InferTypeOf<0>),
    Contrib("DynamicQuantizeLSTM", 3, 12, 3, InferQuantizedLstm),
    Contrib("EmbedLayerNormalization", 1, 9, 3, InferEmbedNorm),
    Contrib("FastGelu", 1, 2, 1, InferAs<0>),
    Contrib("FusedConv", 2, 4, 1, InferTypeOf<0>),
    Contrib("FusedGemm", 2, 3, 1, InferTypeOf<0>),
    Contrib("FusedMatMul", 2, 2, 1, InferTypeOf<0>),
    Contrib("Gelu", 1, 1, 1, InferAs<0>),
    Contrib("GridSample", 2, 2, 1, InferTypeOf<0>),
    Contrib("GroupQueryAttention", 1, 17, 4, InferGroupQuery),
    Contrib("MatMulIntegerToFloat", 4, 7, 1, InferTypeOf<2>),
    Contrib("MatMulNBits", 3, 6, 1, InferTypeOf<0>),
    Contrib("MultiHeadAttention", 1, 10, 4, InferAttention),
    Contrib("QAttention", 5, 9, 2, InferQAttention),
    Contrib("QGemm", 6, 9, 1, InferQGemm),
    Contrib("QLinearAdd", 2, 8, 1, InferQLinearBinary),
    Contrib("QLinearAveragePool", 2, 5, 1, InferQLinearUnary<false>),
    Contrib("QLinearConcat", 5, -1, 1, InferTypeOf<2>),
    Contrib("QLinearGlobalAveragePool", 5, 5, 1, InferQLinearUnary<false>),
    Contrib("QLinearLeakyRelu", 2, 5, 1, InferQLinearUnary<true>),
    Contrib("QLinearMul", 2, 8, 1, InferQLinearBinary),
    Contrib("QLinearSigmoid", 2, 5, 1, InferQLinearUnary<true>),
    Contrib("QLinearSoftmax", 2, 5, 1, InferQLinearUnary<true>),
    Contrib("QLinearWhere", 9, 9, 1, InferTypeOf<1>),
    Contrib("QuantizeLinear", 2, 3, 1, InferQuantize),
    Contrib("QuickGelu", 1, 1, 1, InferAs<0>),
    Contrib("RotaryEmbedding", 4, 4, 1, InferAs<0>),
    Contrib("SkipLayerNormalization", 3, 5, 4, InferSkipNorm),
    Contrib("SkipSimplifiedLayerNormalization", 3, 4, 4, InferSkipNorm),
    Contrib("Trilu", 1, 2, 1, InferAs<0>),
};

}  // namespace

std::span<const OpSchema> ContribSchemas() {
  return kSchemas;
}

}  // namespace ergo
