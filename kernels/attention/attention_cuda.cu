#include "kernels/attention/attention_device.h"

using namespace ergo::cuda;  // NOLINT: device functions have C names

#include "kernels/attention/attention_cuda_kernels.inc"
