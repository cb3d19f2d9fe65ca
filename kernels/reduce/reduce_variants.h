// What the rows of reduce_variants.inc call. For the family's own table; everybody else goes
// through SelectKernel.
#ifndef ERGO_KERNELS_REDUCE_REDUCE_VARIANTS_H_
#define ERGO_KERNELS_REDUCE_REDUCE_VARIANTS_H_

#include "kernels/reduce/reduce.h"

namespace ergo {

MadeKernel MakeReduceReference(const ReduceProblem& problem, const MakeContext& context);
MadeKernel MakeReduceReference(const ArgReduceProblem& problem, const MakeContext& context);
MadeKernel MakeReduceReference(const CumSumProblem& problem, const MakeContext& context);

}  // namespace ergo

#endif  // ERGO_KERNELS_REDUCE_REDUCE_VARIANTS_H_
