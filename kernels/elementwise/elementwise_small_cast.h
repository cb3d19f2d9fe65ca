// Casts from and to the small types; a part of the family's reference.
#ifndef ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_SMALL_CAST_H_
#define ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_SMALL_CAST_H_

#include "kernels/elementwise/elementwise.h"

namespace ergo {

// For problems with a small type on either side.
MadeKernel MakeSmallCast(const CastProblem& problem);

}  // namespace ergo

#endif  // ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_SMALL_CAST_H_
