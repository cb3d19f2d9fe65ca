// Limits of the recurrent family.
#ifndef ERGO_KERNELS_RECURRENT_LIMITS_H_
#define ERGO_KERNELS_RECURRENT_LIMITS_H_

#include <cstdint>

namespace ergo {

// Multiply-adds below which waking another thread, once a step, costs more than the work it takes
// over.
inline constexpr int64_t kRecurrentGrainMacs = int64_t{1} << 17;
// Rows of X, of several steps, that are multiplied by W in one go, so that W is read once for them.
inline constexpr int64_t kRecurrentChunkRows = 32;

}  // namespace ergo

#endif  // ERGO_KERNELS_RECURRENT_LIMITS_H_
