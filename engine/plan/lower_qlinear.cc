#include "engine/graph/window_attributes.h"
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
  problem.y_dtype = context.OutputType(0);
  problem.batch = x[0];
  problem.in_channels = x[1];
  problem.out_channels = w[0];
  problem.groups = node.IntAttr("group", 1);
  if (problem.groups < 1 || w[1] * problem.groups != x[1] || w[0] % problem.groups != 0) {
    return InvalidArgument("input {}, weights {}, {} groups", x.ToString(), w.ToString(),
                           problem.groups);
  }
  return problem;
}

Status LowerConvInteger(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(const QConvProblem problem, ReadConv(context, 1));
  ERGO_RETURN_IF_ERROR(CheckPer(context, 2, 1));
  ERGO_RETURN_IF_ERROR(CheckPer(context, 3, problem.out_channels));
  return context.Emit(QConvVariants(), problem, {In(0), In(1), In(2), In(3)}, {Out(0)});
}

Status LowerQLinearConv(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(QConvProblem problem, ReadConv(context, 3));
  problem.requantize = true;
  for (const int scalar : {1, 2, 6, 7}) ERGO_RETURN_IF_ERROR(CheckPer(context, scalar, 1));
  for (const int each : {4, 5, 8}) {
    ERGO_RETURN_IF_ERROR(CheckPer(context, each, problem.out_channels));
  }
  return context.Emit(QConvVariants(), problem,
                      {In(0), In(3), In(2), In(5), In(1), In(4), In(6), In(7), In(8)}, {Out(0)});
}

Status LowerQLinearMatMul(LowerContext& context) {
  QMatMulProblem problem;
  problem.a_dtype = context.InputType(0);
  problem.b_dtype = context.InputType(3);
  problem.y_dtype = context.OutputType(0);
  problem.a = context.InputShape(0);
  problem.b = context.InputShape(3);
  problem.y = context.OutputShape(0);
  const int64_t rows = problem.y[problem.y.Rank() - 2], columns = problem.y[problem.y.Rank() - 1];
  if (problem.a[problem.a.Rank() - 1] != problem.b[problem.b.Rank() - 2]) {
    return InvalidArgument("{} x {}", problem.a.ToString(), problem.b.ToString());
  }
  for (const int each : {1, 2}) ERGO_RETURN_IF_ERROR(CheckPer(context, each, rows));
  for (const int each : {4, 5}) ERGO_RETURN_IF_ERROR(CheckPer(context, each, columns));
  for (const int scalar : {6, 7}) ERGO_RETURN_IF_ERROR(CheckPer(context, scalar, 1));
  return context.Emit(QMatMulVariants(), problem,
                      {In(0), In(3), In(2), In(5), In(1), In(4), In(6), In(7)}, {Out(0)});
}

constexpr Lowering kLowerings[] = {
    {"", "ConvInteger", LowerConvInteger},
    {"", "QLinearConv", LowerQLinearConv},
    {"", "QLinearMatMul", LowerQLinearMatMul},
};

}  // namespace

std::span<const Lowering> QLinearLowerings() {
  return kLowerings;
}

}  // namespace ergo
