// Resize: resampling along every axis (ONNX Resize and Upsample).
//
// Output coordinate o of an axis of `in` elements maps to an input coordinate x(o) (CoordinateMode;
// scale s and resized length r = s * in, which need not be whole):
//   half_pixel            (o + 0.5) / s - 0.5
//   half_pixel_symmetric  the same, plus in / 2 * (1 - out / r): centered when r is not whole
//   pytorch_half_pixel    half_pixel, but 0 when r is 1
//   align_corners         o * (in - 1) / (r - 1), 0 when r is 1
//   asymmetric            o / s
//   tf_half_pixel_for_nn  (o + 0.5) / s
//   tf_crop_and_resize    (in - 1) * (start + o * (end - start) / (r - 1)), or the middle when r is
//   1;
//                         where that is outside [0, in - 1] the result is extrapolation_value
// and the result is a weighted sum of elements near x along every axis in turn:
//   nearest  the one element that NearestMode picks
//   linear   the two neighbours, by distance
//   cubic    four neighbours, Keys' kernel with coefficient cubic_a (Keys, Cubic convolution
//            interpolation for digital image processing, IEEE ASSP-29, 1981)
// Elements outside are those at the edge, or with exclude_outside have no weight (the other weights
// then are scaled to add up to 1). With antialias a shrinking axis widens its kernel by 1 / s.
//
// Operands: inputs {x [problem.input]}, outputs {y [problem.output]}, both problem.dtype. nearest:
// any type of at least 8 bits, exact. linear and cubic: floating point and integers of 8 bits and
// more. The output must not overlap the input.
// Arithmetic: coordinates and weights in double. The reference sums in double over all axes at once
// and rounds once (integers: to nearest even, saturated). `separable` resamples one axis after the
// other in float32: error at most 2^-21 times the sum of |weight * element| per output for up to 3
// axes; a NaN or an infinity also reaches the neighbours that give it weight 0. Bit-stable across
// threads, not across variants.
// Thread safety: as every Kernel.
#ifndef ERGO_KERNELS_RESIZE_RESIZE_H_
#define ERGO_KERNELS_RESIZE_RESIZE_H_

#include <array>
#include <span>

#include "kernels/base/kernel.h"

namespace ergo {

enum class ResizeMode : uint8_t { kNearest, kLinear, kCubic };

enum class CoordinateMode : uint8_t {
  kHalfPixel,
  kHalfPixelSymmetric,
  kPytorchHalfPixel,
  kAlignCorners,
  kAsymmetric,
  kTfHalfPixelForNn,
  kTfCropAndResize,
};

enum class NearestMode : uint8_t {
  kRoundPreferFloor,
  kRoundPreferCeil,
  kFloor,
  kCeil,
  kSimple,  // opset 10: ceil on axes that shrink, else floor
};

struct ResizeAxis {
  double scale = 1;                   // output to input length
  double roi_start = 0, roi_end = 1;  // for tf_crop_and_resize, in units of the input length
};

struct ResizeProblem {
  DType dtype = DType::kUndefined;
  Shape input, output;  // of the same rank
  std::array<ResizeAxis, kMaxRank> axes{};
  ResizeMode mode = ResizeMode::kNearest;
  CoordinateMode coordinates = CoordinateMode::kHalfPixel;
  NearestMode nearest = NearestMode::kRoundPreferFloor;
  double cubic_a = -0.75;
  bool exclude_outside = false;
  bool antialias = false;
  double extrapolation_value = 0;
};

std::span<const KernelVariant<ResizeProblem>> ResizeVariants();

KernelCost CostOf(const ResizeProblem& problem);

}  // namespace ergo

#endif  // ERGO_KERNELS_RESIZE_RESIZE_H_
