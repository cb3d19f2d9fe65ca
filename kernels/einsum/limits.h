// Limits of the einsum family.
#ifndef ERGO_KERNELS_EINSUM_LIMITS_H_
#define ERGO_KERNELS_EINSUM_LIMITS_H_

#include <cstddef>

namespace ergo {

inline constexpr size_t kMaxEinsumAxes = 64;      // labels of one problem
inline constexpr size_t kMaxEinsumOperands = 63;  // leaves kMaxKernelOperands one output

}  // namespace ergo

#endif  // ERGO_KERNELS_EINSUM_LIMITS_H_
