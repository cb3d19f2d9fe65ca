// Softmax and normalizations onto the problems of kernels/norm.
#include "engine/graph/op_schema.h"
#include "engine/graph/scalar_constant.h"
#include "engine/plan/lowering.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/norm/norm.h"
#include "kernels/reduce/reduce.h"

namespace ergo {
namespace {

// From opset 13 on along one axis; before, along all from `axis` on, seen as one.
template <SoftmaxOp op>
Status LowerSoftmax(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& shape = context.InputShape(0);
  const int rank = shape.Rank();
  const bool flattens = node.opset < 13;
  ERGO_ASSIGN_OR_RETURN(const int axis,
                        NormalizeAxis(node.IntAttr("axis", flattens ? 1 : -1), rank));
  const int end = flattens ? rank : axis + 1;
  const SoftmaxProblem problem{op, context.InputType(0), shape.Elements(0, axis),
                               shape.Elements(axis, end), shape.Elements(end, rank)};
  return context.Emit(SoftmaxVariants(), problem, {In(0)}, {Out(0)});
}

// x as [batch, channels, spatial].
struct ChannelView {
  int64_t batch, channels, spatial;
};
Result<ChannelView> ViewChannels(const Shape& shape) {
  if (shape.Rank() < 1) return InvalidArgument("a scalar has no channels");
  if (shape.Rank() == 1) return ChannelView{shape[0], 1, 1};
  return ChannelView{shape[0], shape[1], shape.Elements(2, shape.Rank())};
}

Status CheckParameter(const LowerContext& context, int input, int64_t elements) {
  if (context.InputShape(input).Elements() == elements) return {};
  return InvalidArgument("input {} has shape {} where {} values are expected", input,
                         context.InputShape(input).ToString(), elements);
}

BatchNormProblem BatchNormOf(const LowerContext& context, const ChannelView& x, DType statistics) {
  return {context.InputType(0),
          x.batch,
          x.channels,
          x.spatial,
          context.GetNode().FloatAttr("epsilon", 1e-5f),
          context.InputType(1),
          statistics};
}

Status EmitBinary(LowerContext& context, BinaryOp op, DType dtype, Operand a, const Shape& a_shape,
                  Operand b, const Shape& b_shape, Operand out) {
  return context.Emit(BinaryVariants(), BinaryProblem{op, dtype, dtype, a_shape, b_shape}, {a, b},
                      {out});
}

// BatchNormalization that trains: x is normalized by its own mean and (population) variance, and
// the running ones move towards them: running = given * momentum + batch * (1 - momentum). The
// statistics are computed in float, or in double where an operand is of it.
class BatchNormTraining {
 public:
  BatchNormTraining(LowerContext& context, const ChannelView& x) : context_(context), x_(x) {
    const bool wide = context.InputType(0) == DType::kF64 || context.InputType(3) == DType::kF64;
    dtype_ = wide ? DType::kF64 : DType::kF32;
  }

  Status Emit() {
    const Shape view{x_.batch, x_.channels, x_.spatial};
    const Shape one{1, x_.channels, 1};
    const Operand mean = Statistic(3), deviations = context_.Temporary(dtype_, view);
    const Operand squares = context_.Temporary(dtype_, view), variance = Statistic(4);
    const ReduceProblem reduce{ReduceOp::kMean, dtype_, view, 0b101};
    ERGO_ASSIGN_OR_RETURN(const Operand x, Cast(In(0), context_.InputType(0), view));
    ERGO_RETURN_IF_ERROR(context_.Emit(ReduceVariants(), reduce, {x}, {mean}));
    ERGO_RETURN_IF_ERROR(
        EmitBinary(context_, BinaryOp::kSub, dtype_, x, view, mean, one, deviations));
    ERGO_RETURN_IF_ERROR(
        EmitBinary(context_, BinaryOp::kMul, dtype_, deviations, view, deviations, view, squares));
    ERGO_RETURN_IF_ERROR(context_.Emit(ReduceVariants(), reduce, {squares}, {variance}));
    ERGO_RETURN_IF_ERROR(context_.Emit(BatchNormVariants(), BatchNormOf(context_, x_, dtype_),
                                       {In(0), In(1), In(2), mean, variance}, {Out(0)}));
    ERGO_RETURN_IF_ERROR(EmitRunning(3, mean, 1));
    ERGO_RETURN_IF_ERROR(EmitRunning(4, variance, 2));
    ERGO_RETURN_IF_ERROR(CastToOutput(mean, 3));
    return CastToOutput(variance, 4);
  }

