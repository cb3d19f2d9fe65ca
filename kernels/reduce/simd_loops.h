// The inner loops of the reduce family's SIMD variant, as each target provides them. Pointers to
// them are taken when a kernel is made.
#ifndef ERGO_KERNELS_REDUCE_SIMD_LOOPS_H_
#define ERGO_KERNELS_REDUCE_SIMD_LOOPS_H_

#include <cstddef>

#include "kernels/reduce/reduce_plan.h"

namespace ergo {

// Columns that are reduced side by side.
inline constexpr int64_t kReduceColumns = 64;

// Partial results: sums, or the largest or smallest element; null where the operator has none.
struct ReduceLoops {
  // Of `count` contiguous elements.
  double (*row)(const float* x, size_t count);
  // Of columns 0 to count - 1 <= kReduceColumns: column k is made of the elements k behind those
  // that `reduced` steps to from x.
  void (*columns)(const float* x, const StridedAxes& reduced, size_t count, double* result);
};

}  // namespace ergo

#endif  // ERGO_KERNELS_REDUCE_SIMD_LOOPS_H_
