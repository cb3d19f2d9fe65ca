#include "engine/graph/window_attributes.h"

#include <algorithm>

#include "kernels/base/checked_math.h"

namespace ergo {
namespace {

// Reads an optional list of one number an axis into the last `axes` places of `values`.
Status ReadInts(const Node& node, std::string_view name, int axes, Spatial& values) {
  const std::vector<int64_t>* ints = node.IntsAttr(name);
  if (ints == nullptr) return {};
  if (static_cast<int>(ints->size()) != axes) {
    return InvalidArgument("{} has {} numbers, but the operand has {} spatial dimensions", name,
                           ints->size(), axes);
  }
  std::copy(ints->begin(), ints->end(), values.end() - axes);
  return {};
}

Status ReadPads(const Node& node, int axes, Window& window) {
  const std::vector<int64_t>* pads = node.IntsAttr("pads");
  if (pads == nullptr) return {};
  if (static_cast<int>(pads->size()) != 2 * axes) {
    return InvalidArgument("pads has {} numbers, but the operand has {} spatial dimensions",
                           pads->size(), axes);
  }
  std::copy(pads->begin(), pads->begin() + axes, window.pads_begin.end() - axes);
  std::copy(pads->begin() + axes, pads->end(), window.pads_end.end() - axes);
  return {};
}

Result<AutoPad> ReadAutoPad(const Node& node) {
  const std::string text = node.StringAttr("auto_pad", "NOTSET");
  if (text == "NOTSET" || text.empty()) return AutoPad::kNotSet;
  if (text == "SAME_UPPER") return AutoPad::kSameUpper;
  if (text == "SAME_LOWER") return AutoPad::kSameLower;
  if (text == "VALID") return AutoPad::kValid;
  return InvalidArgument("auto_pad is '{}', not NOTSET, SAME_UPPER, SAME_LOWER or VALID", text);
}

bool IsSame(AutoPad auto_pad) {
  return auto_pad == AutoPad::kSameUpper || auto_pad == AutoPad::kSameLower;
}

// Pads and output size of one axis whose input size stands in the window.
Status ResolveAxis(const WindowAttributes& attributes, size_t axis, Window& window) {
  const int64_t in = window.in[axis];
  const int64_t stride = window.strides[axis];
  const int64_t extent = window.Extent(axis);
  if (IsSame(attributes.auto_pad)) {
    window.out[axis] = CeilDiv(in, stride);
    const int64_t covered = (std::max<int64_t>(window.out[axis], 1) - 1) * stride + extent;
    const int64_t total = std::max<int64_t>(0, covered - in);
    const bool upper = attributes.auto_pad == AutoPad::kSameUpper;
    window.pads_begin[axis] = upper ? total / 2 : total - total / 2;
    window.pads_end[axis] = total - window.pads_begin[axis];
    return {};
  }
  const int64_t room = in + window.pads_begin[axis] + window.pads_end[axis] - extent;
  window.out[axis] = window.FittingOut(axis);
  // The standard's ceil formula for VALID gives what fits, too.
  const bool rounds_up = attributes.ceil_mode && attributes.auto_pad == AutoPad::kNotSet;
  if (rounds_up && room > -stride && room % stride != 0) {
    // One window more, unless it would begin in the padding behind the input.
    if (window.Start(axis, window.out[axis]) < in) ++window.out[axis];
  }
  if (window.out[axis] == 0 && in > 0) {
    return InvalidArgument(
        "a window of {} positions does not fit into an input of {} with {} of padding", extent, in,
        window.pads_begin[axis] + window.pads_end[axis]);
  }
  return {};
}

}  // namespace

Result<WindowAttributes> ReadWindowAttributes(const Node& node, int axes,
                                              std::span<const int64_t> kernel) {
  if (axes < 1) return InvalidArgument("an operand without spatial dimensions");
  if (axes > static_cast<int>(kSpatialAxes)) {
    return Unsupported("{} spatial dimensions (at most {})", axes, kSpatialAxes);
  }
  WindowAttributes attributes;
  attributes.axes = axes;
  ERGO_ASSIGN_OR_RETURN(attributes.auto_pad, ReadAutoPad(node));
  attributes.ceil_mode = node.IntAttr("ceil_mode", 0) != 0;
  Window& window = attributes.window;
  if (static_cast<int>(kernel.size()) > axes) {
    return InvalidArgument("weights of {} spatial dimensions for an operand of {}", kernel.size(),
                           axes);
  }
  std::transform(kernel.begin(), kernel.end(),
                 window.kernel.end() - static_cast<ptrdiff_t>(kernel.size()),
                 [](int64_t size) { return size < 0 ? 1 : size; });
  ERGO_RETURN_IF_ERROR(ReadInts(node, "kernel_shape", axes, window.kernel));
  ERGO_RETURN_IF_ERROR(ReadInts(node, "strides", axes, window.strides));
  ERGO_RETURN_IF_ERROR(ReadInts(node, "dilations", axes, window.dilations));
  if (attributes.auto_pad == AutoPad::kNotSet) {
    ERGO_RETURN_IF_ERROR(ReadPads(node, axes, window));
  }
  ERGO_RETURN_IF_ERROR(CheckWindow(window));
  return attributes;
}

Result<Window> ResolveWindow(const WindowAttributes& attributes, std::span<const int64_t> in) {
  ERGO_CHECK(static_cast<int>(in.size()) == attributes.axes);
  Window window = attributes.window;
  for (int i = 0; i < attributes.axes; ++i) {
    const size_t axis = attributes.AxisOf(i);
    window.in[axis] = in[static_cast<size_t>(i)];
    ERGO_RETURN_IF_ERROR(
        ResolveAxis(attributes, axis, window).WithContext(fmt::format("spatial dimension {}", i)));
  }
  ERGO_RETURN_IF_ERROR(CheckWindow(window));
  return window;
}

Result<Dim> WindowOutputDim(const WindowAttributes& attributes, int i, const Dim& in) {
  const size_t axis = attributes.AxisOf(i);
  Window window = attributes.window;
  if (in.Known()) {
    window.in[axis] = in.value;
    ERGO_RETURN_IF_ERROR(
        ResolveAxis(attributes, axis, window).WithContext(fmt::format("spatial dimension {}", i)));
    return Dim(window.out[axis]);
  }
  if (window.strides[axis] != 1) return Dim();
  const int64_t pads = window.pads_begin[axis] + window.pads_end[axis];
  return IsSame(attributes.auto_pad) || pads + 1 == window.Extent(axis) ? in : Dim();
}

}  // namespace ergo
