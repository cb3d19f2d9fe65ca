#include "kernels/conv/conv_device.h"

using namespace ergo::cuda;  // NOLINT: device functions have C names

#include "kernels/conv/conv_cuda_kernels.inc"
