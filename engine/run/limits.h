// Limits of running.
#ifndef ERGO_ENGINE_RUN_LIMITS_H_
#define ERGO_ENGINE_RUN_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace ergo {

// Plans that one Model keeps where nobody says otherwise.
inline constexpr size_t kDefaultMaxPlans = 64;
// Plans that one GraphRunner keeps.
inline constexpr size_t kMaxLatePlans = 16;
// Iterations of one Loop: a model whose condition never ends must not hold a worker for ever.
inline constexpr int64_t kMaxLoopIterations = int64_t{1} << 24;

}  // namespace ergo

#endif  // ERGO_ENGINE_RUN_LIMITS_H_
