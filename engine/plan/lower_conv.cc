#include "engine/graph/window_attributes.h"
#include "engine/plan/fused_activation.h"
#include "engine/plan/lowering.h"
#include "kernels/conv/conv.h"

namespace ergo {
namespace {

// Conv and FusedConv; a plain Conv has no residual and no activation.
Status LowerConv(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& x = context.InputShape(0);
  const Shape& w = context.InputShape(1);
  if (x.Rank() < 3 || w.Rank() != x.Rank()) {
    return InvalidArgument("input {} and weights {}", x.ToString(), w.ToString());
  }
  ERGO_ASSIGN_OR_RETURN(const WindowAttributes attributes,
                        ReadWindowAttributes(node, x.Rank() - 2, w.Dims().subspan(2)));
  ConvProblem problem;
  ERGO_ASSIGN_OR_RETURN(problem.window, ResolveWindow(attributes, x.Dims().subspan(2)));
  problem.dtype = context.InputType(0);
  problem.batch = x[0];
  problem.groups = node.IntAttr("group", 1);
  problem.in_channels = x[1];
  problem.out_channels = w[0];
  problem.has_bias = context.HasInput(2);
  problem.has_residual = context.HasInput(3);
  if (problem.has_residual && context.InputShape(3) != context.OutputShape(0)) {
    return InvalidArgument("a residual {} for an output {}", context.InputShape(3).ToString(),
                           context.OutputShape(0).ToString());
  }
  ERGO_ASSIGN_OR_RETURN(problem.activation, ReadFusedActivation(node));
  const Tensor* weights = context.InputConstant(1);
  if (weights != nullptr) problem.weights = weights->Data();
  return context.Emit(ConvVariants(), problem, {In(0), In(1), In(2), In(3)}, {Out(0)});
}

constexpr Lowering kLowerings[] = {
    {"", "Conv", LowerConv},
    {"ergo", "FusedConv", LowerConv},
};

}  // namespace

std::span<const Lowering> ConvLowerings() {
  return kLowerings;
}

}  // namespace ergo
