// What host and device agree on to convolve directly: the parameter.
#ifndef ERGO_KERNELS_CONV_CONV_CUDA_H_
#define ERGO_KERNELS_CONV_CONV_CUDA_H_

#include "kernels/base/activation.h"
#include "kernels/cuda/strided_index.h"

namespace ergo::cuda {

inline constexpr uint32_t kConvThreads = 256;

struct ConvParameter {
  const void* x = nullptr;
  const void* w = nullptr;
  const void* bias = nullptr;      // null: none
  const void* residual = nullptr;  // null: none
  void* y = nullptr;
  uint32_t outputs = 0;
  FastDivide plane, slice, row;  // output elements of a channel, of a slice of it, of a row
  FastDivide out_channels, group_out_channels;
  int32_t in_channels = 1, group_in_channels = 1;
  int32_t in_size[3] = {}, kernel[3] = {}, strides[3] = {}, dilations[3] = {}, pads_begin[3] = {};
  ActivationSpec activation;
};

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_CONV_CONV_CUDA_H_
