// The attributes that ONNX's Conv, MaxPool, AveragePool and LpPool share (kernel_shape, strides,
// dilations, pads, auto_pad, ceil_mode), with their defaults, and the output sizes they give.
//
// Errors are InvalidArgument for attributes of a wrong length or value, Unsupported for more than
// three spatial dimensions, ResourceExhausted for sizes above the limits; each names the attribute.
#ifndef ERGO_ENGINE_GRAPH_WINDOW_ATTRIBUTES_H_
#define ERGO_ENGINE_GRAPH_WINDOW_ATTRIBUTES_H_

#include <span>

#include "engine/graph/graph.h"
#include "kernels/base/window.h"

namespace ergo {

enum class AutoPad : uint8_t { kNotSet, kSameUpper, kSameLower, kValid };

struct WindowAttributes {
  int axes = 0;  // spatial dimensions of the operator: the last `axes` of the window's three
  AutoPad auto_pad = AutoPad::kNotSet;
  bool ceil_mode = false;
  Window window;  // `in` and `out` open, and the pads too unless auto_pad is kNotSet

  // Where dimension `i` of the `axes` stands in the window.
  size_t AxisOf(int i) const { return kSpatialAxes - static_cast<size_t>(axes - i); }
};

// Of a node whose operand has `axes` spatial dimensions. `kernel` holds the sizes where the node
// has no kernel_shape: the trailing dimensions of Conv's weights. A dimension there that is not
// known (-1) is read as 1; the caller knows.
Result<WindowAttributes> ReadWindowAttributes(const Node& node, int axes,
                                              std::span<const int64_t> kernel);

// The window on an input of these `axes` spatial dimensions: pads and output sizes resolved.
Result<Window> ResolveWindow(const WindowAttributes& attributes, std::span<const int64_t> in);

// The output's dimension `i` from the input's: known when that is, the same symbol when the window
// keeps the size whatever it is, unknown otherwise.
Result<Dim> WindowOutputDim(const WindowAttributes& attributes, int i, const Dim& in);

}  // namespace ergo

#endif  // ERGO_ENGINE_GRAPH_WINDOW_ATTRIBUTES_H_
