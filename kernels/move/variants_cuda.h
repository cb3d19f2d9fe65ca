// The CUDA variants of moving elements, for the tables of their families.
//
// Thread safety: pure.
#ifndef ERGO_KERNELS_MOVE_VARIANTS_CUDA_H_
#define ERGO_KERNELS_MOVE_VARIANTS_CUDA_H_

#include "kernels/move/concat.h"
#include "kernels/move/gather.h"
#include "kernels/move/strided_copy.h"

namespace ergo::move {

// InvalidArgument for parts that do not join; what every variant's make begins with.
Status CheckConcat(const ConcatProblem& problem);
Status CheckSplit(const SplitProblem& problem);

MadeKernel MakeStridedCopyCuda(const StridedCopyProblem& problem, const MakeContext& context);
MadeKernel MakeConcatCuda(const ConcatProblem& problem, const MakeContext& context);
MadeKernel MakeSplitCuda(const SplitProblem& problem, const MakeContext& context);
MadeKernel MakeGatherCuda(const GatherProblem& problem, const MakeContext& context);

}  // namespace ergo::move

#endif  // ERGO_KERNELS_MOVE_VARIANTS_CUDA_H_
