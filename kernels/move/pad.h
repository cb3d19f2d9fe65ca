// Pad: elements added to (or taken from) both ends of every axis.
//
//   y[i..] = x[i - before..] inside; outside, by mode:
//     constant  the value
//     edge      the nearest element
//     reflect   mirrored at the first and last element, which are not repeated, as often as needed
//     wrap      x repeated periodically
// Negative pads crop; the modes then see the cropped tensor.
//
// Operands: inputs {x [problem.input], value}, outputs {y}; value is one element of problem.dtype
// and may be absent: 0. Any type of at least 8 bits. The output must not overlap the input.
// Arithmetic: none, so all variants give the same bytes.
// Thread safety: as every Kernel.
#ifndef ERGO_KERNELS_MOVE_PAD_H_
#define ERGO_KERNELS_MOVE_PAD_H_

#include <span>
#include <vector>

#include "kernels/base/kernel.h"

namespace ergo::move {

enum class PadMode : uint8_t { kConstant, kEdge, kReflect, kWrap };

// Elements added before and after an axis; negative: taken away.
struct AxisPads {
  int64_t before = 0;
  int64_t after = 0;
};

struct PadProblem {
  DType dtype = DType::kUndefined;
  Shape input;
  std::vector<AxisPads> pads;  // one an axis; no dimension of the result is negative
  PadMode mode = PadMode::kConstant;

  Shape Output() const;
};

std::span<const KernelVariant<PadProblem>> PadVariants();

KernelCost CostOf(const PadProblem& problem);

}  // namespace ergo::move

#endif  // ERGO_KERNELS_MOVE_PAD_H_
