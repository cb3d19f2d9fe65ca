#include "kernels/move/move_device.h"

using namespace ergo::cuda;  // NOLINT: device functions have C names

#include "kernels/move/move_cuda_kernels.inc"
