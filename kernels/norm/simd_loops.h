// The inner loops of the norm family's SIMD variants, as each target provides them. Pointers to
// them are taken when a kernel is made. y may be x everywhere.
#ifndef ERGO_KERNELS_NORM_SIMD_LOOPS_H_
#define ERGO_KERNELS_NORM_SIMD_LOOPS_H_

#include <cstddef>
#include <cstdint>

namespace ergo {

// Softmax or its logarithm, and how many floats a vector holds.
struct SoftmaxLoops {
  // One contiguous row.
  void (*row)(bool logarithm, const float* x, float* y, size_t count);
  // Lines [begin, end) of a tensor [outer, length, inner], a vector of lines at a time; `block` has
  // room for length * lanes floats.
  void (*lines)(bool logarithm, const float* x, float* y, int64_t length, int64_t inner,
                int64_t begin, int64_t end, float* block);
  int64_t lanes;
};

struct RowMoments {
  float mean = 0;
  double variance = 0;
};

struct NormLoops {
  // Around 0, not the mean, unless `centered`.
  RowMoments (*moments)(const float* x, size_t count, bool centered);
  // y[i] = (x[i] - mean) * scale + bias.
  void (*affine)(const float* x, float* y, size_t count, float mean, float scale, float bias);
  // y[i] = (x[i] - mean[i]) * scale[i] + bias[i].
  void (*affine_each)(const float* x, float* y, size_t count, const float* mean, const float* scale,
                      const float* bias);
  // y[i] = (x[i] - mean) * factor * scale[i] + bias[i]; null scales are 1, null biases 0.
  void (*scale_each)(const float* x, float* y, size_t count, float mean, float factor,
                     const float* scale, const float* bias);
};

}  // namespace ergo

#endif  // ERGO_KERNELS_NORM_SIMD_LOOPS_H_
