// Limits of the elementwise family.
#ifndef ERGO_KERNELS_ELEMENTWISE_LIMITS_H_
#define ERGO_KERNELS_ELEMENTWISE_LIMITS_H_

#include <cstdint>

namespace ergo {

// Elements below which waking another thread costs more than the work it takes over.
inline constexpr int64_t kElementwiseGrain = int64_t{1} << 15;

}  // namespace ergo

#endif  // ERGO_KERNELS_ELEMENTWISE_LIMITS_H_
