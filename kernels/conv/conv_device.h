// Device code of direct convolution: a thread for each output, which for few channels a group
// (depthwise, first layers) reads no more than any other way would.
#ifndef ERGO_KERNELS_CONV_CONV_DEVICE_H_
#define ERGO_KERNELS_CONV_CONV_DEVICE_H_

#include "kernels/conv/conv_cuda.h"
#include "kernels/cuda/activation_device.h"
#include "kernels/cuda/kernel_entry.h"

namespace ergo::cuda {

// Taps of one plane, accumulated.
template <typename T>
ERGO_DEVICE float ConvolvePlane(const ConvParameter& p, const T* x, const T* w,
                                const int32_t (&start)[3], float sum) {
  for (int32_t kd = 0; kd < p.kernel[0]; ++kd) {
    const int32_t d = start[0] + kd * p.dilations[0];
    if (d < 0 || d >= p.in_size[0]) continue;
    for (int32_t kh = 0; kh < p.kernel[1]; ++kh) {
      const int32_t h = start[1] + kh * p.dilations[1];
      if (h < 0 || h >= p.in_size[1]) continue;
      const T* row = x + (d * p.in_size[1] + h) * p.in_size[2];
      const T* taps = w + (kd * p.kernel[1] + kh) * p.kernel[2];
      for (int32_t kw = 0; kw < p.kernel[2]; ++kw) {
        const int32_t column = start[2] + kw * p.dilations[2];
        if (column < 0 || column >= p.in_size[2]) continue;
        sum += ToFloat(row[column]) * ToFloat(taps[kw]);
      }
    }
  }
  return sum;
}

template <typename T>
ERGO_DEVICE void RunConv(const ConvParameter& p, std::byte*) {
  const uint32_t output = BlockX() * kConvThreads + Thread();
  if (output >= p.outputs) return;
  const uint32_t image_channel = p.plane.Quotient(output);
  uint32_t rest = output - image_channel * p.plane.divisor;
  const uint32_t depth = p.slice.Quotient(rest);
  rest -= depth * p.slice.divisor;
  const uint32_t height = p.row.Quotient(rest);
  const uint32_t o[3] = {depth, height, rest - height * p.row.divisor};
  int32_t start[3];
  ERGO_UNROLL
  for (int axis = 0; axis < 3; ++axis) {
    start[axis] = static_cast<int32_t>(o[axis]) * p.strides[axis] - p.pads_begin[axis];
  }
  const uint32_t image = p.out_channels.Quotient(image_channel);
  const uint32_t channel = image_channel - image * p.out_channels.divisor;
  const uint32_t group = p.group_out_channels.Quotient(channel);
  const int32_t in_plane = p.in_size[0] * p.in_size[1] * p.in_size[2];
  const int32_t taps = p.kernel[0] * p.kernel[1] * p.kernel[2];
  const int32_t first = static_cast<int32_t>(image) * p.in_channels +
                        static_cast<int32_t>(group) * p.group_in_channels;
  const T* x = static_cast<const T*>(p.x) + int64_t{first} * in_plane;
  const T* w = static_cast<const T*>(p.w) +
               int64_t{static_cast<int32_t>(channel)} * p.group_in_channels * taps;
  float sum = 0;
  for (int32_t c = 0; c < p.group_in_channels; ++c, x += in_plane, w += taps) {
    sum = ConvolvePlane(p, x, w, start, sum);
  }
  if (p.bias != nullptr) sum += ToFloat(static_cast<const T*>(p.bias)[channel]);
  if (p.residual != nullptr) sum += ToFloat(static_cast<const T*>(p.residual)[output]);
  static_cast<T*>(p.y)[output] = FromFloat<T>(ActivateOnDevice(p.activation, sum));
}

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_CONV_CONV_DEVICE_H_
