#include <array>

#include "engine/graph/op_schema.h"
#include "engine/plan/lowering.h"
#include "kernels/sort/sort.h"

namespace ergo {
namespace {

Status LowerTopK(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& shape = context.InputShape(0);
  ERGO_ASSIGN_OR_RETURN(const int axis, NormalizeAxis(node.IntAttr("axis", -1), shape.Rank()));
  TopKProblem problem;
  problem.dtype = context.InputType(0);
  problem.outer = shape.Elements(0, axis);
  problem.extent = shape[axis];
  problem.inner = shape.Elements(axis + 1, shape.Rank());
  problem.k = context.OutputShape(0)[axis];
  problem.largest = node.IntAttr("largest", 1) != 0;
  return context.Emit(TopKVariants(), problem, {In(0)}, {Out(0), Out(1)});
}

constexpr std::array kLowerings = {Lowering{"", "TopK", LowerTopK}};

}  // namespace

std::span<const Lowering> SortLowerings() {
  return kLowerings;
}

}  // namespace ergo
