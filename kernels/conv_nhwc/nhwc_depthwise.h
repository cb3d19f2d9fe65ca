// What depthwise convolution with channels innermost is made with: shared by the variant of its own
// (conv_nhwc_depthwise.cc) and the one behind an expansion (expand_depthwise_strips.cc).
#ifndef ERGO_KERNELS_CONV_NHWC_NHWC_DEPTHWISE_H_
#define ERGO_KERNELS_CONV_NHWC_NHWC_DEPTHWISE_H_

#include <cstdint>

#include "kernels/conv_nhwc/conv_nhwc.h"

namespace ergo {

// Windows of more taps than this are Unsupported.
inline constexpr int64_t kMaxDepthwiseTaps = 49;

struct DepthwisePlan {
  ConvProblem problem;
  int64_t lanes = 1;
  int64_t chunk = 1;        // channels, whole vectors
  int64_t pitch = 1;        // of the weights from one tap to the next: whole vectors of channels
  float low = 0, high = 0;  // what kRelu and kClip cut off, or infinities

  // Unsupported for what is not depthwise, or has too many taps.
  static Result<DepthwisePlan> Make(const ConvProblem& problem, int64_t lanes);
  // [tap][channel], whole vectors, through the cache where there is one.
  PackedWeights Pack(PackCache* packs) const;
};

struct DepthwiseOperands {
  const float* weights;  // packed
  const float* bias;     // whole vectors
  const float* zeros;    // a position that is padding
};

// One output row.
struct DepthwiseRow {
  const float* rows[kMaxDepthwiseTaps];  // of the input, for each of `taps`
  Taps taps;                             // rows of the window inside the input
  const float* residual;                 // or null
  float* y;
};

}  // namespace ergo

#endif  // ERGO_KERNELS_CONV_NHWC_NHWC_DEPTHWISE_H_
