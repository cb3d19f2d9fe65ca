// What the attributes and integer inputs of the data movement operators mean, in a normal form.
// Inference and lowering both read it from here, so that a shape and the bytes that fill it cannot
// disagree.
//
// All functions take values from models and check them: InvalidArgument names what is wrong.
// Thread safety: pure functions.
#ifndef ERGO_ENGINE_GRAPH_MOVE_PARAMS_H_
#define ERGO_ENGINE_GRAPH_MOVE_PARAMS_H_

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/graph/symbolic_shape.h"
#include "engine/graph/tensor.h"
#include "kernels/base/shape.h"
#include "kernels/base/status.h"
#include "kernels/move/pad.h"
#include "kernels/move/strided_copy.h"

namespace ergo {

// Axes in [0, rank), in the given order. Negative ones count from the end; none may stand twice.
Result<std::vector<int>> NormalizeAxes(std::span<const int64_t> axes, int rank);

// Which source axis each result axis of Transpose comes from. Without `perm`: all reversed.
Result<std::vector<int>> TransposePermutation(const std::vector<int64_t>* perm, int rank);

// Slice on an axis of `dim` elements; starts and ends count from the end when negative and are
// clamped, as in Python. step != 0.
move::AxisSlice ClampSlice(int64_t start, int64_t end, int64_t step, int64_t dim);

// Slice, one entry per requested axis, before the dimensions are known.
struct SliceRequest {
  int axis = 0;
  int64_t start = 0;
  int64_t end = 0;
  int64_t step = 1;
  // The whole axis in order, whatever its length.
  bool TakesAll() const { return start == 0 && step == 1 && end >= kTakeToTheEnd; }
  // Exporters write the largest int32 or int64 for "to the end".
  static constexpr int64_t kTakeToTheEnd = 0x7fffffff;
};
// `axes` null: the first axes in order. `steps` null: all 1.
Result<std::vector<SliceRequest>> SliceRequests(const std::vector<int64_t>& starts,
                                                const std::vector<int64_t>& ends,
                                                const std::vector<int64_t>* axes,
                                                const std::vector<int64_t>* steps, int rank);

// Reshape's target [2, -1, 0] against an input shape: 0 copies a dimension (unless `allow_zero`),
// -1 stands for what is left. With unknown dimensions in the input the result keeps what is
// certain.
Result<SymbolicShape> ReshapeShape(const SymbolicShape& input, std::span<const int64_t> target,
                                   bool allow_zero);

// Squeeze. `axes` null: all dimensions of 1, which gives an unknown shape if any is unknown.
Result<SymbolicShape> SqueezeShape(const SymbolicShape& input, const std::vector<int64_t>* axes);
// Unsqueeze; the axes are those of the result.
Result<SymbolicShape> UnsqueezeShape(const SymbolicShape& input, std::span<const int64_t> axes);

// Sizes of Split's outputs along an axis of `dim` elements. `sizes` null: `outputs` parts of
// ceil(dim / outputs) elements, the last one smaller; `even` asks for equal parts (before opset
// 18).
Result<std::vector<int64_t>> SplitSizes(int64_t dim, const std::vector<int64_t>* sizes,
                                        size_t outputs, bool even);

// ONNX order (all begins, then all ends) to one entry an axis. `axes` null: all of them.
Result<std::vector<move::AxisPads>> PadsPerAxis(const std::vector<int64_t>& pads,
                                                const std::vector<int64_t>* axes, int rank);
// The padded dimension. InvalidArgument when it is negative or too large.
Result<int64_t> PaddedDim(int64_t dim, const move::AxisPads& pads);

// CenterCropPad to `target` (one size an axis of `axes`; null: all axes) as pads.
Result<std::vector<move::AxisPads>> CenterCropPads(const Shape& input,
                                                   const std::vector<int64_t>& target,
                                                   const std::vector<int64_t>* axes);

// Shape's slice of the dimensions: those in [first, last).
struct AxisRange {
  int first = 0;
  int last = 0;
};
AxisRange ShapeRange(int64_t start, std::optional<int64_t> end, int rank);

// Elements of Range(start, limit, delta), three scalars of one type (float32, float64, int16, int32
// or int64): max(0, ceil((limit - start) / delta)). InvalidArgument for delta 0 and NaN.
Result<int64_t> RangeCount(const Tensor& start, const Tensor& limit, const Tensor& delta);

// The value of a tensor of one element of any type of at least 8 bits that is not float8. int64
// above 2^53 are rounded.
Result<double> ScalarAsDouble(const Tensor& tensor);
// All values of a float16, float32 or float64 tensor.
Result<std::vector<double>> FloatsAsDoubles(const Tensor& tensor);

}  // namespace ergo

#endif  // ERGO_ENGINE_GRAPH_MOVE_PARAMS_H_
