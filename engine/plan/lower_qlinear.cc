#include <array>

#include "engine/graph/window_attributes.h"
#include "engine/plan/fused_activation.h"
#include "engine/plan/lowering.h"
#include "kernels/qlinear/qlinear.h"

namespace ergo {
namespace {

// Zero points and scales are one for all, or one a channel.
Status CheckPer(const LowerContext& context, int input, int64_t channels) {
  if (!context.HasInput(input)) return {};
  const int64_t elements = context.InputShape(input).Elements();
  if (elements == 1 || elements == channels) return {};
  return InvalidArgument("input {} has {} elements for {} channels", input, elements, channels);
}

// The inputs of QLinearConv and QLinearMatMul, which ergo.QuantizedConv and QuantizedGemm continue
// with a residual and its scale and zero point.
enum Input : int { kX, kScaleX, kZeroX, kW, kScaleW, kZeroW, kScaleY, kZeroY, kBias, kZ, kScaleZ };

// In the order of the kernels' inputs.
constexpr std::array kKernelInputs = {In(kX),      In(kW),      In(kZeroX),  In(kZeroW),
                                      In(kScaleX), In(kScaleW), In(kScaleY), In(kZeroY),
                                      In(kBias),   In(kZ),      In(kScaleZ), In(kScaleZ + 1)};

Result<QEpilogue> ReadEpilogue(const LowerContext& context, int64_t channels) {
  QEpilogue epilogue;
  epilogue.y = context.OutputType(0);
  if ((epilogue.y != DType::kF32) != context.HasInput(kScaleY)) {
    return InvalidArgument("a {} result {} a scale", DTypeName(epilogue.y),
                           context.HasInput(kScaleY) ? "with" : "without");
  }
  for (const int scalar : {int{kScaleY}, int{kZeroY}, int{kScaleZ}, kScaleZ + 1}) {
    ERGO_RETURN_IF_ERROR(CheckPer(context, scalar, 1));
  }
  for (const int each : {kScaleW, kZeroW}) {
    ERGO_RETURN_IF_ERROR(CheckPer(context, each, channels));
  }
  if (context.HasInput(kBias)) {
    epilogue.bias = context.InputType(kBias);
    if (context.InputShape(kBias).Elements() != channels) {
      return InvalidArgument("a bias {} for {} channels", context.InputShape(kBias).ToString(),
                             channels);
    }
  }
  if (context.HasInput(kZ)) {
    epilogue.residual = context.InputType(kZ);
    if (context.InputShape(kZ) != context.OutputShape(0)) {
      return InvalidArgument("a residual {} for an output {}", context.InputShape(kZ).ToString(),
                             context.OutputShape(0).ToString());
    }
  }
  ERGO_ASSIGN_OR_RETURN(epilogue.activation, ReadFusedActivation(context.GetNode()));
  return epilogue;
}

Result<QConvProblem> ReadConv(const LowerContext& context, int weights) {
  const Node& node = context.GetNode();
  const Shape& x = context.InputShape(0);
  const Shape& w = context.InputShape(weights);
  ERGO_ASSIGN_OR_RETURN(const WindowAttributes attributes,
                        ReadWindowAttributes(node, x.Rank() - 2, w.Dims().subspan(2)));
  QConvProblem problem;
  ERGO_ASSIGN_OR_RETURN(problem.window, ResolveWindow(attributes, x.Dims().subspan(2)));
  problem.x_dtype = context.InputType(0);
  problem.w_dtype = context.InputType(weights);
  problem.batch = x[0];
  problem.in_channels = x[1];
  problem.out_channels = w[0];
  problem.groups = node.IntAttr("group", 1);
  if (problem.groups < 1 || w[1] * problem.groups != x[1] || w[0] % problem.groups != 0) {
    return InvalidArgument("input {}, weights {}, {} groups", x.ToString(), w.ToString(),
                           problem.groups);
  }
  if (const Tensor* constant = context.InputConstant(weights)) problem.weights = constant->View();
  return problem;
}

// The weights' zero points where they are known: zeros where the operand is absent.
Result<TensorView> KnownZeroW(LowerContext& context, int input, DType dtype) {
  static constexpr std::array<uint8_t, 1> kZero = {0};
  if (!context.HasInput(input)) return TensorView{kZero.data(), dtype, Device::kCpu, Shape()};
  if (context.InputType(input) != dtype) {
    return InvalidArgument("zero points of type {} for weights of type {}",
                           DTypeName(context.InputType(input)), DTypeName(dtype));
  }
  const Tensor* constant = context.InputConstant(input);
  return constant != nullptr ? constant->View() : TensorView();
}

Status LowerConvInteger(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(QConvProblem problem, ReadConv(context, 1));
  ERGO_RETURN_IF_ERROR(CheckPer(context, 2, 1));
  ERGO_RETURN_IF_ERROR(CheckPer(context, 3, problem.out_channels));
  ERGO_ASSIGN_OR_RETURN(problem.zero_w, KnownZeroW(context, 3, problem.w_dtype));
  return context.Emit(QConvVariants(), problem, {In(0), In(1), In(2), In(3)}, {Out(0)});
}

// QLinearConv and ergo.QuantizedConv.
Status LowerQLinearConv(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(QConvProblem problem, ReadConv(context, kW));
  for (const int scalar : {kScaleX, kZeroX}) ERGO_RETURN_IF_ERROR(CheckPer(context, scalar, 1));
  ERGO_ASSIGN_OR_RETURN(problem.epilogue, ReadEpilogue(context, problem.out_channels));
  ERGO_ASSIGN_OR_RETURN(problem.zero_w, KnownZeroW(context, kZeroW, problem.w_dtype));
  return context.EmitSpan<QConvProblem>(QConvVariants(), problem, kKernelInputs,
                                        std::array{Out(0)});
}

// QLinearMatMul and ergo.QuantizedGemm.
Status LowerQLinearMatMul(LowerContext& context) {
  QMatMulProblem problem;
  problem.a_dtype = context.InputType(kX);
  problem.b_dtype = context.InputType(kW);
  problem.a = context.InputShape(kX);
  problem.b = context.InputShape(kW);
  problem.y = context.OutputShape(0);
  const int64_t rows = problem.y[problem.y.Rank() - 2], columns = problem.y[problem.y.Rank() - 1];
  if (problem.a[problem.a.Rank() - 1] != problem.b[problem.b.Rank() - 2]) {
    return InvalidArgument("{} x {}", problem.a.ToString(), problem.b.ToString());
  }
  for (const int each : {kScaleX, kZeroX}) {
    ERGO_RETURN_IF_ERROR(CheckPer(context, each, rows));
    problem.a_per_row |= context.HasInput(each) && context.InputShape(each).Elements() != 1;
  }
  ERGO_ASSIGN_OR_RETURN(problem.epilogue, ReadEpilogue(context, columns));
  if (context.HasInput(kZeroW)) problem.b_zeros = context.InputShape(kZeroW).Elements();
  if (const Tensor* constant = context.InputConstant(kW)) problem.weights = constant->Data();
  return context.EmitSpan<QMatMulProblem>(QMatMulVariants(), problem, kKernelInputs,
                                          std::array{Out(0)});
}

// The inputs are those of QLinearMatMul, b in the place of the weights.
Status LowerQuantizedAdd(LowerContext& context) {
  QAddProblem problem;
  problem.a_dtype = context.InputType(kX);
  problem.epilogue.y = context.OutputType(0);
  problem.epilogue.residual = context.InputType(kW);
  problem.elements = context.OutputShape(0).Elements();
  if (context.InputShape(kX) != context.InputShape(kW)) {
    return InvalidArgument("{} + {}", context.InputShape(kX).ToString(),
                           context.InputShape(kW).ToString());
  }
  for (const int scalar : {kScaleX, kZeroX, kScaleW, kZeroW, kScaleY, kZeroY}) {
    ERGO_RETURN_IF_ERROR(CheckPer(context, scalar, 1));
  }
  ERGO_ASSIGN_OR_RETURN(problem.epilogue.activation, ReadFusedActivation(context.GetNode()));
  return context.Emit(QAddVariants(), problem,
                      {In(kX), Absent(), In(kZeroX), Absent(), In(kScaleX), Absent(), In(kScaleY),
                       In(kZeroY), Absent(), In(kW), In(kScaleW), In(kZeroW)},
                      {Out(0)});
}

constexpr Lowering kLowerings[] = {
    {"", "ConvInteger", LowerConvInteger},       {"", "QLinearConv", LowerQLinearConv},
    {"", "QLinearMatMul", LowerQLinearMatMul},   {"ergo", "QuantizedAdd", LowerQuantizedAdd},
    {"ergo", "QuantizedConv", LowerQLinearConv}, {"ergo", "QuantizedGemm", LowerQLinearMatMul},
};

}  // namespace

std::span<const Lowering> QLinearLowerings() {
  return kLowerings;
}

}  // namespace ergo
