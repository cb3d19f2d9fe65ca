#include "kernels/pool/pool_device.h"

using namespace ergo::cuda;  // NOLINT: device functions have C names

#include "kernels/pool/pool_cuda_kernels.inc"
