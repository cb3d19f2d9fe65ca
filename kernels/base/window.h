// Window: how a kernel slides over the spatial dimensions of its input. Convolution and pooling in
// one, two and three dimensions share it: there are always three axes (depth, height, width), and
// what a tensor has fewer of is 1 at the front, so that width is always the contiguous one.
//
// Output position o of an axis looks at the input positions
//     o * stride - pad_begin + k * dilation,   k in [0, kernel),
// of which those outside [0, in) are padding.
#ifndef ERGO_KERNELS_BASE_WINDOW_H_
#define ERGO_KERNELS_BASE_WINDOW_H_

#include <array>
#include <cstdint>
#include <string>

#include "kernels/base/status.h"

namespace ergo {

inline constexpr size_t kSpatialAxes = 3;
using Spatial = std::array<int64_t, kSpatialAxes>;  // depth, height, width

// Indices k in [begin, end) of one window along one axis.
struct Taps {
  int64_t begin = 0, end = 0;
  int64_t Count() const { return end - begin; }
};

struct Window {
  Spatial in{1, 1, 1};
  Spatial kernel{1, 1, 1};
  Spatial strides{1, 1, 1};
  Spatial dilations{1, 1, 1};
  Spatial pads_begin{0, 0, 0};
  Spatial pads_end{0, 0, 0};
  Spatial out{1, 1, 1};

  int64_t InElements() const { return in[0] * in[1] * in[2]; }
  int64_t OutElements() const { return out[0] * out[1] * out[2]; }
  int64_t KernelElements() const { return kernel[0] * kernel[1] * kernel[2]; }

  // Input positions from the first to the last tap, both included.
  int64_t Extent(size_t axis) const { return (kernel[axis] - 1) * dilations[axis] + 1; }
  // Input position of tap 0 of output position `o`; may be outside the input.
  int64_t Start(size_t axis, int64_t o) const { return o * strides[axis] - pads_begin[axis]; }
  // The taps of output position `o` that lie in [-margin_begin, in + margin_end). With no margins:
  // in the input. Empty taps have begin == end.
  Taps TapsWithin(size_t axis, int64_t o, int64_t margin_begin = 0, int64_t margin_end = 0) const;

  // How many pairs of an output position and a tap of it lie in the input: the work there is on
  // this axis, padding left out.
  int64_t TapsInside(size_t axis) const;

  // The largest `out` whose windows end within the padded input: floor((in + pads - extent) /
  // stride) + 1, or 0 where not even one fits.
  int64_t FittingOut(size_t axis) const;

  // Each output position is the input position of the same index.
  bool IsPointwise() const;

  // "1x112x112 k 1x3x3 s 1x2x2 d 1x1x1 p 0x1x1:0x1x1 -> 1x56x56", for messages.
  std::string ToString() const;
};

// InvalidArgument or ResourceExhausted, naming the axis, unless kernel, strides and dilations are
// positive, the rest is not negative, and every size and position is within kMaxTensorElements.
Status CheckWindow(const Window& window);

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_WINDOW_H_
