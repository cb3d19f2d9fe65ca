// QEpilogue: what a quantized convolution or product does with its exact sums before it writes
// them. Computed in float32, each step rounded once; with s = scale_y where the output is
// quantized, else 1, and sum' the int32 sum plus an int32 bias:
//
//   v = fma(sum', scale_x * scale_w / s, bias / s)        the bias being a float32 one, else 0
//   v = fma(z - zero_z, scale_z / s, v)                   with a residual z (scale 1 for float32)
//   v = activation(v)                                     alpha and beta of clip divided by s too
//   y = v, or saturate(round_half_even(v) + zero_y)
//
// Quotients and products of scales are computed in double and rounded to float32. Sigmoid, tanh,
// silu, hard_swish and gelu do not commute with a scale: for them s is 1 in the first three lines,
// and v is multiplied by float32(1 / scale_y) behind them. All variants give the same bits, except
// behind those activations, which differ from variant to variant as kernels/base/activation.h says,
// and on SIMD targets older than AVX2, where fma rounds twice: a quantized result may then be off
// by one.
//
// Thread safety: values and pure functions.
#ifndef ERGO_KERNELS_QLINEAR_EPILOGUE_H_
#define ERGO_KERNELS_QLINEAR_EPILOGUE_H_

#include "kernels/base/activation.h"
#include "kernels/base/kernel.h"

namespace ergo {

struct QEpilogue {
  DType y = DType::kI32;               // kI32: the sums themselves, nothing else of this applies
  DType bias = DType::kUndefined;      // kI32 or kF32, one a channel or column; undefined: none
  DType residual = DType::kUndefined;  // kU8, kI8 or kF32, of y's shape; undefined: none
  ActivationSpec activation;
};

// Inputs of a kernel with an epilogue, after x, w and their zero points.
enum QInput : size_t {
  kQScaleX = 4,
  kQScaleW,
  kQScaleY,  // absent for float32 results
  kQZeroY,
  kQBias,
  kQResidual,
  kQScaleZ,
  kQZeroZ,
};

// Unsupported for combinations of types that are none of the above.
Status CheckEpilogue(const QEpilogue& epilogue);
int64_t EpilogueBytes(const QEpilogue& epilogue, int64_t outputs, int64_t channels);

// An operand that may be absent or left out at the end.
TensorView QOperand(const KernelArgs& args, size_t input);
// Element `index` of an operand with one element for all or one each, as a number; the default when
// it is absent.
double QNumber(const TensorView& operand, int64_t index, double absent);

// The numbers of one run that are the same for all elements.
struct EpilogueScalars {
  double scale_x = 1, inverse_s = 1;
  float residual_scale = 0;
  int32_t residual_zero = 0;
  ActivationSpec activation;  // what `low` and `high` do not do
  bool rescales = false;      // v is multiplied by `rescale` behind the activation
  float rescale = 1;
  float low = 0, high = 0;  // v is clamped to these before it is rounded: saturation and relu, clip
  int32_t zero_y = 0;

  static EpilogueScalars Read(const QEpilogue& epilogue, const KernelArgs& args);
  float Multiplier(double scale_w) const {
    return static_cast<float>(scale_x * scale_w * inverse_s);
  }
  float Offset(double bias) const { return static_cast<float>(bias * inverse_s); }
};

// What each channel (or column) adds to that; arrays of `channels` entries.
struct EpilogueChannels {
  float* multipliers = nullptr;
  float* offsets = nullptr;
  int32_t* biases = nullptr;

  // The bytes that they take together for so many channels, a multiple of kTensorAlignment, with
  // room for a vector that begins at the last of each.
  static size_t Bytes(int64_t channels);
  // Lays them out in such memory and fills them.
  static EpilogueChannels Fill(const QEpilogue& epilogue, const EpilogueScalars& scalars,
                               const KernelArgs& args, int64_t channels, std::byte* memory);
};

}  // namespace ergo

#endif  // ERGO_KERNELS_QLINEAR_EPILOGUE_H_
