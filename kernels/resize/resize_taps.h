// The weights of one axis of a resize; shared by its variants.
#ifndef ERGO_KERNELS_RESIZE_RESIZE_TAPS_H_
#define ERGO_KERNELS_RESIZE_RESIZE_TAPS_H_

#include <vector>

#include "kernels/resize/resize.h"

namespace ergo {

MadeKernel MakeNearestResize(const ResizeProblem& problem, const MakeContext& context);
MadeKernel MakeSeparableResize(const ResizeProblem& problem, const MakeContext& context);
MadeKernel MakeResizeReference(const ResizeProblem& problem, const MakeContext& context);

// Output o is the sum of weights[o * taps + k] * input[indices[o * taps + k]] over k < taps.
struct AxisTaps {
  int64_t in = 1, out = 1;
  int64_t taps = 1;
  std::vector<int64_t> indices;  // inside the input
  std::vector<double> weights;
  std::vector<bool> outside;  // one an output: extrapolated; empty when none is

  bool Identity() const;  // output o is input o
};

// One entry an axis. InvalidArgument for shapes and scales that make no sense.
Result<std::vector<AxisTaps>> MakeTaps(const ResizeProblem& problem);

}  // namespace ergo

#endif  // ERGO_KERNELS_RESIZE_RESIZE_TAPS_H_
