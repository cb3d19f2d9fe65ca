#include "kernels/qgemm/vnni.h"

#include <hwy/highway.h>

#include "kernels/base/simd_targets.h"

namespace ergo {

bool VnniInForce() {
#if HWY_ARCH_X86
  return ActiveSimdTarget().bit == HWY_AVX3 && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

}  // namespace ergo
