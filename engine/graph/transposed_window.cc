#include "engine/graph/transposed_window.h"

#include <algorithm>

#include "engine/graph/window_attributes.h"
#include "kernels/base/checked_math.h"
#include "kernels/base/limits.h"

namespace ergo {
namespace {

Result<int64_t> Entry(const Node& node, std::string_view attribute, int axes, int i,
                      int64_t fallback) {
  const std::vector<int64_t>* values = node.IntsAttr(attribute);
  if (values == nullptr) return fallback;
  // Some exporters give batch and channels too; the spatial ones are the last.
  if (values->size() < static_cast<size_t>(axes)) {
    return InvalidArgument("{} has {} entries for {} axes", attribute, values->size(), axes);
  }
  const int64_t value = (*values)[values->size() - static_cast<size_t>(axes - i)];
  if (value < 0 || value > kMaxTensorElements) return InvalidArgument("{} {}", attribute, value);
  return value;
}

}  // namespace

Result<Window> ResolveTransposedWindow(const Node& node, std::span<const int64_t> input,
                                       std::span<const int64_t> kernel) {
  const int axes = static_cast<int>(input.size());
  ERGO_ASSIGN_OR_RETURN(const WindowAttributes attributes,
                        ReadWindowAttributes(node, axes, kernel));
  Window window = attributes.window;
  for (int i = 0; i < axes; ++i) {
    const size_t axis = attributes.AxisOf(i);
    const int64_t in = input[static_cast<size_t>(i)];
    window.out[axis] = in;
    ERGO_ASSIGN_OR_RETURN(const int64_t extra, Entry(node, "output_padding", axes, i, 0));
    ERGO_ASSIGN_OR_RETURN(const int64_t wanted, Entry(node, "output_shape", axes, i, -1));
    const auto stretched = CheckedMul(window.strides[axis], std::max<int64_t>(in - 1, 0));
    if (!stretched || *stretched > kMaxTensorElements) {
      return ResourceExhausted("an output of more than {} along axis {}", kMaxTensorElements, i);
    }
    const int64_t full = in == 0 ? 0 : *stretched + extra + window.Extent(axis);
    const bool same =
        attributes.auto_pad == AutoPad::kSameUpper || attributes.auto_pad == AutoPad::kSameLower;
    if (wanted < 0 && !same) {
      window.in[axis] = full - window.pads_begin[axis] - window.pads_end[axis];
    } else {
      window.in[axis] = wanted >= 0 ? wanted : in * window.strides[axis];
      const int64_t total = std::max<int64_t>(full - window.in[axis], 0);
      const int64_t half = total / 2;
      const bool upper = attributes.auto_pad == AutoPad::kSameUpper;
      window.pads_begin[axis] = upper ? half : total - half;
      window.pads_end[axis] = upper ? total - half : half;
    }
    if (window.in[axis] < 0) return InvalidArgument("pads larger than the output along axis {}", i);
  }
  return window;
}

}  // namespace ergo
