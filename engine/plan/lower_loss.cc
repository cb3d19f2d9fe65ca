#include <array>

#include "engine/plan/lowering.h"
#include "kernels/loss/loss.h"

namespace ergo {
namespace {

Status LowerLoss(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& scores = context.InputShape(0);
  const Shape& target = context.InputShape(1);
  bool fits = scores.Rank() >= 2 && target.Rank() == scores.Rank() - 1;
  for (int axis = 0; fits && axis < target.Rank(); ++axis) {
    fits = target[axis] == scores[axis == 0 ? 0 : axis + 1];
  }
  if (!fits || (context.HasInput(2) && !(context.InputShape(2) == Shape{scores[1]}))) {
    return InvalidArgument("scores {} and targets {} do not fit", scores.ToString(),
                           target.ToString());
  }
  LossProblem problem;
  problem.dtype = context.InputType(0);
  problem.target_dtype = context.InputType(1);
  problem.batch = scores[0];
  problem.classes = scores[1];
  problem.inner = scores.Elements(2, scores.Rank());
  const std::string reduction = node.StringAttr("reduction", "mean");
  problem.reduction = reduction == "none"  ? LossProblem::Reduction::kNone
                      : reduction == "sum" ? LossProblem::Reduction::kSum
                                           : LossProblem::Reduction::kMean;
  problem.softmax_first = node.op == "SoftmaxCrossEntropyLoss";
  problem.has_ignore_index = node.attributes.contains("ignore_index");
  problem.ignore_index = node.IntAttr("ignore_index", 0);
  return context.Emit(LossVariants(), problem, {In(0), In(1), In(2)}, {Out(0), Out(1)});
}

constexpr std::array kLowerings = {
    Lowering{"", "NegativeLogLikelihoodLoss", LowerLoss},
    Lowering{"", "SoftmaxCrossEntropyLoss", LowerLoss},
};

}  // namespace

std::span<const Lowering> LossLowerings() {
  return kLowerings;
}

}  // namespace ergo
