#include "kernels/reduce/reduce_device.h"

using namespace ergo::cuda;  // NOLINT: device functions have C names

#include "kernels/reduce/reduce_cuda_kernels.inc"
