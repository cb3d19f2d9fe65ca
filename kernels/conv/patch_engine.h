// The patch engine: runs a PatchPlan with SIMD, for whichever target was active when the kernel was
// made.
#ifndef ERGO_KERNELS_CONV_PATCH_ENGINE_H_
#define ERGO_KERNELS_CONV_PATCH_ENGINE_H_

#include "kernels/conv/patch_plan.h"

namespace ergo {

// The active target's tiles: for many output channels a group, and for a single one.
struct PatchTiles {
  TileShape wide, flat;
};
PatchTiles ActivePatchTiles();

struct PatchOperands {
  const float* x;
  const float* weights;   // packed
  const float* bias;      // or null
  const float* residual;  // or null
  float* y;
};

// Runs tasks [begin, end) of a plan, with ScratchElements() floats of scratch.
using RunPatchTasksFn = void (*)(const PatchPlan& plan, const PatchOperands& operands,
                                 int64_t begin, int64_t end, float* scratch);
// The active target's, for kernels that run plans of their own.
RunPatchTasksFn ActiveRunPatchTasks();

// The kernel that runs the plan, packing constant weights now and others in each run. The plan's
// problem may be another form of the caller's as long as the operands' bytes are the same.
// Unsupported for what the engine does not take: dtypes other than f32, no input channels.
MadeKernel MakePatchKernel(Result<PatchPlan> plan, const MakeContext& context);

}  // namespace ergo

#endif  // ERGO_KERNELS_CONV_PATCH_ENGINE_H_
