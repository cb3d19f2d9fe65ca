// The inner loops of the recurrent family's SIMD variant, as each target provides them. Pointers to
// them are taken when a kernel is made.
#ifndef ERGO_KERNELS_RECURRENT_SIMD_LOOPS_H_
#define ERGO_KERNELS_RECURRENT_SIMD_LOOPS_H_

#include <cstddef>
#include <cstdint>

#include "kernels/recurrent/recurrent.h"

namespace ergo {

inline constexpr int64_t kMaxPanelSamples = 4;

struct RecurrentLoops {
  // y[s][r] += sum_k panel[k][r] x[s][k] for the first `rows` rows of a panel of PanelMatrix and
  // for each of 1 to kMaxPanelSamples samples.
  void (*multiply)(const float* panel, int64_t depth, int64_t rows, const float* const* x,
                   float* const* y, int64_t samples);
  // x[i] = function(min(max(x[i], -clip), clip)); without the clipping for clip 0.
  void (*activate)(const GateFunction& function, float clip, float* x, size_t count);
  // y[i] = 1 - x[i].
  void (*complement)(const float* x, float* y, size_t count);
  // y[i] = a[i] b[i].
  void (*multiply_each)(const float* a, const float* b, float* y, size_t count);
  // y[i] += a[i] b[i].
  void (*add_products)(const float* a, const float* b, float* y, size_t count);
  // y[i] = a[i] y[i] + b[i] c[i].
  void (*blend)(const float* a, const float* b, const float* c, float* y, size_t count);
};

// The best ones for the target in force.
RecurrentLoops GetRecurrentSimdLoops();

}  // namespace ergo

#endif  // ERGO_KERNELS_RECURRENT_SIMD_LOOPS_H_
