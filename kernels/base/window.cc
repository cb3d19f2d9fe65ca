#include "kernels/base/window.h"

#include <algorithm>

#include "kernels/base/checked_math.h"
#include "kernels/base/limits.h"

namespace ergo {
namespace {

constexpr std::array<std::string_view, kSpatialAxes> kAxisNames = {"depth", "height", "width"};

std::string Join(const Spatial& values) {
  return fmt::format("{}x{}x{}", values[0], values[1], values[2]);
}

Status CheckRange(std::string_view what, const Spatial& values, int64_t low) {
  for (size_t axis = 0; axis < kSpatialAxes; ++axis) {
    if (values[axis] < low) {
      return InvalidArgument("{} of the {} axis is {}, but must be at least {}", what,
                             kAxisNames[axis], values[axis], low);
    }
    if (values[axis] > kMaxTensorElements) {
      return ResourceExhausted("{} of the {} axis is {}, above the limit of {}", what,
                               kAxisNames[axis], values[axis], kMaxTensorElements);
    }
  }
  return {};
}

Status CheckProduct(std::string_view what, const Spatial& values) {
  int64_t product = 1;
  for (const int64_t value : values) {
    const auto next = CheckedMul(product, value);
    if (!next || *next > kMaxTensorElements) {
      return ResourceExhausted("{} {} has more than {} elements", what, Join(values),
                               kMaxTensorElements);
    }
    product = *next;
  }
  return {};
}

}  // namespace

Taps Window::TapsWithin(size_t axis, int64_t o, int64_t margin_begin, int64_t margin_end) const {
  const int64_t start = Start(axis, o);
  const int64_t dilation = dilations[axis];
  const int64_t low = -margin_begin - start;           // first position wanted, relative to tap 0
  const int64_t high = in[axis] + margin_end - start;  // one past the last
  // Kernels ask once a row: most of them need no division.
  const auto steps = [dilation](int64_t positions) {
    return dilation == 1 ? positions : CeilDiv(positions, dilation);
  };
  Taps taps;
  taps.end = high <= 0 ? 0 : std::min(kernel[axis], steps(high));
  taps.begin = low <= 0 ? 0 : std::min(taps.end, steps(low));
  return taps;
}

int64_t Window::TapsInside(size_t axis) const {
  int64_t pairs = 0;
  // The shorter of the two loops: either size may be whatever an attribute says.
  if (out[axis] < kernel[axis]) {
    for (int64_t o = 0; o < out[axis]; ++o) pairs += TapsWithin(axis, o).Count();
    return pairs;
  }
  for (int64_t k = 0; k < kernel[axis]; ++k) {
    // Outputs o with 0 <= o * stride + shift < in.
    const int64_t shift = k * dilations[axis] - pads_begin[axis];
    const int64_t begin = shift >= 0 ? 0 : CeilDiv(-shift, strides[axis]);
    const int64_t end = shift >= in[axis] ? 0 : CeilDiv(in[axis] - shift, strides[axis]);
    pairs += std::max<int64_t>(0, std::min(end, out[axis]) - begin);
  }
  return pairs;
}

int64_t Window::FittingOut(size_t axis) const {
  const int64_t room = in[axis] + pads_begin[axis] + pads_end[axis] - Extent(axis);
  return room < 0 ? 0 : room / strides[axis] + 1;
}

bool Window::IsPointwise() const {
  constexpr Spatial kOnes{1, 1, 1};
  constexpr Spatial kZeros{0, 0, 0};
  return kernel == kOnes && strides == kOnes && pads_begin == kZeros && pads_end == kZeros &&
         in == out;
}

std::string Window::ToString() const {
  return fmt::format("{} k {} s {} d {} p {}:{} -> {}", Join(in), Join(kernel), Join(strides),
                     Join(dilations), Join(pads_begin), Join(pads_end), Join(out));
}

Status CheckWindow(const Window& window) {
  ERGO_RETURN_IF_ERROR(CheckRange("the input", window.in, 0));
  ERGO_RETURN_IF_ERROR(CheckRange("the kernel", window.kernel, 1));
  ERGO_RETURN_IF_ERROR(CheckRange("the stride", window.strides, 1));
  ERGO_RETURN_IF_ERROR(CheckRange("the dilation", window.dilations, 1));
  ERGO_RETURN_IF_ERROR(CheckRange("the padding before", window.pads_begin, 0));
  ERGO_RETURN_IF_ERROR(CheckRange("the padding after", window.pads_end, 0));
  ERGO_RETURN_IF_ERROR(CheckRange("the output", window.out, 0));
  ERGO_RETURN_IF_ERROR(CheckProduct("the input", window.in));
  ERGO_RETURN_IF_ERROR(CheckProduct("the kernel", window.kernel));
  ERGO_RETURN_IF_ERROR(CheckProduct("the output", window.out));
  for (size_t axis = 0; axis < kSpatialAxes; ++axis) {
    const auto extent = CheckedMul(window.kernel[axis] - 1, window.dilations[axis]);
    const auto last = CheckedMul(std::max<int64_t>(window.out[axis] - 1, 0), window.strides[axis]);
    if (!extent || !last || *extent > kMaxTensorElements || *last > kMaxTensorElements) {
      return ResourceExhausted("positions of the {} axis pass {}", kAxisNames[axis],
                               kMaxTensorElements);
    }
  }
  return {};
}

}  // namespace ergo
