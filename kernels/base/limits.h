// Limits that kernels and every room above them keep. A size from outside is compared with these
// before anything is allocated for it.
#ifndef ERGO_KERNELS_BASE_LIMITS_H_
#define ERGO_KERNELS_BASE_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace ergo {

inline constexpr int kMaxRank = 8;
// One tensor, in elements and in bytes: far above any model served on one machine, low enough that
// products of two of them with a small factor still fit int64.
inline constexpr int64_t kMaxTensorElements = int64_t{1} << 38;
inline constexpr int64_t kMaxTensorBytes = int64_t{1} << 38;
// Everything that SIMD code or a device reads is aligned to this, in memory and in .ergo files.
inline constexpr size_t kTensorAlignment = 64;
// Inputs plus outputs of one kernel.
inline constexpr int kMaxKernelOperands = 64;

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_LIMITS_H_
