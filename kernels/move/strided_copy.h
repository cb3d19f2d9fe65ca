// Strided copy: every operator whose result elements are input elements at places that depend on
// nothing but the shapes. Transpose, Slice, Expand, Tile, DepthToSpace, SpaceToDepth and a plain
// copy are the same loops with different strides:
//
//   output (dense, row-major, seen as axes[0].count x axes[1].count x ...):
//   output[i0, i1, ...] = input[offset + i0 * axes[0].stride + i1 * axes[1].stride + ...]
//
// Strides and offset count elements of the input; a stride may be 0 (repeat) or negative (reverse).
//
// Operands: inputs {x [problem.input]}, outputs {y [problem.output]}, of problem.dtype, any type of
// at least 8 bits. No alignment beyond the element's. The output must not overlap the input.
// Arithmetic: none, so all variants give the same bytes.
// Thread safety: as every Kernel.
#ifndef ERGO_KERNELS_MOVE_STRIDED_COPY_H_
#define ERGO_KERNELS_MOVE_STRIDED_COPY_H_

#include <span>
#include <vector>

#include "kernels/base/kernel.h"

namespace ergo::move {

struct CopyAxis {
  int64_t count = 1;
  int64_t stride = 0;
};

struct StridedCopyProblem {
  DType dtype = DType::kUndefined;
  Shape input;
  Shape output;
  int64_t offset = 0;
  std::vector<CopyAxis> axes;  // counts multiply to the output's elements
};

std::span<const KernelVariant<StridedCopyProblem>> StridedCopyVariants();

KernelCost CostOf(const StridedCopyProblem& problem);

// True when the output has exactly the bytes of the input, so that no copy is needed: a Transpose
// that moves only axes of one element, a Slice of everything.
bool KeepsEveryByte(const StridedCopyProblem& problem);

// The operators. Arguments are checked by the caller (engine/graph/move_params.h): permutations are
// permutations, slices lie inside, shapes broadcast, blocks divide.

StridedCopyProblem PlainCopy(DType dtype, const Shape& shape);

// Result axis i is input axis perm[i].
StridedCopyProblem TransposeCopy(DType dtype, const Shape& input, std::span<const int> perm);

// Elements start, start + step, ... (`count` of them) of one axis.
struct AxisSlice {
  int64_t start = 0;
  int64_t step = 1;
  int64_t count = 0;
};
// One slice an axis of the input.
StridedCopyProblem SliceCopy(DType dtype, const Shape& input, std::span<const AxisSlice> slices);

// NumPy's broadcast_to.
StridedCopyProblem ExpandCopy(DType dtype, const Shape& input, const Shape& output);

// NumPy's tile, one repeat an axis.
StridedCopyProblem TileCopy(DType dtype, const Shape& input, std::span<const int64_t> repeats);

// [N, C, H, W] to [N, C / block^2, H * block, W * block]. Where the channels of a block come from:
// depth-column-row order or column-row-depth order, ONNX's "DCR" and "CRD".
enum class DepthOrder : uint8_t { kDcr, kCrd };
StridedCopyProblem DepthToSpaceCopy(DType dtype, const Shape& input, int64_t block,
                                    DepthOrder order);

// [N, C, H, W] to [N, C * block^2, H / block, W / block], channels in either order.
StridedCopyProblem SpaceToDepthCopy(DType dtype, const Shape& input, int64_t block,
                                    DepthOrder order);

}  // namespace ergo::move

#endif  // ERGO_KERNELS_MOVE_STRIDED_COPY_H_
