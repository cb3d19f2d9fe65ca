#include "bench/micro/window_text.h"

#include <algorithm>

namespace ergo::micro {
namespace {

Status ReadAxes(ShapeText& shape, std::string_view name, size_t axes, Spatial& values) {
  const std::vector<int64_t> numbers = shape.Numbers(name);
  if (numbers.empty()) return {};
  if (numbers.size() != 1 && numbers.size() != axes) {
    return InvalidArgument("{} has {} numbers for {} dimensions", name, numbers.size(), axes);
  }
  for (size_t i = 0; i < axes; ++i) {
    values[kSpatialAxes - axes + i] = numbers.size() == 1 ? numbers[0] : numbers[i];
  }
  return {};
}

}  // namespace

Result<Window> ReadWindow(ShapeText& shape, std::span<const int64_t> in) {
  Window window;
  std::copy(in.begin(), in.end(), window.in.end() - static_cast<ptrdiff_t>(in.size()));
  ERGO_RETURN_IF_ERROR(ReadAxes(shape, "k", in.size(), window.kernel));
  ERGO_RETURN_IF_ERROR(ReadAxes(shape, "s", in.size(), window.strides));
  ERGO_RETURN_IF_ERROR(ReadAxes(shape, "d", in.size(), window.dilations));
  ERGO_RETURN_IF_ERROR(ReadAxes(shape, "p", in.size(), window.pads_begin));
  window.pads_end = window.pads_begin;
  ERGO_RETURN_IF_ERROR(CheckWindow(window));
  for (size_t axis = 0; axis < kSpatialAxes; ++axis) window.out[axis] = window.FittingOut(axis);
  if (window.OutElements() == 0) {
    return InvalidArgument("the window does not fit: {}", window.ToString());
  }
  return window;
}

}  // namespace ergo::micro
