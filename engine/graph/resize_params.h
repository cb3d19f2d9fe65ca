// What a Resize or Upsample node of any opset asks for. Inference takes the output shape from here,
// lowering the whole problem.
//
// Thread safety: pure functions.
#ifndef ERGO_ENGINE_GRAPH_RESIZE_PARAMS_H_
#define ERGO_ENGINE_GRAPH_RESIZE_PARAMS_H_

#include <optional>
#include <vector>

#include "engine/graph/graph.h"
#include "kernels/base/parallel_for.h"
#include "kernels/resize/resize.h"

namespace ergo {

// Values of the operands that decide the shape; nullopt for absent (or empty) ones.
struct ResizeOperands {
  std::optional<std::vector<double>> roi;
  std::optional<std::vector<double>> scales;
  std::optional<std::vector<int64_t>> sizes;
};
// Reads them through constant_at(input index), null where the values are not known, for the inputs
// that present(input index) says are there. Sets `unknown` where one is there but not known.
Result<ResizeOperands> ReadResizeOperands(const Node& node,
                                          FunctionRef<const Tensor*(int)> constant_at,
                                          FunctionRef<bool(int)> present, bool& unknown);

// The axes that scales, sizes and roi speak of, in their order.
Result<std::vector<int>> ResizeAxes(const Node& node, int rank);

// Output length of an axis of `in` elements. Computed in float32, as exporters and runtimes do.
Result<int64_t> ScaledDim(int64_t in, double scale);

// Errors: InvalidArgument for attributes and operands that make no sense for `input`.
Result<ResizeProblem> MakeResizeProblem(const Node& node, DType dtype, const Shape& input,
                                        const ResizeOperands& operands);

}  // namespace ergo

#endif  // ERGO_ENGINE_GRAPH_RESIZE_PARAMS_H_
