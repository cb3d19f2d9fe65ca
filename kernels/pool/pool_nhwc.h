// Pooling of images whose channels lie innermost: kernels/pool/pool.h on X [N, H, W, C], maximum
// and average, f32, two spatial dimensions, without indices.
//
// Operands: inputs 0: X [N, H, W, C]; outputs 0: Y [N, OH, OW, C]; dense.
#ifndef ERGO_KERNELS_POOL_POOL_NHWC_H_
#define ERGO_KERNELS_POOL_POOL_NHWC_H_

#include "kernels/pool/pool.h"

namespace ergo {

struct NhwcPoolProblem {
  PoolProblem pool;  // planes: images times channels
  int64_t channels = 1;

  int64_t Images() const { return channels == 0 ? 0 : pool.planes / channels; }
  std::string ToString() const;
};

// What an average at this output position is divided by.
int64_t NhwcPoolCount(const PoolProblem& problem, int64_t oy, int64_t ox);

// As CheckPool, and Unsupported for what the contract above leaves out.
Status CheckNhwcPool(const NhwcPoolProblem& problem);

KernelCost CostOf(const NhwcPoolProblem& problem);

// Best first, the reference last. Within PoolErrorBound of each other.
std::span<const KernelVariant<NhwcPoolProblem>> NhwcPoolVariants();

#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  MadeKernel make(const NhwcPoolProblem& problem, const MakeContext& context);
#include "kernels/pool/pool_nhwc_variants.inc"
#undef ERGO_KERNEL_VARIANT

}  // namespace ergo

#endif  // ERGO_KERNELS_POOL_POOL_NHWC_H_
