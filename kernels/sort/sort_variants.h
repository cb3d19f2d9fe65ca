// What the rows of sort_variants.inc call. For the family's own table.
#ifndef ERGO_KERNELS_SORT_SORT_VARIANTS_H_
#define ERGO_KERNELS_SORT_SORT_VARIANTS_H_

#include "kernels/sort/sort.h"

namespace ergo {

MadeKernel MakeTopKReference(const TopKProblem& problem, const MakeContext& context);

}  // namespace ergo

#endif  // ERGO_KERNELS_SORT_SORT_VARIANTS_H_
