// Limits of the resize family.
#ifndef ERGO_KERNELS_RESIZE_LIMITS_H_
#define ERGO_KERNELS_RESIZE_LIMITS_H_

#include <cstdint>

namespace ergo {

// Weights of one axis, all outputs together: an antialiased axis that shrinks without measure would
// ask for more.
inline constexpr int64_t kMaxResizeTaps = int64_t{1} << 26;

}  // namespace ergo

#endif  // ERGO_KERNELS_RESIZE_LIMITS_H_
