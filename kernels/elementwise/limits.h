// Limits of the elementwise family.
#ifndef ERGO_KERNELS_ELEMENTWISE_LIMITS_H_
#define ERGO_KERNELS_ELEMENTWISE_LIMITS_H_

#include <cstdint>

namespace ergo {

// Elements below which waking another thread costs more than the work it takes over: in vector
// code, and in the reference's loops.
inline constexpr int64_t kElementwiseGrain = int64_t{1} << 15;
inline constexpr int64_t kElementwiseScalarGrain = int64_t{1} << 12;
// Broadcast rows shorter than this are repeated into one of about kTileElements.
inline constexpr int64_t kShortRow = 64;
inline constexpr int64_t kTileElements = 512;

}  // namespace ergo

#endif  // ERGO_KERNELS_ELEMENTWISE_LIMITS_H_
