// Depthwise convolution, one input channel a group: directly, vectorized along the width. There is
// no sum over channels to tile, so a tile is one output channel by many vectors of positions.
#include "kernels/conv/patch_engine.h"

namespace ergo {

MadeKernel MakeConvDepthwise(const ConvProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckConv(problem));
  if (problem.GroupInChannels() != 1 || problem.groups == 1) {
    return Unsupported("{} input channels in {} groups are not depthwise", problem.in_channels,
                       problem.groups);
  }
  PatchOptions options;
  options.tile = ActivePatchTiles().flat;
  options.max_workers = context.max_workers;
  // A patch of a single channel: large blocks save copies of the rows between them.
  options.positions = 2048;
  options.whole_rows = true;
  return MakePatchKernel(PatchPlan::Make(problem, options), context);
}

}  // namespace ergo
