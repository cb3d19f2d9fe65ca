#include "tests/emulator/emulated_kernels.h"

#include "kernels/attention/attention_device.h"
#include "kernels/conv/conv_device.h"
#include "kernels/elementwise/elementwise_device.h"
#include "kernels/gemm/gemm_device.h"
#include "kernels/move/move_device.h"
#include "kernels/norm/norm_device.h"
#include "kernels/pool/pool_device.h"
#include "kernels/reduce/reduce_device.h"

namespace ergo::cuda::emulated {
namespace {

#define ERGO_CUDA_KERNEL(name, threads, Parameter, body)                                      \
  {kFamily, #name, threads, sizeof(Parameter), [](const void* parameter, std::byte* shared) { \
     body(*static_cast<const Parameter*>(parameter), shared);                                 \
   }},

constexpr EmulatedKernel kKernels[] = {
#define kFamily "attention"
#include "kernels/attention/attention_cuda_kernels.inc"
#undef kFamily
#define kFamily "conv"
#include "kernels/conv/conv_cuda_kernels.inc"
#undef kFamily
#define kFamily "elementwise"
#include "kernels/elementwise/elementwise_cuda_kernels.inc"
#undef kFamily
#define kFamily "gemm"
#include "kernels/gemm/gemm_cuda_kernels.inc"
#undef kFamily
#define kFamily "move"
#include "kernels/move/move_cuda_kernels.inc"
#undef kFamily
#define kFamily "norm"
#include "kernels/norm/norm_cuda_kernels.inc"
#undef kFamily
#define kFamily "pool"
#include "kernels/pool/pool_cuda_kernels.inc"
#undef kFamily
#define kFamily "reduce"
#include "kernels/reduce/reduce_cuda_kernels.inc"
#undef kFamily
};

}  // namespace

std::span<const EmulatedKernel> EmulatedKernels() {
  return kKernels;
}

}  // namespace ergo::cuda::emulated
