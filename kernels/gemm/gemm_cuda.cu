#include "kernels/gemm/gemm_device.h"

using namespace ergo::cuda;  // NOLINT: device functions have C names

#include "kernels/gemm/gemm_cuda_kernels.inc"
