// TopK.
#include <array>

#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

Status InferTopK(InferContext& context) {
  const Node& node = context.GetNode();
  SymbolicShape shape = context.InputShape(0);
  if (shape.RankKnown()) {
    ERGO_ASSIGN_OR_RETURN(const int axis, NormalizeAxis(node.IntAttr("axis", -1), shape.Rank()));
    Dim k;
    if (node.opset < 10) k = Dim(node.IntAttr("k", -1));
    if (const auto values = context.InputInts(1); values && values->size() == 1) {
      k = Dim((*values)[0]);
    }
    if (k.Known() && shape[axis].Known() && k.value > shape[axis].value) {
      return InvalidArgument("k is {}, the axis has {}", k.value, shape[axis].value);
    }
    shape[axis] = k;
  }
  ERGO_RETURN_IF_ERROR(context.SetOutput(0, context.InputType(0), shape));
  return context.SetOutput(1, DType::kI64, shape);
}

constexpr std::array kSchemas = {
    OpSchema{"", "TopK", 1, 1, 1, 2, 2, InferTopK},
    OpSchema{"", "TopK", 10, 2, 2, 1, 2, InferTopK},
};

}  // namespace

std::span<const OpSchema> SortSchemas() {
  return kSchemas;
}

}  // namespace ergo
