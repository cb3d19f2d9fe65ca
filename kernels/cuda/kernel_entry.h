// ERGO_CUDA_KERNEL(name, threads, Parameter, body): one device function, in the list of its
// family, FAMILY_cuda_kernels.inc. FAMILY_cuda.cu includes the list to compile every function for
// the device, and the tests' emulator to find its body by name, so that none can exist on one side
// only.
//
//   name       as the host asks for it (Gpu::Find)
//   threads    the most that a block has
//   Parameter  the plain struct that it takes
//   body       void(const Parameter&, std::byte* shared), of FAMILY_device.h; in parentheses where
//              it has commas
#ifndef ERGO_KERNELS_CUDA_KERNEL_ENTRY_H_
#define ERGO_KERNELS_CUDA_KERNEL_ENTRY_H_

#include "kernels/cuda/simt.h"

#if defined(__CUDACC__)
#define ERGO_CUDA_KERNEL(name, threads, Parameter, body)                 \
  extern "C" __global__ void __launch_bounds__(threads)                  \
      name(const __grid_constant__ Parameter parameter) {                \
    extern __shared__ __align__(128) unsigned char ergo_shared_memory[]; \
    body(parameter, reinterpret_cast<std::byte*>(ergo_shared_memory));   \
  }
#endif

#endif  // ERGO_KERNELS_CUDA_KERNEL_ENTRY_H_
