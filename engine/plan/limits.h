// Limits of planning.
#ifndef ERGO_ENGINE_PLAN_LIMITS_H_
#define ERGO_ENGINE_PLAN_LIMITS_H_

#include <cstdint>

namespace ergo {

// Elements of an input whose values are read at run time to decide shapes (shapes, axes, pads,
// repeats): what is larger decides no shape.
inline constexpr int64_t kMaxBoundElements = 4096;

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_LIMITS_H_
