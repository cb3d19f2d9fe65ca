// What the rows of norm_variants.inc call. For the family's own table; everybody else goes through
// SelectKernel.
#ifndef ERGO_KERNELS_NORM_NORM_VARIANTS_H_
#define ERGO_KERNELS_NORM_NORM_VARIANTS_H_

#include "kernels/norm/norm.h"

namespace ergo {

MadeKernel MakeNormReference(const SoftmaxProblem& problem, const MakeContext& context);
MadeKernel MakeNormReference(const BatchNormProblem& problem, const MakeContext& context);
MadeKernel MakeNormReference(const LayerNormProblem& problem, const MakeContext& context);
MadeKernel MakeNormReference(const GroupNormProblem& problem, const MakeContext& context);
MadeKernel MakeNormReference(const LpNormProblem& problem, const MakeContext& context);
MadeKernel MakeNormReference(const LrnProblem& problem, const MakeContext& context);

}  // namespace ergo

#endif  // ERGO_KERNELS_NORM_NORM_VARIANTS_H_
