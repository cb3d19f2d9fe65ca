// Convolution and pooling with channels innermost (engine/plan/choose_layout.h).
#include "engine/graph/window_attributes.h"
#include "engine/plan/fused_activation.h"
#include "engine/plan/lowering.h"
#include "kernels/conv_nhwc/conv_nhwc.h"
#include "kernels/conv_nhwc/expand_depthwise.h"
#include "kernels/pool/pool_nhwc.h"

namespace ergo {
namespace {

Status LowerNhwcConv(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& x = context.InputShape(0);
  const Shape& w = context.InputShape(1);
  const Tensor* weights = context.InputConstant(1);
  if (x.Rank() != 4 || w.Rank() != 4 || weights == nullptr) {
    return InvalidArgument("input {} and weights {}", x.ToString(), w.ToString());
  }
  NhwcConvProblem problem;
  problem.planar_input = node.IntAttr("planar_input", 0) != 0;
  ConvProblem& conv = problem.conv;
  ERGO_ASSIGN_OR_RETURN(const WindowAttributes attributes,
                        ReadWindowAttributes(node, 2, w.Dims().subspan(2)));
  const std::span<const int64_t> plane = x.Dims().subspan(problem.planar_input ? 2 : 1, 2);
  ERGO_ASSIGN_OR_RETURN(conv.window, ResolveWindow(attributes, plane));
  conv.dtype = context.InputType(0);
  conv.batch = x[0];
  conv.groups = node.IntAttr("group", 1);
  conv.in_channels = x[problem.planar_input ? 1 : 3];
  conv.out_channels = w[0];
  conv.has_bias = context.HasInput(2);
  conv.has_residual = context.HasInput(3);
  if (conv.has_residual && context.InputShape(3) != context.OutputShape(0)) {
    return InvalidArgument("a residual {} for an output {}", context.InputShape(3).ToString(),
                           context.OutputShape(0).ToString());
  }
  ERGO_ASSIGN_OR_RETURN(conv.activation, ReadFusedActivation(node));
  conv.weights = weights->Data();
  return context.Emit(NhwcConvVariants(), problem, {In(0), In(1), In(2), In(3)}, {Out(0)});
}

// A pointwise convolution and the depthwise one behind it (engine/plan/fuse_expand_depthwise.h).
Status LowerExpandDepthwise(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape &x = context.InputShape(0), &w1 = context.InputShape(1), &w2 = context.InputShape(3);
  if (x.Rank() != 4 || w1 != Shape{w2[0], x[3], 1, 1}) {
    return InvalidArgument("input {} and weights {}", x.ToString(), w1.ToString());
  }
  ExpandDepthwiseProblem problem;
  ConvProblem &expand = problem.expand, &depthwise = problem.depthwise;
  expand.dtype = depthwise.dtype = context.InputType(0);
  expand.batch = depthwise.batch = x[0];
  expand.in_channels = x[3];
  expand.out_channels = w1[0];
  expand.window.in = expand.window.out = {1, x[1], x[2]};
  expand.has_bias = context.HasInput(2);
  ERGO_ASSIGN_OR_RETURN(expand.activation, ReadFusedActivation(node, "expand_"));
  depthwise.groups = depthwise.in_channels = depthwise.out_channels = w2[0];
  ERGO_ASSIGN_OR_RETURN(const WindowAttributes attributes,
                        ReadWindowAttributes(node, 2, w2.Dims().subspan(2)));
  ERGO_ASSIGN_OR_RETURN(depthwise.window, ResolveWindow(attributes, x.Dims().subspan(1, 2)));
  depthwise.has_bias = context.HasInput(4);
  ERGO_ASSIGN_OR_RETURN(depthwise.activation, ReadFusedActivation(node));
  if (const Tensor* weights = context.InputConstant(1)) expand.weights = weights->Data();
  if (const Tensor* weights = context.InputConstant(3)) depthwise.weights = weights->Data();
  return context.Emit(ExpandDepthwiseVariants(), problem, {In(0), In(1), In(2), In(3), In(4)},
                      {Out(0)});
}

template <PoolKind kKind>
Status LowerNhwcPool(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& x = context.InputShape(0);
  if (x.Rank() != 4) return InvalidArgument("an input {}", x.ToString());
  ERGO_ASSIGN_OR_RETURN(const WindowAttributes attributes, ReadWindowAttributes(node, 2, {}));
  NhwcPoolProblem problem;
  problem.channels = x[3];
  problem.pool.kind = kKind;
  problem.pool.dtype = context.InputType(0);
  problem.pool.planes = x[0] * x[3];
  ERGO_ASSIGN_OR_RETURN(problem.pool.window, ResolveWindow(attributes, x.Dims().subspan(1, 2)));
  problem.pool.count_include_pad = node.IntAttr("count_include_pad", 0) != 0;
  return context.Emit(NhwcPoolVariants(), problem, {In(0)}, {Out(0)});
}

constexpr Lowering kLowerings[] = {
    {"ergo", "NhwcConv", LowerNhwcConv},
    {"ergo", "ExpandDepthwise", LowerExpandDepthwise},
    {"ergo", "NhwcMaxPool", LowerNhwcPool<PoolKind::kMax>},
    {"ergo", "NhwcAveragePool", LowerNhwcPool<PoolKind::kAverage>},
};

}  // namespace

std::span<const Lowering> NhwcLowerings() {
  return kLowerings;
}

}  // namespace ergo
