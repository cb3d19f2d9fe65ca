// Elementwise operators: the output's shape is the broadcast of the inputs' shapes.
#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

// Output: the type and shape of input 0.
Status InferSame(InferContext& context) {
  return context.SetOutput(0, context.InputType(0), context.InputShape(0));
}

Status InferBoolOfSameShape(InferContext& context) {
  return context.SetOutput(0, DType::kBool, context.InputShape(0));
}

Result<SymbolicShape> BroadcastOfInputs(const InferContext& context) {
  SymbolicShape shape = context.InputShape(0);
  for (size_t i = 1; i < context.InputCount(); ++i) {
    ERGO_ASSIGN_OR_RETURN(shape, BroadcastSymbolic(shape, context.InputShape(i)));
  }
  return shape;
}

Status CheckSameTypes(const InferContext& context, size_t first) {
  for (size_t i = first + 1; i < context.InputCount(); ++i) {
    if (context.InputType(i) != context.InputType(first)) {
      return InvalidArgument("input {} is {}, but input {} is {}", i,
                             DTypeName(context.InputType(i)), first,
                             DTypeName(context.InputType(first)));
    }
  }
  return {};
}

// Any number of operands of one type, which the result has too.
Status InferBroadcast(InferContext& context) {
  ERGO_RETURN_IF_ERROR(CheckSameTypes(context, 0));
  ERGO_ASSIGN_OR_RETURN(const SymbolicShape shape, BroadcastOfInputs(context));
  return context.SetOutput(0, context.InputType(0), shape);
}

Status InferBroadcastToBool(InferContext& context) {
  ERGO_RETURN_IF_ERROR(CheckSameTypes(context, 0));
  ERGO_ASSIGN_OR_RETURN(const SymbolicShape shape, BroadcastOfInputs(context));
  return context.SetOutput(0, DType::kBool, shape);
}

// The exponent may be of another type.
Status InferPow(InferContext& context) {
  ERGO_ASSIGN_OR_RETURN(const SymbolicShape shape, BroadcastOfInputs(context));
  return context.SetOutput(0, context.InputType(0), shape);
}

Status InferWhere(InferContext& context) {
  if (context.InputType(0) != DType::kBool) {
    return InvalidArgument("the condition is {}, not bool", DTypeName(context.InputType(0)));
  }
  ERGO_RETURN_IF_ERROR(CheckSameTypes(context, 1));
  ERGO_ASSIGN_OR_RETURN(const SymbolicShape shape, BroadcastOfInputs(context));
  return context.SetOutput(0, context.InputType(1), shape);
}

Status InferCast(InferContext& context) {
  ERGO_ASSIGN_OR_RETURN(const DType dtype, DTypeAttr(context.GetNode(), "to", DType::kUndefined));
  return context.SetOutput(0, dtype, context.InputShape(0));
}

Status InferCastLike(InferContext& context) {
  return context.SetOutput(0, context.InputType(1), context.InputShape(0));
}

// The mask, which nobody but training wants, is all true at inference.
Status InferDropout(InferContext& context) {
  ERGO_RETURN_IF_ERROR(InferSame(context));
  const DType mask = context.GetNode().opset < 10 ? context.InputType(0) : DType::kBool;
  return context.SetOutput(1, mask, context.InputShape(0));
}

constexpr OpSchema Unary(std::string_view op, int since) {
  return {"", op, since, 1, 1, 1, 1, InferSame};
}
constexpr OpSchema Binary(std::string_view op, int since, InferFn infer) {
  return {"", op, since, 2, 2, 1, 1, infer};
}
constexpr OpSchema Variadic(std::string_view op, int since) {
  return {"", op, since, 1, -1, 1, 1, InferBroadcast};
}

// Where an operator's older versions differ only in attributes that mean nothing at inference
// (consumed_inputs) or in the types they allow, the oldest stands.
constexpr OpSchema kSchemas[] = {
    Unary("Abs", 1),
    Unary("Acos", 7),
    Unary("Acosh", 9),
    Unary("Asin", 7),
    Unary("Asinh", 9),
    Unary("Atan", 7),
    Unary("Atanh", 9),
    Unary("BitwiseNot", 18),
    Unary("Ceil", 1),
    Unary("Celu", 12),
    Unary("Cos", 7),
    Unary("Cosh", 9),
    Unary("Elu", 1),
    Unary("Erf", 9),
    Unary("Exp", 1),
    Unary("Floor", 1),
    Unary("Gelu", 20),
    Unary("HardSigmoid", 1),
    Unary("HardSwish", 14),
    Unary("Identity", 1),
    Unary("LeakyRelu", 1),
    Unary("Log", 1),
    Unary("Mish", 18),
    Unary("Neg", 1),
    Unary("Not", 1),
    Unary("Reciprocal", 1),
    Unary("Relu", 1),
    Unary("Round", 11),
    Unary("Selu", 1),
    Unary("Shrink", 9),
    Unary("Sigmoid", 1),
    Unary("Sign", 9),
    Unary("Sin", 7),
    Unary("Sinh", 9),
    Unary("Softplus", 1),
    Unary("Softsign", 1),
    Unary("Sqrt", 1),
    Unary("Swish", 24),
    Unary("Tan", 7),
    Unary("Tanh", 1),
    Unary("ThresholdedRelu", 10),
    Binary("Add", 7, InferBroadcast),
    Binary("And", 7, InferBroadcastToBool),
    Binary("BitShift", 11, InferBroadcast),
    Binary("BitwiseAnd", 18, InferBroadcast),
    Binary("BitwiseOr", 18, InferBroadcast),
    Binary("BitwiseXor", 18, InferBroadcast),
    Binary("Div", 7, InferBroadcast),
    Binary("Equal", 7, InferBroadcastToBool),
    Binary("Greater", 7, InferBroadcastToBool),
    Binary("GreaterOrEqual", 12, InferBroadcastToBool),
    Binary("Less", 7, InferBroadcastToBool),
    Binary("LessOrEqual", 12, InferBroadcastToBool),
    Binary("Mod", 10, InferBroadcast),
    Binary("Mul", 7, InferBroadcast),
    Binary("Or", 7, InferBroadcastToBool),
    Binary("Pow", 7, InferPow),
    Binary("PRelu", 7, InferBroadcast),
    Binary("Sub", 7, InferBroadcast),
    Binary("Xor", 7, InferBroadcastToBool),
    Variadic("Max", 6),
    Variadic("Mean", 6),
    Variadic("Min", 6),
    Variadic("Sum", 6),
    {"", "BitCast", 26, 1, 1, 1, 1, InferCast},
    {"", "SwiGLU", 28, 2, 2, 1, 1, InferSame},
    {"", "Cast", 6, 1, 1, 1, 1, InferCast},
    {"", "CastLike", 15, 2, 2, 1, 1, InferCastLike},
    {"", "Clip", 6, 1, 1, 1, 1, InferSame},
    {"", "Clip", 11, 1, 3, 1, 1, InferSame},
    {"", "Dropout", 7, 1, 1, 1, 2, InferDropout},
    {"", "Dropout", 12, 1, 3, 1, 2, InferDropout},
    {"", "IsInf", 10, 1, 1, 1, 1, InferBoolOfSameShape},
    {"", "IsNaN", 9, 1, 1, 1, 1, InferBoolOfSameShape},
    {"", "Where", 9, 3, 3, 1, 1, InferWhere},
};

}  // namespace

std::span<const OpSchema> ElementwiseSchemas() {
  return kSchemas;
}

}  // namespace ergo
