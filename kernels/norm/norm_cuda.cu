#include "kernels/norm/norm_device.h"

using namespace ergo::cuda;  // NOLINT: device functions have C names

#include "kernels/norm/norm_cuda_kernels.inc"
