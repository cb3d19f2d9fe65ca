// Reductions, ArgMax and ArgMin, CumSum, CumProd onto the problems of kernels/reduce.
#include "engine/graph/op_schema.h"
#include "engine/plan/lowering.h"
#include "kernels/reduce/reduce.h"

namespace ergo {
namespace {

// Bit i: axis i is reduced.
Result<uint32_t> ReducedAxes(const LowerContext& context) {
  const int rank = context.InputShape(0).Rank();
  ERGO_ASSIGN_OR_RETURN(const auto axes, context.IntsFromAttrOrInput("axes", 1));
  if (!axes || axes->empty()) {
    const bool noop = context.GetNode().IntAttr("noop_with_empty_axes", 0) != 0;
    return noop ? 0u : (uint32_t{1} << rank) - 1;
  }
  uint32_t mask = 0;
  for (const int64_t axis : *axes) {
    ERGO_ASSIGN_OR_RETURN(const int normal, NormalizeAxis(axis, rank));
    mask |= uint32_t{1} << normal;
  }
  return mask;
}

template <ReduceOp op>
Status LowerReduce(LowerContext& context) {
  ReduceProblem problem{op, context.InputType(0), context.InputShape(0), 0};
  ERGO_ASSIGN_OR_RETURN(problem.axes, ReducedAxes(context));
  return context.Emit(ReduceVariants(), problem, {In(0)}, {Out(0)});
}

template <bool largest>
Status LowerArgReduce(LowerContext& context) {
  const Node& node = context.GetNode();
  ArgReduceProblem problem{context.InputType(0), context.InputShape(0), 0, largest,
                           node.IntAttr("select_last_index", 0) != 0};
  ERGO_ASSIGN_OR_RETURN(problem.axis, NormalizeAxis(node.IntAttr("axis", 0), problem.input.Rank()));
  return context.Emit(ArgReduceVariants(), problem, {In(0)}, {Out(0)});
}

template <CumulativeOp op>
Status LowerCumulative(LowerContext& context) {
  const Node& node = context.GetNode();
  ERGO_ASSIGN_OR_RETURN(const auto axis, context.InputInts(1));
  if (!axis || axis->size() != 1) return InvalidArgument("axis is not one number");
  CumulativeProblem problem{op,
                            context.InputType(0),
                            context.InputShape(0),
                            0,
                            node.IntAttr("exclusive", 0) != 0,
                            node.IntAttr("reverse", 0) != 0};
  ERGO_ASSIGN_OR_RETURN(problem.axis, NormalizeAxis(axis->front(), problem.input.Rank()));
  return context.Emit(CumulativeVariants(), problem, {In(0)}, {Out(0)});
}

constexpr Lowering kLowerings[] = {
    {"", "ArgMax", LowerArgReduce<true>},
    {"", "ArgMin", LowerArgReduce<false>},
    {"", "CumProd", LowerCumulative<CumulativeOp::kProduct>},
    {"", "CumSum", LowerCumulative<CumulativeOp::kSum>},
    {"", "ReduceL1", LowerReduce<ReduceOp::kL1>},
    {"", "ReduceL2", LowerReduce<ReduceOp::kL2>},
    {"", "ReduceLogSum", LowerReduce<ReduceOp::kLogSum>},
    {"", "ReduceLogSumExp", LowerReduce<ReduceOp::kLogSumExp>},
    {"", "ReduceMax", LowerReduce<ReduceOp::kMax>},
    {"", "ReduceMean", LowerReduce<ReduceOp::kMean>},
    {"", "ReduceMin", LowerReduce<ReduceOp::kMin>},
    {"", "ReduceProd", LowerReduce<ReduceOp::kProd>},
    {"", "ReduceSum", LowerReduce<ReduceOp::kSum>},
    {"", "ReduceSumSquare", LowerReduce<ReduceOp::kSumSquare>},
};

}  // namespace

std::span<const Lowering> ReduceLowerings() {
  return kLowerings;
}

}  // namespace ergo
