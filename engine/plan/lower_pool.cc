#include <algorithm>

#include "engine/graph/window_attributes.h"
#include "engine/plan/lowering.h"
#include "kernels/pool/pool.h"

namespace ergo {
namespace {

PoolProblem ProblemFor(const LowerContext& context, PoolKind kind) {
  PoolProblem problem;
  problem.kind = kind;
  problem.dtype = context.InputType(0);
  problem.planes = context.InputShape(0).Elements(0, 2);
  problem.p = context.GetNode().IntAttr("p", 2);
  return problem;
}

Status EmitPool(LowerContext& context, const PoolProblem& problem) {
  return context.Emit(PoolVariants(), problem, {In(0)},
                      {Out(0), problem.has_indices ? Out(1) : Absent()});
}

Status LowerPool(LowerContext& context, PoolKind kind) {
  const Node& node = context.GetNode();
  const std::span<const int64_t> dims = context.InputShape(0).Dims();
  if (dims.size() < 3) return InvalidArgument("an input of rank {}", dims.size());
  ERGO_ASSIGN_OR_RETURN(const WindowAttributes attributes,
                        ReadWindowAttributes(node, static_cast<int>(dims.size()) - 2, {}));
  PoolProblem problem = ProblemFor(context, kind);
  ERGO_ASSIGN_OR_RETURN(problem.window, ResolveWindow(attributes, dims.subspan(2)));
  problem.count_include_pad = node.IntAttr("count_include_pad", 0) != 0;
  problem.has_indices = context.HasOutput(1);
  problem.column_major = node.IntAttr("storage_order", 0) != 0;
  return EmitPool(context, problem);
}

// One window over everything; the shape of the plane does not matter, so any rank will do.
Status LowerGlobalPool(LowerContext& context, PoolKind kind) {
  const Shape& shape = context.InputShape(0);
  PoolProblem problem = ProblemFor(context, kind);
  const int64_t elements = shape.Elements(2, shape.Rank());
  problem.window.in = {1, 1, elements};
  problem.window.kernel = {1, 1, std::max<int64_t>(elements, 1)};
  return EmitPool(context, problem);
}

constexpr Lowering kLowerings[] = {
    {"", "MaxPool", [](LowerContext& context) { return LowerPool(context, PoolKind::kMax); }},
    {"", "AveragePool",
     [](LowerContext& context) { return LowerPool(context, PoolKind::kAverage); }},
    {"", "LpPool", [](LowerContext& context) { return LowerPool(context, PoolKind::kLp); }},
    {"", "GlobalMaxPool",
     [](LowerContext& context) { return LowerGlobalPool(context, PoolKind::kMax); }},
    {"", "GlobalAveragePool",
     [](LowerContext& context) { return LowerGlobalPool(context, PoolKind::kAverage); }},
    {"", "GlobalLpPool",
     [](LowerContext& context) { return LowerGlobalPool(context, PoolKind::kLp); }},
};

}  // namespace

std::span<const Lowering> PoolLowerings() {
  return kLowerings;
}

}  // namespace ergo
