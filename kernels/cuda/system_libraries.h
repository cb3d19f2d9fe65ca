// What SystemLibraries is made of; the two libraries do not know of each other.
//
// Thread safety: as Libraries.
#ifndef ERGO_KERNELS_CUDA_SYSTEM_LIBRARIES_H_
#define ERGO_KERNELS_CUDA_SYSTEM_LIBRARIES_H_

#include <memory>

#include "kernels/cuda/libraries.h"

namespace ergo::cuda {

class CublasLt {
 public:
  virtual ~CublasLt() = default;
  virtual Result<std::unique_ptr<Matmul>> Make(const MatmulSpec& spec) = 0;
};
class Cudnn {
 public:
  virtual ~Cudnn() = default;
  virtual Result<std::unique_ptr<Convolution>> Make(const ConvolutionSpec& spec) = 0;
};

// Unsupported, saying why, where the build or the machine has none.
Result<std::unique_ptr<CublasLt>> OpenCublasLt();
Result<std::unique_ptr<Cudnn>> OpenCudnn();

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_CUDA_SYSTEM_LIBRARIES_H_
