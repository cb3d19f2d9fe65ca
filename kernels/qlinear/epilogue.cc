#include "kernels/qlinear/epilogue.h"

#include <algorithm>
#include <limits>

#include "kernels/base/checked_math.h"
#include "kernels/base/real_access.h"

namespace ergo {
namespace {

bool CommutesWithScale(Activation kind) {
  switch (kind) {
    case Activation::kNone:
    case Activation::kRelu:
    case Activation::kLeakyRelu:
    case Activation::kClip: return true;
    default: return false;
  }
}

}  // namespace

Status CheckEpilogue(const QEpilogue& epilogue) {
  const auto one_of = [](DType dtype, std::initializer_list<DType> types) {
    return std::ranges::find(types, dtype) != types.end();
  };
  if (!one_of(epilogue.y, {DType::kI32, DType::kU8, DType::kI8, DType::kF32}) ||
      !one_of(epilogue.bias, {DType::kUndefined, DType::kI32, DType::kF32}) ||
      !one_of(epilogue.residual, {DType::kUndefined, DType::kU8, DType::kI8, DType::kF32})) {
    return Unsupported("a bias {} and a residual {} to a result {}", DTypeName(epilogue.bias),
                       DTypeName(epilogue.residual), DTypeName(epilogue.y));
  }
  return {};
}

int64_t EpilogueBytes(const QEpilogue& epilogue, int64_t outputs, int64_t channels) {
  int64_t bytes = 0;
  if (epilogue.bias != DType::kUndefined) bytes += DTypeBytes(epilogue.bias, channels);
  if (epilogue.residual != DType::kUndefined) bytes += DTypeBytes(epilogue.residual, outputs);
  return bytes;
}

TensorView QOperand(const KernelArgs& args, size_t input) {
  return input < args.inputs.size() ? args.inputs[input] : TensorView();
}

double QNumber(const TensorView& operand, int64_t index, double absent) {
  if (!operand.Present() || operand.Elements() == 0) return absent;
  return ReadReal(operand, operand.Elements() == 1 ? 0 : index);
}

EpilogueScalars EpilogueScalars::Read(const QEpilogue& epilogue, const KernelArgs& args) {
  EpilogueScalars scalars;
  const double scale_y = QNumber(QOperand(args, kQScaleY), 0, 1);
  const bool quantized = epilogue.y != DType::kF32;
  const bool commutes = CommutesWithScale(epilogue.activation.kind);
  scalars.scale_x = QNumber(QOperand(args, kQScaleX), 0, 1);
  scalars.inverse_s = quantized && commutes ? 1 / scale_y : 1;
  scalars.residual_scale =
      static_cast<float>(QNumber(QOperand(args, kQScaleZ), 0, 1) * scalars.inverse_s);
  scalars.residual_zero = static_cast<int32_t>(QNumber(QOperand(args, kQZeroZ), 0, 0));
  scalars.rescales = quantized && !commutes;
  scalars.rescale = static_cast<float>(1 / scale_y);
  scalars.low = std::numeric_limits<float>::lowest();
  scalars.high = std::numeric_limits<float>::max();
  if (quantized) {
    scalars.zero_y = static_cast<int32_t>(QNumber(QOperand(args, kQZeroY), 0, 0));
    scalars.low = static_cast<float>((epilogue.y == DType::kU8 ? 0 : -128) - scalars.zero_y);
    scalars.high = static_cast<float>((epilogue.y == DType::kU8 ? 255 : 127) - scalars.zero_y);
  }
  const ActivationSpec& activation = epilogue.activation;
  if (activation.kind == Activation::kRelu) {
    scalars.low = std::max(scalars.low, 0.0f);
  } else if (activation.kind == Activation::kClip) {
    scalars.low = std::max(scalars.low, scalars.Offset(activation.alpha));
    scalars.high = std::min(scalars.high, scalars.Offset(activation.beta));
  } else {
    scalars.activation = activation;
  }
  // A range of the activation that lies beside the output's saturates at one end of it.
  if (scalars.low > scalars.high) scalars.low = scalars.high;
  return scalars;
}

size_t EpilogueChannels::Bytes(int64_t channels) {
  return 3 * RoundUp(static_cast<size_t>(channels) * sizeof(float) + kTensorAlignment,
                     kTensorAlignment);
}

EpilogueChannels EpilogueChannels::Fill(const QEpilogue& epilogue, const EpilogueScalars& scalars,
                                        const KernelArgs& args, int64_t channels,
                                        std::byte* memory) {
  const size_t bytes = Bytes(channels) / 3;
  EpilogueChannels numbers{reinterpret_cast<float*>(memory),
                           reinterpret_cast<float*>(memory + bytes),
                           reinterpret_cast<int32_t*>(memory + 2 * bytes)};
  if (epilogue.y == DType::kI32) return numbers;
  const TensorView scales = QOperand(args, kQScaleW), bias = QOperand(args, kQBias);
  const bool per_channel = scales.Present() && scales.Elements() == channels;
  const double scale = QNumber(scales, 0, 1);
  for (int64_t c = 0; c < channels; ++c) {
    numbers.multipliers[c] = scalars.Multiplier(per_channel ? scales.As<float>()[c] : scale);
    numbers.offsets[c] = epilogue.bias == DType::kF32 ? scalars.Offset(bias.As<float>()[c]) : 0.0f;
    numbers.biases[c] = epilogue.bias == DType::kI32 ? bias.As<int32_t>()[c] : 0;
  }
  return numbers;
}

}  // namespace ergo
