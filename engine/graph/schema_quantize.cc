// Quantization to and from integers.
#include <array>

#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

// The type that an attribute of later opsets asks for, else `fallback`; 0 stands for absent.
Result<DType> OutputTypeAttr(const Node& node, DType fallback) {
  if (node.IntAttr("output_dtype", 0) == 0) return fallback;
  return DTypeAttr(node, "output_dtype", fallback);
}

Status InferQuantizeLinear(InferContext& context) {
  ERGO_ASSIGN_OR_RETURN(DType type, OutputTypeAttr(context.GetNode(), DType::kU8));
  if (context.HasInput(2)) {
    const DType zero_point = context.InputType(2);
    if (context.GetNode().IntAttr("output_dtype", 0) != 0 && type != zero_point) {
      return InvalidArgument("output_dtype is {}, the zero point {}", DTypeName(type),
                             DTypeName(zero_point));
    }
    type = zero_point;
  }
  return context.SetOutput(0, type, context.InputShape(0));
}

Status InferDequantizeLinear(InferContext& context) {
  if (context.HasInput(2) && context.InputType(2) != context.InputType(0)) {
    return InvalidArgument("x is {}, the zero point {}", DTypeName(context.InputType(0)),
                           DTypeName(context.InputType(2)));
  }
  ERGO_ASSIGN_OR_RETURN(const DType type, OutputTypeAttr(context.GetNode(), context.InputType(1)));
  return context.SetOutput(0, type, context.InputShape(0));
}

Status InferDynamicQuantizeLinear(InferContext& context) {
  ERGO_RETURN_IF_ERROR(context.SetOutput(0, DType::kU8, context.InputShape(0)));
  ERGO_RETURN_IF_ERROR(context.SetOutput(1, DType::kF32, Shape()));
  return context.SetOutput(2, DType::kU8, Shape());
}

constexpr std::array kSchemas = {
    OpSchema{"", "DequantizeLinear", 10, 2, 3, 1, 1, InferDequantizeLinear},
    OpSchema{"", "DynamicQuantizeLinear", 11, 1, 1, 1, 3, InferDynamicQuantizeLinear},
    OpSchema{"", "QuantizeLinear", 10, 2, 3, 1, 1, InferQuantizeLinear},
};

}  // namespace

std::span<const OpSchema> QuantizeSchemas() {
  return kSchemas;
}

}  // namespace ergo
