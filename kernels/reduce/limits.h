// Limits of the reduce family.
#ifndef ERGO_KERNELS_REDUCE_LIMITS_H_
#define ERGO_KERNELS_REDUCE_LIMITS_H_

#include <cstdint>

namespace ergo {

// Input elements below which waking another thread costs more than the work it takes over.
inline constexpr int64_t kReduceGrain = int64_t{1} << 15;

}  // namespace ergo

#endif  // ERGO_KERNELS_REDUCE_LIMITS_H_
