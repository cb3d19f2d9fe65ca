// The one kernel that the planner itself needs: input 0, byte for byte, into output 0.
#ifndef ERGO_ENGINE_PLAN_COPY_KERNEL_H_
#define ERGO_ENGINE_PLAN_COPY_KERNEL_H_

#include "kernels/base/kernel.h"

namespace ergo {

Selected MakeCopyKernel();

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_COPY_KERNEL_H_
