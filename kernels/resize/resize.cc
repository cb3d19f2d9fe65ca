#include "kernels/resize/resize.h"

#include <algorithm>

#include "kernels/resize/resize_taps.h"

namespace ergo {
namespace {

constexpr KernelVariant<ResizeProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"resize", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/resize/resize_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

// Multiply-adds of an output along one axis.
int64_t TapsOf(ResizeMode mode) {
  return mode == ResizeMode::kNearest ? 0 : mode == ResizeMode::kLinear ? 2 : 4;
}

}  // namespace

std::span<const KernelVariant<ResizeProblem>> ResizeVariants() {
  return kVariants;
}

KernelCost CostOf(const ResizeProblem& problem) {
  KernelCost cost;
  const int64_t written = DTypeBytes(problem.dtype, problem.output.Elements());
  cost.bytes_written = written;
  cost.bytes_read = DTypeBytes(problem.dtype, problem.input.Elements());
  if (problem.mode == ResizeMode::kNearest) cost.bytes_read = std::min(cost.bytes_read, written);
  for (int axis = 0; axis < problem.input.Rank(); ++axis) {
    if (problem.input[axis] == problem.output[axis]) continue;
    cost.flops += 2 * TapsOf(problem.mode) * problem.output.Elements();
  }
  return cost;
}

}  // namespace ergo
