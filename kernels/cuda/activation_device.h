// Activations in device code: the functions of kernels/base/activation.h in float.
#ifndef ERGO_KERNELS_CUDA_ACTIVATION_DEVICE_H_
#define ERGO_KERNELS_CUDA_ACTIVATION_DEVICE_H_

#include <cmath>

#include "kernels/base/activation.h"
#include "kernels/cuda/simt.h"

namespace ergo::cuda {

ERGO_DEVICE float ActivateOnDevice(const ActivationSpec& spec, float x) {
  switch (spec.kind) {
    case Activation::kNone: return x;
    case Activation::kRelu: return x < 0 ? 0 : x;
    case Activation::kLeakyRelu: return x < 0 ? spec.alpha * x : x;
    case Activation::kClip: {
      const float raised = x < spec.alpha ? spec.alpha : x;
      return raised > spec.beta ? spec.beta : raised;
    }
    case Activation::kSigmoid: return 1 / (1 + std::exp(-x));
    case Activation::kTanh: return std::tanh(x);
    case Activation::kSilu: return x / (1 + std::exp(-x));
    case Activation::kHardSwish: {
      const float gate = x / 6 + 0.5f;
      return x * (gate < 0 ? 0.0f : gate > 1 ? 1.0f : gate);
    }
    case Activation::kGelu: return 0.5f * x * std::erfc(-x * 0.70710678118654752f);
  }
  return x;
}

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_CUDA_ACTIVATION_DEVICE_H_
