// Activation: the functions that a gemm, a convolution or a normalization applies to its result
// before it is written. This header holds the names and the scalar reference; the same functions on
// SIMD vectors are in activation-inl.h, which states their error bounds against this one.
//
// Thread safety: pure functions.
#ifndef ERGO_KERNELS_BASE_ACTIVATION_H_
#define ERGO_KERNELS_BASE_ACTIVATION_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace ergo {

enum class Activation : uint8_t {
  kNone,
  kRelu,       // max(x, 0)
  kLeakyRelu,  // x < 0 ? alpha x : x
  kClip,       // min(max(x, alpha), beta)
  kSigmoid,    // 1 / (1 + e^-x)
  kTanh,
  kSilu,       // x sigmoid(x)
  kHardSwish,  // x min(max(x / 6 + 1 / 2, 0), 1)
  kGelu,       // x / 2 (1 + erf(x / sqrt(2)))
};

// An activation and its parameters, as a problem carries it.
struct ActivationSpec {
  Activation kind = Activation::kNone;
  float alpha = 0;  // kLeakyRelu: the slope; kClip: the minimum
  float beta = 0;   // kClip: the maximum

  bool operator==(const ActivationSpec&) const = default;
};

// "none", "relu", "leaky_relu", "clip", "sigmoid", "tanh", "silu", "hard_swish", "gelu": the values
// of the attribute `activation` of fused operators.
std::string_view ActivationName(Activation activation);
std::optional<Activation> ActivationFromName(std::string_view name);

// The reference: computed in double, NaN stays NaN.
double Activate(const ActivationSpec& spec, double x);

// What the SIMD function may differ from the reference by, for arguments of at most `magnitude`.
double ActivationErrorBound(const ActivationSpec& spec, double magnitude);

// No activation grows an error of its argument by more than this factor (its largest slope).
double ActivationSlope(const ActivationSpec& spec);

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_ACTIVATION_H_
