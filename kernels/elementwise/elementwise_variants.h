// What the rows of elementwise_variants.inc call. For the family's own table; everybody else goes
// through SelectKernel.
#ifndef ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_VARIANTS_H_
#define ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_VARIANTS_H_

#include "kernels/elementwise/elementwise.h"

namespace ergo {

MadeKernel MakeElementwiseReference(const UnaryProblem& problem, const MakeContext& context);
MadeKernel MakeElementwiseReference(const BinaryProblem& problem, const MakeContext& context);
MadeKernel MakeElementwiseReference(const WhereProblem& problem, const MakeContext& context);
MadeKernel MakeElementwiseReference(const CastProblem& problem, const MakeContext& context);

}  // namespace ergo

#endif  // ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_VARIANTS_H_
