// The device code that was compiled into this binary: one fat binary for each FAMILY_cuda.cu, for
// every architecture that it was built for. None where it was built without nvcc.
//
// Thread safety: a constant table.
#ifndef ERGO_KERNELS_CUDA_EMBEDDED_MODULES_H_
#define ERGO_KERNELS_CUDA_EMBEDDED_MODULES_H_

#include <cstddef>
#include <span>
#include <string_view>

namespace ergo::cuda {

struct EmbeddedModule {
  std::string_view name;  // "norm" for kernels/norm/norm_cuda.cu
  std::span<const std::byte> image;
};

std::span<const EmbeddedModule> EmbeddedModules();

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_CUDA_EMBEDDED_MODULES_H_