 private:
  bool OutputOfOtherType(int output) const {
    return context_.HasOutput(output) && context_.OutputType(output) != dtype_;
  }

  // The output itself where it is wanted and of the type computed in.
  Operand Statistic(int output) {
    if (context_.HasOutput(output) && !OutputOfOtherType(output)) return Out(output);
    return context_.Temporary(dtype_, Shape{x_.channels});
  }

  Result<Operand> Cast(Operand from, DType dtype, const Shape& shape) {
    if (dtype == dtype_) return from;
    const Operand cast = context_.Temporary(dtype_, shape);
    ERGO_RETURN_IF_ERROR(
        context_.Emit(CastVariants(), CastProblem{dtype, dtype_, shape}, {from}, {cast}));
    return cast;
  }

  Status EmitRunning(int input, Operand batch, int output) {
    if (!context_.HasOutput(output)) return {};
    const Shape shape{x_.channels};
    const double momentum = context_.GetNode().FloatAttr("momentum", 0.9f);
    const Operand kept = context_.Temporary(dtype_, shape);
    const Operand added = context_.Temporary(dtype_, shape), sum = Statistic(output);
    ERGO_ASSIGN_OR_RETURN(const Operand given, Cast(In(input), context_.InputType(input), shape));
    ERGO_RETURN_IF_ERROR(EmitBinary(context_, BinaryOp::kMul, dtype_, given, shape,
                                    context_.Constant(ScalarConstant(dtype_, momentum)), Shape(),
                                    kept));
    ERGO_RETURN_IF_ERROR(EmitBinary(context_, BinaryOp::kMul, dtype_, batch, shape,
                                    context_.Constant(ScalarConstant(dtype_, 1 - momentum)),
                                    Shape(), added));
    ERGO_RETURN_IF_ERROR(
        EmitBinary(context_, BinaryOp::kAdd, dtype_, kept, shape, added, shape, sum));
    return CastToOutput(sum, output);
  }

  Status CastToOutput(Operand statistic, int output) {
    if (!OutputOfOtherType(output)) return {};
    const CastProblem cast{dtype_, context_.OutputType(output), Shape{x_.channels}};
    return context_.Emit(CastVariants(), cast, {statistic}, {Out(output)});
  }

