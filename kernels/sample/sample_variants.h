// What the rows of sample_variants.inc call. For the family's own tables.
#ifndef ERGO_KERNELS_SAMPLE_SAMPLE_VARIANTS_H_
#define ERGO_KERNELS_SAMPLE_SAMPLE_VARIANTS_H_

#include "kernels/sample/sample.h"

namespace ergo {

MadeKernel MakeSampleReference(const GridSampleProblem& problem, const MakeContext& context);
MadeKernel MakeSampleReference(const AffineGridProblem& problem, const MakeContext& context);
MadeKernel MakeSampleReference(const RoiAlignProblem& problem, const MakeContext& context);
MadeKernel MakeSampleReference(const MaxRoiPoolProblem& problem, const MakeContext& context);
MadeKernel MakeSampleReference(const MaxUnpoolProblem& problem, const MakeContext& context);
MadeKernel MakeSampleReference(const Col2ImProblem& problem, const MakeContext& context);
MadeKernel MakeSampleReference(const DeformConvProblem& problem, const MakeContext& context);

}  // namespace ergo

#endif  // ERGO_KERNELS_SAMPLE_SAMPLE_VARIANTS_H_
