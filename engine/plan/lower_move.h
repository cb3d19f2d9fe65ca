// Lowerings of the data movement operators, split over lower_move*.cc and lower_resize.cc; the
// table that names them all is in lower_move.cc. Only those files include this.
#ifndef ERGO_ENGINE_PLAN_LOWER_MOVE_H_
#define ERGO_ENGINE_PLAN_LOWER_MOVE_H_

#include "engine/plan/lowering.h"
#include "kernels/move/strided_copy.h"

namespace ergo::move_lowering {

// Output 0 from input 0; no step when the bytes stay as they are.
Status EmitStridedCopy(LowerContext& context, const move::StridedCopyProblem& problem);
// Output `output` is `tensor`, known at plan time; or one element of it repeated.
Status EmitConstant(LowerContext& context, int output, Tensor tensor);
Status EmitRepeated(LowerContext& context, int output, Tensor element);
// One element of a numeric type or bool.
Result<Tensor> ScalarOf(DType dtype, double value);

// lower_move_index.cc: what picks, places or makes elements.
Status LowerGather(LowerContext& context);
Status LowerGatherElements(LowerContext& context);
Status LowerGatherNd(LowerContext& context);
Status LowerPad(LowerContext& context);
Status LowerCenterCropPad(LowerContext& context);
Status LowerShape(LowerContext& context);
Status LowerSize(LowerContext& context);
Status LowerRange(LowerContext& context);
Status LowerEyeLike(LowerContext& context);
Status LowerConstantOfShape(LowerContext& context);
Status LowerScatterElements(LowerContext& context);
Status LowerScatterNd(LowerContext& context);
Status LowerOneHot(LowerContext& context);
Status LowerTrilu(LowerContext& context);
Status LowerReverseSequence(LowerContext& context);

// lower_resize.cc.
Status LowerResize(LowerContext& context);

}  // namespace ergo::move_lowering

#endif  // ERGO_ENGINE_PLAN_LOWER_MOVE_H_
