// Limits of the norm family.
#ifndef ERGO_KERNELS_NORM_LIMITS_H_
#define ERGO_KERNELS_NORM_LIMITS_H_

#include <cstdint>

namespace ergo {

// Elements below which waking another thread costs more than the work it takes over.
inline constexpr int64_t kNormGrain = int64_t{1} << 13;
// Rows shorter than this are normalized a vector of rows at a time, not a vector of elements.
inline constexpr int64_t kShortSoftmax = 24;

}  // namespace ergo

#endif  // ERGO_KERNELS_NORM_LIMITS_H_
