// Elementwise operators onto the problems of kernels/elementwise.
#include <algorithm>
#include <limits>
#include <utility>

#include "engine/graph/scalar_constant.h"
#include "engine/plan/lowering.h"
#include "engine/plan/random_seed.h"
#include "kernels/base/real_access.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/random/random.h"

namespace ergo {
namespace {

// An operator that is one unary kernel, and its attributes' names and defaults in the standard.
struct UnaryForm {
  std::string_view onnx;
  UnaryOp op;
  std::string_view alpha = "";
  float alpha_default = 0;
  std::string_view beta = "";
  float beta_default = 0;
};

constexpr UnaryForm kUnaryForms[] = {
    {"Abs", UnaryOp::kAbs},
    {"Acos", UnaryOp::kAcos},
    {"Acosh", UnaryOp::kAcosh},
    {"Asin", UnaryOp::kAsin},
    {"Asinh", UnaryOp::kAsinh},
    {"Atan", UnaryOp::kAtan},
    {"Atanh", UnaryOp::kAtanh},
    {"BitwiseNot", UnaryOp::kBitwiseNot},
    {"Ceil", UnaryOp::kCeil},
    {"Celu", UnaryOp::kCelu, "alpha", 1.0f},
    {"Cos", UnaryOp::kCos},
    {"Cosh", UnaryOp::kCosh},
    {"Elu", UnaryOp::kElu, "alpha", 1.0f},
    {"Erf", UnaryOp::kErf},
    {"Exp", UnaryOp::kExp},
    {"Floor", UnaryOp::kFloor},
    {"HardSigmoid", UnaryOp::kHardSigmoid, "alpha", 0.2f, "beta", 0.5f},
    {"HardSwish", UnaryOp::kHardSwish},
    {"IsNaN", UnaryOp::kIsNaN},
    {"LeakyRelu", UnaryOp::kLeakyRelu, "alpha", 0.01f},
    {"Log", UnaryOp::kLog},
    {"Mish", UnaryOp::kMish},
    {"Neg", UnaryOp::kNeg},
    {"Not", UnaryOp::kNot},
    {"Reciprocal", UnaryOp::kReciprocal},
    {"Relu", UnaryOp::kRelu},
    {"Round", UnaryOp::kRound},
    {"Selu", UnaryOp::kSelu, "alpha", 1.67326319217681884765625f, "gamma",
     1.05070102214813232421875f},
    {"Sigmoid", UnaryOp::kSigmoid},
    {"Sign", UnaryOp::kSign},
    {"Sin", UnaryOp::kSin},
    {"Sinh", UnaryOp::kSinh},
    {"Softplus", UnaryOp::kSoftplus},
    {"Softsign", UnaryOp::kSoftsign},
    {"Sqrt", UnaryOp::kSqrt},
    {"Swish", UnaryOp::kSwish, "alpha", 1.0f},
    {"Tan", UnaryOp::kTan},
    {"Tanh", UnaryOp::kTanh},
    {"ThresholdedRelu", UnaryOp::kThresholdedRelu, "alpha", 1.0f},
};

constexpr std::pair<std::string_view, BinaryOp> kBinaryForms[] = {
    {"Add", BinaryOp::kAdd},
    {"And", BinaryOp::kAnd},
    {"BitwiseAnd", BinaryOp::kBitwiseAnd},
    {"BitwiseOr", BinaryOp::kBitwiseOr},
    {"BitwiseXor", BinaryOp::kBitwiseXor},
    {"Div", BinaryOp::kDiv},
    {"Equal", BinaryOp::kEqual},
    {"Greater", BinaryOp::kGreater},
    {"GreaterOrEqual", BinaryOp::kGreaterOrEqual},
    {"Less", BinaryOp::kLess},
    {"LessOrEqual", BinaryOp::kLessOrEqual},
    {"Mul", BinaryOp::kMul},
    {"Or", BinaryOp::kOr},
    {"PRelu", BinaryOp::kPRelu},
    {"Sub", BinaryOp::kSub},
    {"Xor", BinaryOp::kXor},
};

Status EmitUnary(LowerContext& context, UnaryOp op, float alpha = 0, float beta = 0) {
  const UnaryProblem problem{op, context.InputType(0), context.InputShape(0), alpha, beta};
  return context.Emit(UnaryVariants(), problem, {In(0)}, {Out(0)});
}

Status EmitBinary(LowerContext& context, BinaryOp op) {
  const BinaryProblem problem{op, context.InputType(0), context.InputType(1), context.InputShape(0),
                              context.InputShape(1)};
  return context.Emit(BinaryVariants(), problem, {In(0), In(1)}, {Out(0)});
}

Status LowerUnary(LowerContext& context) {
  const Node& node = context.GetNode();
  const auto form = std::ranges::find(kUnaryForms, node.op, &UnaryForm::onnx);
  return EmitUnary(context, form->op, node.FloatAttr(form->alpha, form->alpha_default),
                   node.FloatAttr(form->beta, form->beta_default));
}

Status LowerBinary(LowerContext& context) {
  const auto form = std::ranges::find(kBinaryForms, context.GetNode().op,
                                      &std::pair<std::string_view, BinaryOp>::first);
  return EmitBinary(context, form->second);
}

// Of integers: as of doubles, truncated.
Status LowerShrink(LowerContext& context) {
  const DType dtype = context.InputType(0);
  const Node& node = context.GetNode();
  const float lambd = node.FloatAttr("lambd", 0.5f), bias = node.FloatAttr("bias", 0);
  if (!IsInteger(dtype)) return EmitUnary(context, UnaryOp::kShrink, lambd, bias);
  const Shape& shape = context.InputShape(0);
  const Operand wide = context.Temporary(DType::kF64, shape);
  const Operand shrunk = context.Temporary(DType::kF64, shape);
  ERGO_RETURN_IF_ERROR(
      context.Emit(CastVariants(), CastProblem{dtype, DType::kF64, shape}, {In(0)}, {wide}));
  ERGO_RETURN_IF_ERROR(context.Emit(UnaryVariants(),
                                    UnaryProblem{UnaryOp::kShrink, DType::kF64, shape, lambd, bias},
                                    {wide}, {shrunk}));
  return context.Emit(CastVariants(), CastProblem{DType::kF64, dtype, shape}, {shrunk}, {Out(0)});
}

Status LowerGelu(LowerContext& context) {
  const std::string form = context.GetNode().StringAttr("approximate", "none");
  if (form != "none" && form != "tanh") return InvalidArgument("approximate is '{}'", form);
  return EmitUnary(context, form == "tanh" ? UnaryOp::kGeluTanh : UnaryOp::kGelu);
}

Status LowerIsInf(LowerContext& context) {
  const Node& node = context.GetNode();
  return EmitUnary(context, UnaryOp::kIsInf, node.IntAttr("detect_negative", 1) != 0 ? 1.0f : 0.0f,
                   node.IntAttr("detect_positive", 1) != 0 ? 1.0f : 0.0f);
}

Status LowerMod(LowerContext& context) {
  const bool fmod = context.GetNode().IntAttr("fmod", 0) != 0;
  return EmitBinary(context, fmod ? BinaryOp::kFmod : BinaryOp::kMod);
}

Status LowerBitShift(LowerContext& context) {
  const std::string direction = context.GetNode().StringAttr("direction", "");
  if (direction != "LEFT" && direction != "RIGHT") {
    return InvalidArgument("direction is '{}', neither LEFT nor RIGHT", direction);
  }
  return EmitBinary(context, direction == "LEFT" ? BinaryOp::kShiftLeft : BinaryOp::kShiftRight);
}

Status LowerPow(LowerContext& context) {
  const bool squares = ScalarAsFloat(context.InputConstant(1)) == 2.0f &&
                       context.OutputShape(0) == context.InputShape(0);
  if (!squares) return EmitBinary(context, BinaryOp::kPow);
  const DType dtype = context.InputType(0);
  const Shape& shape = context.InputShape(0);
  return context.Emit(BinaryVariants(), BinaryProblem{BinaryOp::kMul, dtype, dtype, shape, shape},
                      {In(0), In(0)}, {Out(0)});
}

// op(... op(op(x0, x1), x2) ..., xn) into `result`; at least two inputs.
Status EmitChain(LowerContext& context, BinaryOp op, Operand result) {
  const DType dtype = context.InputType(0);
  const auto count = static_cast<int>(context.GetNode().inputs.size());
  Operand left = In(0);
  Shape left_shape = context.InputShape(0);
  for (int i = 1; i < count; ++i) {
    const BinaryProblem problem{op, dtype, dtype, left_shape, context.InputShape(i)};
    ERGO_ASSIGN_OR_RETURN(left_shape, BroadcastShapes(problem.a, problem.b));
    const Operand next = i + 1 == count ? result : context.Temporary(dtype, left_shape);
    ERGO_RETURN_IF_ERROR(context.Emit(BinaryVariants(), problem, {left, In(i)}, {next}));
    left = next;
  }
  return {};
}

template <BinaryOp op>
Status LowerChain(LowerContext& context) {
  if (context.GetNode().inputs.size() > 1) return EmitChain(context, op, Out(0));
  context.Alias(0, 0);
  return {};
}

Status LowerMean(LowerContext& context) {
  const size_t count = context.GetNode().inputs.size();
  if (count == 1) {
    context.Alias(0, 0);
    return {};
  }
  const DType dtype = context.InputType(0);
  if (!IsFloatingPoint(dtype)) return Unsupported("the mean of {}", DTypeName(dtype));
  const Shape& shape = context.OutputShape(0);
  const Operand sum = context.Temporary(dtype, shape);
  ERGO_RETURN_IF_ERROR(EmitChain(context, BinaryOp::kAdd, sum));
  const Operand divisor = context.Constant(ScalarConstant(dtype, static_cast<double>(count)));
  return context.Emit(BinaryVariants(), BinaryProblem{BinaryOp::kDiv, dtype, dtype, shape, Shape()},
                      {sum, divisor}, {Out(0)});
}

Status LowerWhere(LowerContext& context) {
  const WhereProblem problem{context.InputType(1), context.InputShape(0), context.InputShape(1),
                             context.InputShape(2)};
  return context.Emit(WhereVariants(), problem, {In(0), In(1), In(2)}, {Out(0)});
}

Status LowerCast(LowerContext& context) {
  CastProblem problem{context.InputType(0), context.OutputType(0), context.InputShape(0)};
  const std::string mode = context.GetNode().StringAttr("round_mode", "up");
  using Mode = SmallRounding::Mode;
  problem.rounding = {context.GetNode().IntAttr("saturate", 1) != 0, mode == "down" ? Mode::kDown
                                                                     : mode == "nearest"
                                                                         ? Mode::kNearest
                                                                         : Mode::kUp};
  if (problem.from == problem.to) {
    context.Alias(0, 0);
    return {};
  }
  return context.Emit(CastVariants(), problem, {In(0)}, {Out(0)});
}

Status LowerBitCast(LowerContext& context) {
  if (DTypeBits(context.InputType(0)) != DTypeBits(context.OutputType(0))) {
    return InvalidArgument("{} has other bits than {}", DTypeName(context.InputType(0)),
                           DTypeName(context.OutputType(0)));
  }
  context.Alias(0, 0);
  return {};
}

// swish(a) * b.
Status LowerSwiGlu(LowerContext& context) {
  const Shape& shape = context.InputShape(0);
  const DType dtype = context.InputType(0);
  if (!(context.InputShape(1) == shape)) {
    return InvalidArgument("{} and {} differ", shape.ToString(), context.InputShape(1).ToString());
  }
  const Operand gate = context.Temporary(dtype, shape);
  const UnaryProblem swish{UnaryOp::kSwish, dtype, shape, context.GetNode().FloatAttr("alpha", 1),
                           0};
  ERGO_RETURN_IF_ERROR(context.Emit(UnaryVariants(), swish, {In(0)}, {gate}));
  return context.Emit(BinaryVariants(), BinaryProblem{BinaryOp::kMul, dtype, dtype, shape, shape},
                      {gate, In(1)}, {Out(0)});
}

Status LowerIdentity(LowerContext& context) {
  context.Alias(0, 0);
  return {};
}

// Bounds that are inputs, known or not: max(x, low), then min(., high).
Status EmitClipByInputs(LowerContext& context) {
  const DType dtype = context.InputType(0);
  const Shape& shape = context.InputShape(0);
  for (int i = 1; i <= 2; ++i) {
    if (context.HasInput(i) && context.InputShape(i).Elements() != 1) {
      return InvalidArgument("bound {} has shape {}, not that of a scalar", i,
                             context.InputShape(i).ToString());
    }
  }
  Operand x = In(0);
  if (context.HasInput(1)) {
    const Operand raised = context.HasInput(2) ? context.Temporary(dtype, shape) : Out(0);
    const BinaryProblem problem{BinaryOp::kMax, dtype, dtype, shape, Shape()};
    ERGO_RETURN_IF_ERROR(context.Emit(BinaryVariants(), problem, {x, In(1)}, {raised}));
    x = raised;
  }
  if (!context.HasInput(2)) return {};
  const BinaryProblem problem{BinaryOp::kMin, dtype, dtype, shape, Shape()};
  return context.Emit(BinaryVariants(), problem, {x, In(2)}, {Out(0)});
}

Status LowerClip(LowerContext& context) {
  const Node& node = context.GetNode();
  if (node.opset < 11) {
    return EmitUnary(context, UnaryOp::kClip,
                     node.FloatAttr("min", std::numeric_limits<float>::lowest()),
                     node.FloatAttr("max", std::numeric_limits<float>::max()));
  }
  if (!context.HasInput(1) && !context.HasInput(2)) return LowerIdentity(context);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto bound = [&](int i, float open) {
    return context.HasInput(i) ? ScalarAsFloat(context.InputConstant(i)) : std::optional(open);
  };
  const std::optional<float> low = bound(1, -kInfinity), high = bound(2, kInfinity);
  if (IsFloatingPoint(context.InputType(0)) && low && high) {
    return EmitUnary(context, UnaryOp::kClip, *low, *high);
  }
  return EmitClipByInputs(context);
}

Status EmitTrueMask(LowerContext& context) {
  const Shape& shape = context.OutputShape(1);
  const Operand any = context.Temporary(DType::kBool, shape);
  ERGO_RETURN_IF_ERROR(context.Emit(
      CastVariants(), CastProblem{context.InputType(0), DType::kBool, shape}, {In(0)}, {any}));
  const BinaryProblem problem{BinaryOp::kOr, DType::kBool, DType::kBool, shape, Shape()};
  const Operand yes = context.Constant(ScalarConstant(DType::kBool, 1));
  if (context.OutputType(1) == DType::kBool) {
    return context.Emit(BinaryVariants(), problem, {any, yes}, {Out(1)});
  }
  const Operand mask = context.Temporary(DType::kBool, shape);
  ERGO_RETURN_IF_ERROR(context.Emit(BinaryVariants(), problem, {any, yes}, {mask}));
  return context.Emit(CastVariants(), CastProblem{DType::kBool, context.OutputType(1), shape},
                      {mask}, {Out(1)});
}

// Each element is kept, times 1 / (1 - ratio), where a uniform draw is at least `ratio`; else 0.
Status EmitRandomDrops(LowerContext& context, float ratio) {
  const DType dtype = context.InputType(0);
  if (!IsFloatingPoint(dtype) || !HasRealAccess(dtype)) {
    return Unsupported("dropping {}", DTypeName(dtype));
  }
  const Shape& shape = context.InputShape(0);
  const RandomProblem uniform{.kind = RandomProblem::Kind::kUniform,
                              .dtype = DType::kF32,
                              .elements = shape.Elements(),
                              .seed = SeedOf(context.GetNode())};
  const Operand draws = context.Temporary(DType::kF32, shape);
  ERGO_RETURN_IF_ERROR(context.Emit(RandomVariants(), uniform, {}, {draws}));
  const Operand mask = context.HasOutput(1) ? Out(1) : context.Temporary(DType::kBool, shape);
  ERGO_RETURN_IF_ERROR(context.Emit(
      BinaryVariants(),
      BinaryProblem{BinaryOp::kGreaterOrEqual, DType::kF32, DType::kF32, shape, Shape()},
      {draws, context.Constant(ScalarConstant(DType::kF32, ratio))}, {mask}));
  const double scale = ratio < 1 ? 1 / (1 - static_cast<double>(ratio)) : 0;
  const Operand scaled = context.Temporary(dtype, shape);
  ERGO_RETURN_IF_ERROR(
      context.Emit(BinaryVariants(), BinaryProblem{BinaryOp::kMul, dtype, dtype, shape, Shape()},
                   {In(0), context.Constant(ScalarConstant(dtype, scale))}, {scaled}));
  return context.Emit(WhereVariants(), WhereProblem{dtype, shape, shape, Shape()},
                      {mask, scaled, context.Constant(ScalarConstant(dtype, 0))}, {Out(0)});
}

// The ratio when the node is known to train, 0 when it is known not to.
Result<float> DropRatio(const LowerContext& context) {
  if (!context.HasInput(2)) return 0.0f;
  const Tensor* training = context.InputConstant(2);
  if (training == nullptr) return Unsupported("training_mode is not known before the run");
  if (*static_cast<const uint8_t*>(training->Data()) == 0) return 0.0f;
  if (!context.HasInput(1)) return 0.5f;
  const Tensor* given = context.InputConstant(1);
  if (given == nullptr) return Unsupported("the ratio is not known before the run");
  const bool wide = given->Type() == DType::kF64 && given->Elements() == 1;
  const std::optional<float> ratio =
      wide ? static_cast<float>(given->Span<double>()[0]) : ScalarAsFloat(given);
  if (!ratio || !(*ratio >= 0 && *ratio <= 1)) {
    return InvalidArgument("the ratio is not a number from 0 to 1");
  }
  return *ratio;
}

Status LowerDropout(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(const float ratio, DropRatio(context));
  if (ratio > 0) return EmitRandomDrops(context, ratio);
  context.Alias(0, 0);
  return context.HasOutput(1) ? EmitTrueMask(context) : Status();
}

std::vector<Lowering> MakeLowerings() {
  std::vector<Lowering> lowerings = {
      {"", "BitShift", LowerBitShift},
      {"", "BitCast", LowerBitCast},
      {"", "SwiGLU", LowerSwiGlu},
      {"", "Cast", LowerCast},
      {"", "CastLike", LowerCast},
      {"", "Clip", LowerClip},
      {"", "Dropout", LowerDropout},
      {"", "Gelu", LowerGelu},
      {"", "Identity", LowerIdentity},
      {"", "IsInf", LowerIsInf},
      {"", "Max", LowerChain<BinaryOp::kMax>},
      {"", "Mean", LowerMean},
      {"", "Min", LowerChain<BinaryOp::kMin>},
      {"", "Mod", LowerMod},
      {"", "Pow", LowerPow},
      {"", "Shrink", LowerShrink},
      {"", "Sum", LowerChain<BinaryOp::kAdd>},
      {"", "Where", LowerWhere},
  };
  for (const UnaryForm& form : kUnaryForms) lowerings.push_back({"", form.onnx, LowerUnary});
  for (const auto& [onnx, op] : kBinaryForms) lowerings.push_back({"", onnx, LowerBinary});
  return lowerings;
}

}  // namespace

std::span<const Lowering> ElementwiseLowerings() {
  static const std::vector<Lowering> kLowerings = MakeLowerings();
  return kLowerings;
}

}  // namespace ergo
