// Operators of com.microsoft on quantized tensors: dequantized, computed, and quantized again,
// which the passes fuse where there is an integer kernel. Definitions: ONNX Runtime,
// docs/ContribOperators.md.
#include <array>

#include "engine/expand/expand_context.h"
#include "kernels/base/checked_math.h"

namespace ergo {
namespace {

ValueId Dequantized(ExpandContext& context, size_t x, size_t scale, size_t zero) {
  return context.Emit("DequantizeLinear",
                      {context.Input(x), context.Input(scale), context.Input(zero)});
}

// Output 0 is `x`, quantized; to the type of input `like` where no zero point says which.
void Quantize(ExpandContext& context, ValueId x, size_t scale, size_t zero, size_t like) {
  const ValueId zero_point =
      context.HasInput(zero) ? context.Input(zero) : context.Scalar(context.InputType(like), 0);
  context.EmitTo("", "QuantizeLinear", std::array{x, context.Input(scale), zero_point},
                 {context.GetNode().Output(0)});
}

// A, scale, zero point, B, scale, zero point, C's scale and zero point.
template <bool product>
Status ExpandQLinearBinary(ExpandContext& context) {
  const ValueId a = Dequantized(context, 0, 1, 2), b = Dequantized(context, 3, 4, 5);
  Quantize(context, context.Emit(product ? "Mul" : "Add", {a, b}), 6, 7, 0);
  return {};
}

// X, scale, zero point, Y's scale and zero point.
Status ExpandQLinearSigmoid(ExpandContext& context) {
  Quantize(context, context.Emit("Sigmoid", {Dequantized(context, 0, 1, 2)}), 3, 4, 0);
  return {};
}

Status ExpandQLinearLeakyRelu(ExpandContext& context) {
  const float alpha = context.GetNode().FloatAttr("alpha", 0.01f);
  const ValueId x = Dequantized(context, 0, 1, 2);
  Quantize(context, context.Emit("LeakyRelu", {x}, {{"alpha", alpha}}), 3, 4, 0);
  return {};
}

// Before opset 13 the axes from `axis` on count as one.
Status ExpandQLinearSoftmax(ExpandContext& context) {
  const Node& node = context.GetNode();
  const bool flattens = node.IntAttr("opset", 13) < 13;
  const int64_t axis = node.IntAttr("axis", flattens ? 1 : -1);
  ValueId y = context.Emit("Softmax", {Dequantized(context, 0, 1, 2)}, {{"axis", axis}});
  if (flattens) {
    const ValueId x = Dequantized(context, 0, 1, 2);
    const ValueId flat = context.Emit("Flatten", {x}, {{"axis", axis}});
    y = context.Emit("Reshape", {context.Emit("Softmax", {flat}), context.Emit("Shape", {x})});
  }
  Quantize(context, y, 3, 4, 0);
  return {};
}

// Pools channels first, whatever the layout.
Status ExpandQLinearPool(ExpandContext& context, std::string_view op,
                         ExpandContext::Attributes attributes) {
  ValueId x = Dequantized(context, 0, 1, 2);
  const bool last = context.GetNode().IntAttr("channels_last", 0) != 0;
  std::vector<int64_t> to_first = {0}, to_last = {0};
  if (last) {
    ERGO_ASSIGN_OR_RETURN(const int rank, context.Rank(context.Input(0)));
    to_first.push_back(rank - 1);
    for (int64_t axis = 1; axis + 1 < rank; ++axis) to_first.push_back(axis);
    for (int64_t axis = 2; axis < rank; ++axis) to_last.push_back(axis);
    to_last.push_back(1);
    x = context.Transpose(x, to_first);
  }
  ValueId y = context.Emit(op, {x}, std::move(attributes));
  if (last) y = context.Transpose(y, to_last);
  Quantize(context, y, 3, 4, 0);
  return {};
}

Status ExpandQLinearGlobalAveragePool(ExpandContext& context) {
  return ExpandQLinearPool(context, "GlobalAveragePool", {});
}

Status ExpandQLinearAveragePool(ExpandContext& context) {
  ExpandContext::Attributes attributes = context.GetNode().attributes;
  attributes.erase("channels_last");
  return ExpandQLinearPool(context, "AveragePool", std::move(attributes));
}

// Y's scale and zero point, then X, scale and zero point for each part.
Status ExpandQLinearConcat(ExpandContext& context) {
  const size_t count = context.GetNode().inputs.size();
  if (count < 5 || count % 3 != 2) return InvalidArgument("{} inputs", count);
  std::vector<ValueId> parts;
  for (size_t i = 2; i < count; i += 3) parts.push_back(Dequantized(context, i, i + 1, i + 2));
  const ValueId y =
      context.EmitSpan("Concat", parts, {{"axis", context.GetNode().IntAttr("axis", 0)}});
  Quantize(context, y, 0, 1, 2);
  return {};
}

// Condition, X, scale, zero point, Y, scale, zero point, Z's scale and zero point.
Status ExpandQLinearWhere(ExpandContext& context) {
  const ValueId x = Dequantized(context, 1, 2, 3), y = Dequantized(context, 4, 5, 6);
  Quantize(context, context.Emit("Where", {context.Input(0), x, y}), 7, 8, 1);
  return {};
}

ValueId AddBias(ExpandContext& context, ValueId x, size_t bias) {
  return context.HasInput(bias) ? context.Emit("Add", {x, context.Input(bias)}) : x;
}

ValueId ScaledProduct(ExpandContext& context, std::array<ValueId, 4> operands, ValueId a_scale,
                      ValueId b_scale) {
  const ValueId product = context.EmitSpan("MatMulInteger", operands);
  const ValueId scale = context.Emit("Mul", {a_scale, b_scale});
  return context.Emit("Mul", {context.Cast(product, context.TypeOf(scale)), scale});
}

// A and B, both scales, both zero points, bias.
Status ExpandMatMulIntegerToFloat(ExpandContext& context) {
  const ValueId product = ScaledProduct(
      context, {context.Input(0), context.Input(1), context.Input(4), context.Input(5)},
      context.Input(2), context.Input(3));
  context.Output(0, AddBias(context, product, 6));
  return {};
}

// A of floats, quantized as a whole while it runs; B, its scale and zero point; bias.
Status ExpandDynamicQuantizeMatMul(ExpandContext& context) {
  const ValueId a = context.NewValue("a"), scale = context.NewValue("a_scale");
  const ValueId zero = context.NewValue("a_zero");
  context.EmitTo("", "DynamicQuantizeLinear", std::array{context.Input(0)}, {a, scale, zero});
  const ValueId product = ScaledProduct(context, {a, context.Input(1), zero, context.Input(3)},
                                        scale, context.Input(2));
  context.Output(0, AddBias(context, product, 4));
  return {};
}

// Weights [directions, in, out] with a scale and a zero point for each direction or each of its
// outputs, as LSTM has them: [directions, out, in] floats.
Result<ValueId> RecurrentWeights(ExpandContext& context, size_t weights, size_t scale,
                                 size_t zero) {
  const DType dtype = context.InputType(scale);
  ERGO_ASSIGN_OR_RETURN(const int rank, context.Rank(context.Input(scale)));
  const ValueId axes = rank == 1 ? context.Ints({1, 2}) : context.Ints({1});
  const ValueId offset =
      context.Emit("Unsqueeze", {context.Cast(context.Input(zero), dtype), axes});
  const ValueId centered =
      context.Emit("Sub", {context.Cast(context.Input(weights), dtype), offset});
  const ValueId steps = context.Emit("Unsqueeze", {context.Input(scale), axes});
  return context.Transpose(context.Emit("Mul", {centered, steps}), {0, 2, 1});
}

// LSTM with weights of 8 bits. ONNX Runtime also quantizes what it multiplies them with, which
// changes results by as much as that rounds.
Status ExpandDynamicQuantizeLstm(ExpandContext& context) {
  const Node& node = context.GetNode();
  ERGO_ASSIGN_OR_RETURN(const ValueId w, RecurrentWeights(context, 1, 8, 9));
  ERGO_ASSIGN_OR_RETURN(const ValueId r, RecurrentWeights(context, 2, 10, 11));
  context.EmitTo("", "LSTM",
                 std::array{context.Input(0), w, r, context.Input(3), context.Input(4),
                            context.Input(5), context.Input(6), context.Input(7)},
                 {node.Output(0), node.Output(1), node.Output(2)}, node.attributes);
  return {};
}

// Output = alpha * A x B + C, C being of int32 in steps of both scales; quantized where Y has a
// scale.
Status ExpandQGemm(ExpandContext& context) {
  const Node& node = context.GetNode();
  ERGO_ASSIGN_OR_RETURN(const int b_zero_rank, context.Rank(context.Input(4)));
  const int64_t axis = node.IntAttr("transB", 0) != 0 ? 0 : 1;
  const ValueId a = Dequantized(context, 0, 1, 2);
  const ValueId b = context.Emit(
      "DequantizeLinear", {context.Input(3), context.Input(4), context.Input(5)},
      b_zero_rank == 1 ? ExpandContext::Attributes{{"axis", axis}} : ExpandContext::Attributes{});
  const float alpha = node.FloatAttr("alpha", 1);
  ValueId c = kNoValue;
  if (context.HasInput(6)) {
    const ValueId scale = context.Emit("Mul", {context.Input(1), context.Input(4)});
    c = context.Emit("Mul", {context.Cast(context.Input(6), DType::kF32), scale});
    if (alpha != 1) c = context.Emit("Mul", {c, context.Scalar(DType::kF32, alpha)});
  }
  const ValueId y = context.Emit("Gemm", {a, b, c},
                                 {{"alpha", alpha},
                                  {"transA", node.IntAttr("transA", 0)},
                                  {"transB", node.IntAttr("transB", 0)}});
  if (context.HasInput(7)) {
    Quantize(context, y, 7, 8, 0);
  } else {
    context.Output(0, y);
  }
  return {};
}

// Rows of `columns` packed numbers, each row filled up to whole bytes, as one packed tensor.
Tensor Packed(const Tensor& bytes, int bits, int64_t rows, int64_t columns) {
  const DType dtype = bits == 2 ? DType::kU2 : bits == 4 ? DType::kU4 : DType::kU8;
  const int64_t row_bytes = CeilDiv<int64_t>(columns * bits, 8);
  if (row_bytes * 8 == columns * bits) {
    return Tensor(dtype, Shape{rows, columns}, bytes.Data(), bytes.Owner());
  }
  AlignedBuffer buffer =
      AlignedBuffer::AllocateOrDie(static_cast<size_t>(DTypeBytes(dtype, rows * columns)));
  std::memset(buffer.Data(), 0, buffer.Size());
  const auto* from = static_cast<const uint8_t*>(bytes.Data());
  auto* to = reinterpret_cast<uint8_t*>(buffer.Data());
  const int64_t per_byte = 8 / bits;
  const unsigned mask = (1u << bits) - 1;
  for (int64_t i = 0; i < rows * columns; ++i) {
    const int64_t row = i / columns, column = i % columns;
    const unsigned value =
        unsigned{from[row * row_bytes + column / per_byte]} >> (column % per_byte * bits) & mask;
    to[i / per_byte] |= static_cast<uint8_t>(value << (i % per_byte * bits));
  }
  return Tensor(dtype, Shape{rows, columns}, std::move(buffer));
}

// B, as [N, K filled up to whole blocks] floats.
Result<ValueId> DequantizedBlocks(ExpandContext& context, int bits, int64_t n, int64_t blocks,
                                  int64_t block) {
  ERGO_ASSIGN_OR_RETURN(const Tensor b, context.InputConstant(1));
  const int64_t columns = blocks * block;
  const std::optional<int64_t> total = CheckedMul(n, columns * bits);
  if (b.Type() != DType::kU8 || !total || b.Elements() != *total / 8) {
    return InvalidArgument("B is {}{}, not {} blocks of {} numbers for each of {} columns",
                           DTypeName(b.Type()), b.GetShape().ToString(), blocks, block, n);
  }
  ValueId zero = kNoValue;
  if (context.HasInput(3) && context.InputType(3) == DType::kU8) {
    ERGO_ASSIGN_OR_RETURN(const Tensor zeros, context.InputConstant(3));
    if (zeros.Elements() != n * CeilDiv<int64_t>(blocks * bits, 8)) {
      return InvalidArgument("zero points of shape {}", zeros.GetShape().ToString());
    }
    zero = context.Constant(Packed(zeros, bits, n, blocks));
  } else if (!context.HasInput(3)) {
    const ValueId middle = context.Emit(
        "Expand", {context.Constant(Tensor::Scalar<uint8_t>(static_cast<uint8_t>(1 << (bits - 1)))),
                   context.Ints({n, blocks})});
    const DType dtype = bits == 2 ? DType::kU2 : bits == 4 ? DType::kU4 : DType::kU8;
    zero = context.Cast(middle, dtype);
  } else {
    return Unsupported("zero points of {}", DTypeName(context.InputType(3)));
  }
  const ValueId scales = context.Reshape(context.Input(2), {n, blocks});
  const ValueId packed = context.Constant(Packed(b, bits, n, columns));
  return context.Emit("DequantizeLinear", {packed, scales, zero},
                      {{"axis", int64_t{1}}, {"block_size", block}});
}

// A x B^T, B [N, K] quantized in blocks along K. Inputs: A, B, scales, zero points?, g_idx?, bias?.
Status ExpandMatMulNBits(ExpandContext& context) {
  const Node& node = context.GetNode();
  const int64_t k = node.IntAttr("K", 0), n = node.IntAttr("N", 0);
  const int64_t block = node.IntAttr("block_size", 0), bits = node.IntAttr("bits", 4);
  const bool known = bits == 2 || bits == 4 || bits == 8;
  if (!known || k < 1 || n < 1 || block < 1 || k > kMaxTensorElements || n > kMaxTensorElements ||
      block > kMaxTensorElements) {
    return InvalidArgument("{} bits, K {}, N {}, blocks of {}", bits, k, n, block);
  }
  if (context.HasInput(4))
    return InvalidArgument("weights in the order of g_idx are not supported");
  if (node.IntAttr("weight_prepacked", 0) != 0) {
    return InvalidArgument("weights packed for another machine");
  }
  const int64_t blocks = CeilDiv(k, block);
  ERGO_ASSIGN_OR_RETURN(ValueId b,
                        DequantizedBlocks(context, static_cast<int>(bits), n, blocks, block));
  if (blocks * block != k) {
    b = context.Emit("Slice", {b, context.Ints({0}), context.Ints({k}), context.Ints({1})});
  }
  const ValueId product = context.NewValue("product");
  context.EmitTo("ergo", "FusedGemm", std::array{context.Input(0), b}, {product},
                 {{"trans_b", int64_t{1}}});
  context.Output(0, AddBias(context, product, 5));
  return {};
}

template <bool quantize>
Status ExpandLinear(ExpandContext& context) {
  context.EmitTo("", quantize ? "QuantizeLinear" : "DequantizeLinear",
                 std::array{context.Input(0), context.Input(1), context.Input(2)},
                 {context.GetNode().Output(0)}, context.GetNode().attributes);
  return {};
}

constexpr Expander kExpanders[] = {
    {"com.microsoft", "DequantizeLinear", ExpandLinear<false>},
    {"com.microsoft", "DynamicQuantizeMatMul", ExpandDynamicQuantizeMatMul},
    {"com.microsoft", "DynamicQuantizeLSTM", ExpandDynamicQuantizeLstm},
    {"com.microsoft", "MatMulIntegerToFloat", ExpandMatMulIntegerToFloat},
    {"com.microsoft", "MatMulNBits", ExpandMatMulNBits},
    {"com.microsoft", "QGemm", ExpandQGemm},
    {"com.microsoft", "QLinearAdd", ExpandQLinearBinary<false>},
    {"com.microsoft", "QLinearAveragePool", ExpandQLinearAveragePool},
    {"com.microsoft", "QLinearConcat", ExpandQLinearConcat},
    {"com.microsoft", "QLinearGlobalAveragePool", ExpandQLinearGlobalAveragePool},
    {"com.microsoft", "QLinearLeakyRelu", ExpandQLinearLeakyRelu},
    {"com.microsoft", "QLinearMul", ExpandQLinearBinary<true>},
    {"com.microsoft", "QLinearSigmoid", ExpandQLinearSigmoid},
    {"com.microsoft", "QLinearSoftmax", ExpandQLinearSoftmax},
    {"com.microsoft", "QLinearWhere", ExpandQLinearWhere},
    {"com.microsoft", "QuantizeLinear", ExpandLinear<true>},
};

}  // namespace

std::span<const Expander> QuantizedExpanders() {
  return kExpanders;
}

}  // namespace ergo
