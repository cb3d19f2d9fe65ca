#include "kernels/base/activation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace ergo {
namespace {

constexpr std::array<std::pair<Activation, std::string_view>, 9> kNames = {{
    {Activation::kNone, "none"},
    {Activation::kRelu, "relu"},
    {Activation::kLeakyRelu, "leaky_relu"},
    {Activation::kClip, "clip"},
    {Activation::kSigmoid, "sigmoid"},
    {Activation::kTanh, "tanh"},
    {Activation::kSilu, "silu"},
    {Activation::kHardSwish, "hard_swish"},
    {Activation::kGelu, "gelu"},
}};

}  // namespace

std::string_view ActivationName(Activation activation) {
  for (const auto& [kind, name] : kNames) {
    if (kind == activation) return name;
  }
  return "unknown";
}

std::optional<Activation> ActivationFromName(std::string_view name) {
  for (const auto& [kind, known] : kNames) {
    if (known == name) return kind;
  }
  return std::nullopt;
}

double Activate(const ActivationSpec& spec, double x) {
  const double alpha = spec.alpha;
  const double beta = spec.beta;
  switch (spec.kind) {
    case Activation::kNone: return x;
    case Activation::kRelu: return x < 0 ? 0 : x;
    case Activation::kLeakyRelu: return x < 0 ? alpha * x : x;
    case Activation::kClip: {
      const double low = x < alpha ? alpha : x;
      return low > beta ? beta : low;
    }
    case Activation::kSigmoid: return 1 / (1 + std::exp(-x));
    case Activation::kTanh: return std::tanh(x);
    case Activation::kSilu: return x / (1 + std::exp(-x));
    case Activation::kHardSwish: {
      const double gate = x / 6 + 0.5;
      return x * (gate < 0 ? 0 : gate > 1 ? 1 : gate);
    }
    case Activation::kGelu: return x * 0.5 * std::erfc(-x * std::sqrt(0.5));
  }
  return x;
}

double ActivationErrorBound(const ActivationSpec& spec, double magnitude) {
  constexpr double kEpsilon = 0x1p-24;
  switch (spec.kind) {
    case Activation::kNone:
    case Activation::kRelu:
    case Activation::kClip: return 0;
    case Activation::kSigmoid: return 4 * kEpsilon;
    case Activation::kTanh: return 8 * kEpsilon * std::min(magnitude, 1.0);
    case Activation::kLeakyRelu:
    case Activation::kSilu:
    case Activation::kHardSwish:
    case Activation::kGelu: return 8 * kEpsilon * ActivationSlope(spec) * magnitude;
  }
  return 0;
}

double ActivationSlope(const ActivationSpec& spec) {
  switch (spec.kind) {
    case Activation::kNone:
    case Activation::kRelu:
    case Activation::kClip:
    case Activation::kTanh: return 1;
    case Activation::kLeakyRelu: return std::max(1.0, std::abs(double{spec.alpha}));
    case Activation::kSigmoid: return 0.25;
    case Activation::kSilu: return 1.1;
    case Activation::kHardSwish: return 1.5;
    case Activation::kGelu: return 1.13;
  }
  return 1;
}

}  // namespace ergo
