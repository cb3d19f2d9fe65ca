// Operators whose results have a size that their values decide: ranks and types are known, one
// dimension is not.
#include <algorithm>
#include <array>

#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

Status InferNonZero(InferContext& context) {
  const SymbolicShape& input = context.InputShape(0);
  const Dim rank = input.RankKnown() ? Dim(std::max(input.Rank(), 1)) : Dim();
  return context.SetOutput(0, DType::kI64, SymbolicShape({rank, Dim()}));
}

Status InferCompress(InferContext& context) {
  if (!context.GetNode().attributes.contains("axis")) {
    return context.SetOutput(0, context.InputType(0), SymbolicShape({Dim()}));
  }
  SymbolicShape shape = context.InputShape(0);
  if (shape.RankKnown()) {
    ERGO_ASSIGN_OR_RETURN(const int axis,
                          NormalizeAxis(context.GetNode().IntAttr("axis", 0), shape.Rank()));
    shape[axis] = Dim();
  }
  return context.SetOutput(0, context.InputType(0), shape);
}

Status InferUnique(InferContext& context) {
  SymbolicShape values({Dim()});
  if (context.GetNode().attributes.contains("axis")) {
    values = context.InputShape(0);
    if (values.RankKnown()) {
      ERGO_ASSIGN_OR_RETURN(const int axis,
                            NormalizeAxis(context.GetNode().IntAttr("axis", 0), values.Rank()));
      values[axis] = Dim();
    }
  }
  ERGO_RETURN_IF_ERROR(context.SetOutput(0, context.InputType(0), values));
  for (size_t i = 1; i < context.OutputCount(); ++i) {
    ERGO_RETURN_IF_ERROR(context.SetOutput(i, DType::kI64, SymbolicShape({Dim()})));
  }
  return {};
}

Status InferNonMaxSuppression(InferContext& context) {
  return context.SetOutput(0, DType::kI64, SymbolicShape({Dim(), Dim(3)}));
}

constexpr std::array kSchemas = {
    OpSchema{"", "NonZero", 9, 1, 1, 1, 1, InferNonZero},
    OpSchema{"", "Compress", 9, 2, 2, 1, 1, InferCompress},
    OpSchema{"", "Unique", 11, 1, 1, 1, 4, InferUnique},
    OpSchema{"", "NonMaxSuppression", 10, 2, 5, 1, 1, InferNonMaxSuppression},
};

}  // namespace

std::span<const OpSchema> SelectSchemas() {
  return kSchemas;
}

}  // namespace ergo
