#include "engine/graph/op_schema.h"
#include "engine/graph/window_attributes.h"

namespace ergo {
namespace {

Status InferPool(InferContext& context) {
  const DType dtype = context.InputType(0);
  const SymbolicShape& x = context.InputShape(0);
  if (context.GetNode().IntsAttr("kernel_shape") == nullptr) {
    return InvalidArgument("kernel_shape is missing");
  }
  SymbolicShape y;
  if (x.RankKnown()) {
    ERGO_ASSIGN_OR_RETURN(const WindowAttributes attributes,
                          ReadWindowAttributes(context.GetNode(), x.Rank() - 2, {}));
    y = x;
    for (int i = 0; i < attributes.axes; ++i) {
      ERGO_ASSIGN_OR_RETURN(y[i + 2], WindowOutputDim(attributes, i, x[i + 2]));
    }
  }
  ERGO_RETURN_IF_ERROR(context.SetOutput(0, dtype, y));
  return context.OutputCount() > 1 ? context.SetOutput(1, DType::kI64, y) : Status();
}

Status InferGlobalPool(InferContext& context) {
  SymbolicShape y = context.InputShape(0);
  if (y.RankKnown()) {
    if (y.Rank() < 3) return InvalidArgument("an input of rank {}", y.Rank());
    for (int axis = 2; axis < y.Rank(); ++axis) y[axis] = Dim(1);
  }
  return context.SetOutput(0, context.InputType(0), y);
}

constexpr OpSchema kSchemas[] = {
    {"", "MaxPool", 1, 1, 1, 1, 1, InferPool},
    {"", "MaxPool", 8, 1, 1, 1, 2, InferPool},
    {"", "AveragePool", 1, 1, 1, 1, 1, InferPool},
    {"", "LpPool", 2, 1, 1, 1, 1, InferPool},
    {"", "GlobalMaxPool", 1, 1, 1, 1, 1, InferGlobalPool},
    {"", "GlobalAveragePool", 1, 1, 1, 1, 1, InferGlobalPool},
    {"", "GlobalLpPool", 2, 1, 1, 1, 1, InferGlobalPool},
};

}  // namespace

std::span<const OpSchema> PoolSchemas() {
  return kSchemas;
}

}  // namespace ergo