  LowerContext& context_;
  ChannelView x_;
  DType dtype_;
};

Status LowerBatchNorm(LowerContext& context) {
  const Node& node = context.GetNode();
  if (node.IntAttr("spatial", 1) == 0) return Unsupported("statistics for each element");
  ERGO_ASSIGN_OR_RETURN(const ChannelView x, ViewChannels(context.InputShape(0)));
  for (int i = 1; i <= 4; ++i) ERGO_RETURN_IF_ERROR(CheckParameter(context, i, x.channels));
  // Before opset 14 a node that is asked for statistics trains.
  const bool trains =
      node.opset < 14 ? node.outputs.size() > 1 : node.IntAttr("training_mode", 0) != 0;
  if (trains) return BatchNormTraining(context, x).Emit();
  if (node.outputs.size() > 1) return InvalidArgument("statistics without training_mode");
  return context.Emit(BatchNormVariants(), BatchNormOf(context, x, context.InputType(3)),
                      {In(0), In(1), In(2), In(3), In(4)}, {Out(0)});
}

Status EmitGroupNorm(LowerContext& context, const ChannelView& x, int64_t groups) {
  const Node& node = context.GetNode();
  if (groups < 1 || x.channels % groups != 0) {
    return InvalidArgument("{} channels in {} groups", x.channels, groups);
  }
  // Opset 18 had a scale for each group, 21 has one for each channel.
  const bool per_group = node.op == "GroupNormalization" && node.opset < 21;
  for (int i = 1; i <= 2; ++i) {
    ERGO_RETURN_IF_ERROR(CheckParameter(context, i, per_group ? groups : x.channels));
    if (context.InputType(i) != context.InputType(0)) {
      return Unsupported("input {} is not of the type of input 0", i);
    }
  }
  const GroupNormProblem problem{context.InputType(0),
                                 x.batch,
                                 groups,
                                 x.channels / groups,
                                 x.spatial,
                                 node.FloatAttr("epsilon", 1e-5f),
                                 per_group};
  return context.Emit(GroupNormVariants(), problem, {In(0), In(1), In(2)}, {Out(0)});
}

Status LowerInstanceNorm(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(const ChannelView x, ViewChannels(context.InputShape(0)));
  return EmitGroupNorm(context, x, x.channels);
}

Status LowerGroupNorm(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(const ChannelView x, ViewChannels(context.InputShape(0)));
  return EmitGroupNorm(context, x, context.GetNode().IntAttr("num_groups", 0));
}

// y = normalized * scale (+ bias) in steps of their own, for parameters that the kernel does not
// take: those that broadcast, or are of another type than x.
Status EmitScale(LowerContext& context, Operand normalized) {
  const Shape& shape = context.OutputShape(0);
  const DType dtype = context.OutputType(0);
  if (context.InputType(0) != dtype) {
    const Operand cast = context.Temporary(dtype, shape);
    ERGO_RETURN_IF_ERROR(context.Emit(
        CastVariants(), CastProblem{context.InputType(0), dtype, shape}, {normalized}, {cast}));
    normalized = cast;
  }
  const bool bias = context.HasInput(2);
  const Operand scaled = bias ? context.Temporary(dtype, shape) : Out(0);
  ERGO_RETURN_IF_ERROR(EmitBinary(context, BinaryOp::kMul, dtype, normalized, shape, In(1),
                                  context.InputShape(1), scaled));
  if (!bias) return {};
  return EmitBinary(context, BinaryOp::kAdd, dtype, scaled, shape, In(2), context.InputShape(2),
                    Out(0));
}

template <bool rms>
Status LowerLayerNorm(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& shape = context.InputShape(0);
  if (node.IntAttr("stash_type", 1) != 1) return Unsupported("stash_type other than float");
  ERGO_ASSIGN_OR_RETURN(const int axis, NormalizeAxis(node.IntAttr("axis", -1), shape.Rank()));
  const LayerNormProblem problem{context.InputType(0), shape.Elements(0, axis),
                                 shape.Elements(axis, shape.Rank()),
                                 node.FloatAttr("epsilon", 1e-5f), rms};
  const auto direct = [&](int i) {
    return !context.HasInput(i) || (context.InputType(i) == problem.dtype &&
                                    context.InputShape(i).Elements() == problem.length);
  };
  if (direct(1) && direct(2)) {
    return context.Emit(LayerNormVariants(), problem, {In(0), In(1), In(2)},
                        {Out(0), Out(1), Out(2)});
  }
  const Operand normalized = context.Temporary(problem.dtype, shape);
  ERGO_RETURN_IF_ERROR(context.Emit(LayerNormVariants(), problem, {In(0), Absent(), Absent()},
                                    {normalized, Out(1), Out(2)}));
  return EmitScale(context, normalized);
}

Status LowerLpNorm(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& shape = context.InputShape(0);
  ERGO_ASSIGN_OR_RETURN(const int axis, NormalizeAxis(node.IntAttr("axis", -1), shape.Rank()));
  const int64_t p = node.IntAttr("p", 2);
  if (p != 1 && p != 2) return InvalidArgument("norm of order {}", p);
  const LpNormProblem problem{context.InputType(0), shape.Elements(0, axis), shape[axis],
                              shape.Elements(axis + 1, shape.Rank()), static_cast<int>(p)};
  return context.Emit(LpNormVariants(), problem, {In(0)}, {Out(0)});
}

Status LowerLrn(LowerContext& context) {
  const Node& node = context.GetNode();
  ERGO_ASSIGN_OR_RETURN(const ChannelView x, ViewChannels(context.InputShape(0)));
  const LrnProblem problem{context.InputType(0),
                           x.batch,
                           x.channels,
                           x.spatial,
                           node.IntAttr("size", 0),
                           node.FloatAttr("alpha", 1e-4f),
                           node.FloatAttr("beta", 0.75f),
                           node.FloatAttr("bias", 1.0f)};
  return context.Emit(LrnVariants(), problem, {In(0)}, {Out(0)});
}

// (x - mean) / (sqrt(mean of squared deviations) + 1e-9).
Status LowerMeanVarianceNorm(LowerContext& context) {
  const DType dtype = context.InputType(0);
  const Shape& shape = context.InputShape(0);
  const std::vector<int64_t>* given = context.GetNode().IntsAttr("axes");
  ReduceProblem mean{ReduceOp::kMean, dtype, shape, 0};
  Shape reduced = shape;
  for (const int64_t axis : given != nullptr ? *given : std::vector<int64_t>{0, 2, 3}) {
    ERGO_ASSIGN_OR_RETURN(const int normal, NormalizeAxis(axis, shape.Rank()));
    mean.axes |= uint32_t{1} << normal;
    reduced[normal] = 1;
  }
  const Operand means = context.Temporary(dtype, reduced);
  const Operand deviations = context.Temporary(dtype, shape);
  const Operand squares = context.Temporary(dtype, shape);
  const Operand variances = context.Temporary(dtype, reduced);
  const Operand stds = context.Temporary(dtype, reduced);
  const Operand divisors = context.Temporary(dtype, reduced);

  ERGO_RETURN_IF_ERROR(context.Emit(ReduceVariants(), mean, {In(0)}, {means}));
  const Operand epsilon = context.Constant(ScalarConstant(dtype, 1e-9));
  ERGO_RETURN_IF_ERROR(
      EmitBinary(context, BinaryOp::kSub, dtype, In(0), shape, means, reduced, deviations));
  ERGO_RETURN_IF_ERROR(
      EmitBinary(context, BinaryOp::kMul, dtype, deviations, shape, deviations, shape, squares));
  ERGO_RETURN_IF_ERROR(context.Emit(ReduceVariants(), mean, {squares}, {variances}));
  ERGO_RETURN_IF_ERROR(context.Emit(UnaryVariants(), UnaryProblem{UnaryOp::kSqrt, dtype, reduced},
                                    {variances}, {stds}));
  ERGO_RETURN_IF_ERROR(
      EmitBinary(context, BinaryOp::kAdd, dtype, stds, reduced, epsilon, Shape(), divisors));
  return EmitBinary(context, BinaryOp::kDiv, dtype, deviations, shape, divisors, reduced, Out(0));
}

constexpr Lowering kLowerings[] = {
    {"", "BatchNormalization", LowerBatchNorm},
    {"", "GroupNormalization", LowerGroupNorm},
    {"", "Hardmax", LowerSoftmax<SoftmaxOp::kHardmax>},
    {"", "InstanceNormalization", LowerInstanceNorm},
    {"", "LRN", LowerLrn},
    {"", "LayerNormalization", LowerLayerNorm<false>},
    {"", "LogSoftmax", LowerSoftmax<SoftmaxOp::kLogSoftmax>},
    {"", "LpNormalization", LowerLpNorm},
    {"", "MeanVarianceNormalization", LowerMeanVarianceNorm},
    {"", "RMSNormalization", LowerLayerNorm<true>},
    {"", "Softmax", LowerSoftmax<SoftmaxOp::kSoftmax>},
};

}  // namespace

std::span<const Lowering> NormLowerings() {
  return kLowerings;
}

}  // namespace ergo
