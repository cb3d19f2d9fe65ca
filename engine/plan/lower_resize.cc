// Resize and Upsample.
#include "engine/graph/resize_params.h"
#include "engine/plan/lower_move.h"

namespace ergo::move_lowering {

Status LowerResize(LowerContext& context) {
  bool unknown = false;
  ERGO_ASSIGN_OR_RETURN(const ResizeOperands operands,
                        ReadResizeOperands(
                            context.GetNode(), [&](int i) { return context.InputConstant(i); },
                            [&](int i) { return context.HasInput(i); }, unknown));
  if (unknown) return Unsupported("roi, scales and sizes must be known before the run");
  ERGO_ASSIGN_OR_RETURN(
      const ResizeProblem problem,
      MakeResizeProblem(context.GetNode(), context.InputType(0), context.InputShape(0), operands));
  return context.Emit(ResizeVariants(), problem, {In(0)}, {Out(0)});
}

}  // namespace ergo::move_lowering
