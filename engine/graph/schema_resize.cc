// Resize and Upsample.
#include "engine/graph/resize_params.h"
#include "engine/graph/schema_move.h"

namespace ergo::move_schema {
namespace {

// What is certain of the output while the input has unknown dimensions.
Result<SymbolicShape> ResizeSymbolic(const Node& node, const SymbolicShape& input,
                                     const ResizeOperands& operands) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int> axes, ResizeAxes(node, input.Rank()));
  const bool stretch = node.StringAttr("keep_aspect_ratio_policy", "stretch") == "stretch";
  SymbolicShape output = input;
  for (size_t i = 0; i < axes.size(); ++i) {
    Dim& dim = output[axes[i]];
    if (operands.scales && i < operands.scales->size()) {
      const double scale = (*operands.scales)[i];
      if (dim.Known()) {
        ERGO_ASSIGN_OR_RETURN(const int64_t scaled, ScaledDim(dim.value, scale));
        dim = Dim(scaled);
      } else if (scale != 1) {
        dim = Dim();
      }
    } else if (operands.sizes && stretch && i < operands.sizes->size()) {
      dim = (*operands.sizes)[i] >= 0 ? Dim((*operands.sizes)[i]) : Dim();
    } else {
      dim = Dim();
    }
  }
  return output;
}

}  // namespace

Status InferResize(InferContext& context) {
  const SymbolicShape& input = context.InputShape(0);
  if (!input.RankKnown()) return SetLikeInput(context, {});
  bool unknown = false;
  ERGO_ASSIGN_OR_RETURN(
      const ResizeOperands operands,
      ReadResizeOperands(
          context.GetNode(), [&](int i) { return context.InputConstant(static_cast<size_t>(i)); },
          [&](int i) { return context.HasInput(static_cast<size_t>(i)); }, unknown));
  const std::optional<Shape> concrete = input.Concrete();
  if (unknown || !concrete) {
    ERGO_ASSIGN_OR_RETURN(const SymbolicShape output,
                          ResizeSymbolic(context.GetNode(), input, operands));
    return SetLikeInput(context, output);
  }
  ERGO_ASSIGN_OR_RETURN(
      const ResizeProblem problem,
      MakeResizeProblem(context.GetNode(), context.InputType(0), *concrete, operands));
  return SetLikeInput(context, problem.output);
}

}  // namespace ergo::move_schema
