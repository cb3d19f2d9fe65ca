// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss.
#include <array>

#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

Status InferLoss(InferContext& context) {
  const std::string reduction = context.GetNode().StringAttr("reduction", "mean");
  if (reduction != "none" && reduction != "sum" && reduction != "mean") {
    return InvalidArgument("reduction '{}'", reduction);
  }
  const SymbolicShape loss =
      reduction == "none" ? context.InputShape(1) : SymbolicShape(std::vector<Dim>());
  ERGO_RETURN_IF_ERROR(context.SetOutput(0, context.InputType(0), loss));
  return context.SetOutput(1, context.InputType(0), context.InputShape(0));
}

constexpr std::array kSchemas = {
    OpSchema{"", "NegativeLogLikelihoodLoss", 12, 2, 3, 1, 1, InferLoss},
    OpSchema{"", "SoftmaxCrossEntropyLoss", 12, 2, 3, 1, 2, InferLoss},
};

}  // namespace

std::span<const OpSchema> LossSchemas() {
  return kSchemas;
}

}  // namespace ergo
