#include "kernels/elementwise/elementwise_device.h"

using namespace ergo::cuda;  // NOLINT: device functions have C names

#include "kernels/elementwise/elementwise_cuda_kernels.inc"
