// The SIMD instruction sets that Highway compiled for and that this machine can run.
#ifndef ERGO_KERNELS_BASE_SIMD_TARGETS_H_
#define ERGO_KERNELS_BASE_SIMD_TARGETS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/status.h"

namespace ergo {

struct SimdTarget {
  int64_t bit;       // Highway's HWY_AVX2 and so on
  std::string name;  // "AVX2"
};

// Runnable on this machine, best first.
std::vector<SimdTarget> RunnableSimdTargets();

// The one that dynamic dispatch uses now.
SimdTarget ActiveSimdTarget();

// Chooses the best target if none was chosen yet. Call it before a kernel keeps
// &HWY_DYNAMIC_DISPATCH(F), and with it the target that is in force then.
void ChooseSimdTarget();

// Makes dynamic dispatch use the named target for the whole process from here on. InvalidArgument,
// with the names that would do, when this machine cannot run it. Not thread-safe: call it at start,
// or in a test, before kernels are made (kernels may keep the target that they were made under).
Status ForceSimdTarget(std::string_view name);

// Back to the best one.
void ResetSimdTarget();

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_SIMD_TARGETS_H_
