// The makers behind pool_variants.inc. For pool.cc; everybody else goes through PoolVariants().
#ifndef ERGO_KERNELS_POOL_POOL_INTERNAL_H_
#define ERGO_KERNELS_POOL_POOL_INTERNAL_H_

#include "kernels/pool/pool.h"

namespace ergo {

#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, requires_, make) \
  MadeKernel make(const PoolProblem& problem, const MakeContext& context);
#include "kernels/pool/pool_variants.inc"
#undef ERGO_KERNEL_VARIANT

}  // namespace ergo

#endif  // ERGO_KERNELS_POOL_POOL_INTERNAL_H_
