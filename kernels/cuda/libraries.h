// Libraries: NVIDIA's cuBLASLt and cuDNN as far as kernels use them, as interfaces: the real ones
// load the shared library when first asked, tests bring their own.
//
// Thread safety: making is serialized by the caller; what was made is immutable.
#ifndef ERGO_KERNELS_CUDA_LIBRARIES_H_
#define ERGO_KERNELS_CUDA_LIBRARIES_H_

#include <array>
#include <cstdint>
#include <memory>

#include "kernels/base/dtype.h"
#include "kernels/base/status.h"
#include "kernels/cuda/driver.h"

namespace ergo::cuda {

class Stream;

// D = relu?(alpha A B + C + bias), row-major, `batch` of them, for f32, f16 and bf16, accumulated
// in float. A is m x k, stored k x m if trans_a; B is k x n, stored n x k if trans_b; C (the
// residual) is stored as D is. The bias is one number a column.
struct MatmulSpec {
  DType dtype = DType::kF32;
  bool tf32 = false;
  int64_t m = 0, n = 0, k = 0;
  bool trans_a = false, trans_b = false;
  int64_t a_row_stride = 0, b_row_stride = 0, d_row_stride = 0;  // elements
  int64_t batch = 1;
  int64_t a_batch_stride = 0, b_batch_stride = 0, d_batch_stride = 0;
  float alpha = 1;
  bool add_c = false;
  bool bias = false;
  bool relu = false;
};

class Matmul {
 public:
  virtual ~Matmul() = default;
  virtual size_t WorkspaceBytes() const = 0;
  struct Operands {
    const void* a = nullptr;
    const void* b = nullptr;
    const void* bias = nullptr;
    const void* c = nullptr;
    void* d = nullptr;
    void* workspace = nullptr;
  };
  virtual Status Run(const Operands& operands, Stream& stream) const = 0;
};

// Y = relu?(conv(X, W) + B + Z), activations NCHW or NHWC, weights stored likewise (MCRS or MRSC),
// in one or two spatial dimensions.
struct ConvolutionSpec {
  DType dtype = DType::kF32;
  bool tf32 = false;
  bool channels_last = false;
  int64_t batch = 1, groups = 1, in_channels = 1, out_channels = 1;
  std::array<int64_t, 2> in{}, kernel{}, strides{}, dilations{}, pads_begin{}, pads_end{}, out{};
  bool bias = false, residual = false, relu = false;
};

class Convolution {
 public:
  virtual ~Convolution() = default;
  virtual size_t WorkspaceBytes() const = 0;
  struct Operands {
    const void* x = nullptr;
    const void* w = nullptr;
    const void* bias = nullptr;
    const void* z = nullptr;
    void* y = nullptr;
    void* workspace = nullptr;
  };
  virtual Status Run(const Operands& operands, Stream& stream) const = 0;
};

// Unsupported, saying why, where a library is missing or has no algorithm.
class Libraries {
 public:
  virtual ~Libraries() = default;
  virtual Result<std::unique_ptr<Matmul>> MakeMatmul(const MatmulSpec& spec) = 0;
  virtual Result<std::unique_ptr<Convolution>> MakeConvolution(const ConvolutionSpec& spec) = 0;
};

// libcublasLt.so.13 and libcudnn.so.9, each loaded when the first kernel asks for it.
std::unique_ptr<Libraries> SystemLibraries();

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_CUDA_LIBRARIES_H_
