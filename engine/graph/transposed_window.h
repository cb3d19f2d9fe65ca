// The window of ConvTranspose: that of the convolution whose gradient it is.
#ifndef ERGO_ENGINE_GRAPH_TRANSPOSED_WINDOW_H_
#define ERGO_ENGINE_GRAPH_TRANSPOSED_WINDOW_H_

#include <span>

#include "engine/graph/graph.h"
#include "kernels/base/window.h"

namespace ergo {

// Pads and output sizes of a ConvTranspose on an input of these spatial dimensions: in the result
// `out` is the input's and `in` the output's. `kernel` holds the weights' trailing dimensions.
// Errors as ReadWindowAttributes'.
Result<Window> ResolveTransposedWindow(const Node& node, std::span<const int64_t> input,
                                       std::span<const int64_t> kernel);

}  // namespace ergo

#endif  // ERGO_ENGINE_GRAPH_TRANSPOSED_WINDOW_H_
