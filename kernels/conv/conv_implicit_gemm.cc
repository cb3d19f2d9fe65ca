// Any convolution as a matrix product with packed weights, through the patch engine.
#include "kernels/conv/patch_engine.h"

namespace ergo {

MadeKernel MakeConvImplicitGemm(const ConvProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckConv(problem));
  PatchOptions options;
  options.tile = ActivePatchTiles().wide;
  options.max_workers = context.max_workers;
  return MakePatchKernel(PatchPlan::Make(problem, options), context);
}

}  // namespace ergo
