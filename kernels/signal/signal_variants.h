// What the rows of signal_variants.inc call. For the family's own tables.
#ifndef ERGO_KERNELS_SIGNAL_SIGNAL_VARIANTS_H_
#define ERGO_KERNELS_SIGNAL_SIGNAL_VARIANTS_H_

#include "kernels/signal/signal.h"

namespace ergo {

MadeKernel MakeSignalReference(const DftProblem& problem, const MakeContext& context);
MadeKernel MakeSignalReference(const StftProblem& problem, const MakeContext& context);

}  // namespace ergo

#endif  // ERGO_KERNELS_SIGNAL_SIGNAL_VARIANTS_H_
