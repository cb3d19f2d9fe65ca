// 1x1 convolution without strides or padding: a plain matrix product of the weights with the planes
// as rows. Positions need no rows of their own then, and the images of a batch with small planes
// are positions, too.
#include "kernels/conv/patch_engine.h"

namespace ergo {

MadeKernel MakeConvPointwise(const ConvProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckConv(problem));
  if (!problem.window.IsPointwise()) {
    return Unsupported("not 1x1 without strides and padding: {}", problem.window.ToString());
  }
  PatchOptions options;
  options.tile = ActivePatchTiles().wide;
  options.max_workers = context.max_workers;
  const int64_t plane = problem.window.OutElements();
  ConvProblem flat = problem;
  flat.window = Window();
  flat.window.in[2] = flat.window.out[2] = plane;
  PatchStrides x{problem.in_channels * plane, plane, plane, plane};
  PatchStrides y{problem.out_channels * plane, plane, plane, plane};
  // Rows are images where a plane alone fills no block.
  if (problem.batch > 1 && plane < options.positions) {
    flat.batch = 1;
    flat.window.in[1] = flat.window.out[1] = problem.batch;
    x.row = x.batch;
    y.row = y.batch;
  }
  return MakePatchKernel(PatchPlan::Make(flat, x, y, options), context);
}

}  // namespace ergo
