// Device code of elementwise programs and casts.
#ifndef ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_DEVICE_H_
#define ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_DEVICE_H_

#include <cmath>

#include "kernels/cuda/element.h"
#include "kernels/cuda/kernel_entry.h"
#include "kernels/elementwise/elementwise_cuda.h"

namespace ergo::cuda {

ERGO_DEVICE float LogisticOf(float x) {
  return 1 / (1 + std::exp(-x));
}
ERGO_DEVICE float LogOnePlusExpOf(float x) {
  return (x > 0 ? x : 0) + std::log1p(std::exp(-std::fabs(x)));
}
ERGO_DEVICE float ClipBetween(float x, float low, float high) {
  const float raised = x < low ? low : x;
  return raised > high ? high : raised;
}

// Those that float arithmetic would miss by more than the contract's half unit: rare enough to be
// computed in double.
ERGO_DEVICE float ApplyInDouble(ElementwiseOpcode op, float x) {
  using Op = ElementwiseOpcode;
  const double wide = x;
  double y = wide;
  switch (op) {
    case Op::kUnarySin: y = std::sin(wide); break;
    case Op::kUnaryCos: y = std::cos(wide); break;
    case Op::kUnaryTan: y = std::tan(wide); break;
    case Op::kUnaryAsin: y = std::asin(wide); break;
    case Op::kUnaryAcos: y = std::acos(wide); break;
    case Op::kUnaryAtan: y = std::atan(wide); break;
    case Op::kUnarySinh: y = std::sinh(wide); break;
    case Op::kUnaryCosh: y = std::cosh(wide); break;
    case Op::kUnaryAsinh: y = std::asinh(wide); break;
    case Op::kUnaryAcosh: y = std::acosh(wide); break;
    case Op::kUnaryAtanh: y = std::atanh(wide); break;
    default: break;
  }
  return static_cast<float>(y);
}

ERGO_DEVICE float ApplyActivationLike(ElementwiseOpcode op, float x, float alpha, float beta) {
  using Op = ElementwiseOpcode;
  switch (op) {
    case Op::kUnaryElu: return x < 0 ? alpha * std::expm1(x) : x;
    case Op::kUnarySelu: return x > 0 ? beta * x : beta * (alpha * std::expm1(x));
    case Op::kUnaryCelu: return x < 0 ? alpha * std::expm1(x / alpha) : x;
    case Op::kUnarySigmoid: return LogisticOf(x);
    case Op::kUnaryHardSigmoid: return ClipBetween(alpha * x + beta, 0, 1);
    case Op::kUnarySwish: return x * LogisticOf(alpha * x);
    case Op::kUnaryHardSwish: return x * ClipBetween(x / 6 + 0.5f, 0, 1);
    case Op::kUnaryMish: return x * std::tanh(LogOnePlusExpOf(x));
    case Op::kUnaryGelu: return 0.5f * x * std::erfc(-x * 0.70710678118654752f);
    case Op::kUnaryGeluTanh:
      return x * LogisticOf(1.5957691216057308f * (x + 0.044715f * x * x * x));
    case Op::kUnarySoftplus: return LogOnePlusExpOf(x);
    case Op::kUnarySoftsign: return x / (1 + std::fabs(x));
    default: return ApplyInDouble(op, x);
  }
}

ERGO_DEVICE float ApplyUnary(ElementwiseOpcode op, float x, float alpha, float beta) {
  using Op = ElementwiseOpcode;
  switch (op) {
    case Op::kUnaryAbs: return std::fabs(x);
    case Op::kUnaryNeg: return -x;
    case Op::kUnarySign: return x > 0 ? 1.0f : x < 0 ? -1.0f : x;
    case Op::kUnaryRelu: return x < 0 ? 0 : x;
    case Op::kUnaryLeakyRelu: return x < 0 ? alpha * x : x;
    case Op::kUnaryThresholdedRelu: return x <= alpha ? 0 : x;
    case Op::kUnaryClip: return ClipBetween(x, alpha, beta);
    case Op::kUnaryShrink: return x < -alpha ? x + beta : x > alpha ? x - beta : x != x ? x : 0;
    case Op::kUnaryTanh: return std::tanh(x);
    case Op::kUnaryErf: return std::erf(x);
    case Op::kUnaryExp: return std::exp(x);
    case Op::kUnaryLog: return std::log(x);
    case Op::kUnarySqrt: return std::sqrt(x);
    case Op::kUnaryReciprocal: return 1 / x;
    case Op::kUnaryFloor: return std::floor(x);
    case Op::kUnaryCeil: return std::ceil(x);
    case Op::kUnaryRound: return std::rint(x);
    case Op::kUnaryIsNaN: return x != x;
    case Op::kUnaryIsInf: return (x == Infinity() && beta != 0) || (x == -Infinity() && alpha != 0);
    case Op::kUnaryNot: return x == 0;
    default: return ApplyActivationLike(op, x, alpha, beta);
  }
}

ERGO_DEVICE float FloorModOf(float a, float b) {
  const float remainder = std::fmod(a, b);
  if (remainder == 0) return std::copysign(0.0f, b);
  return (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

ERGO_DEVICE float ApplyBinary(ElementwiseOpcode op, float a, float b) {
  using Op = ElementwiseOpcode;
  switch (op) {
    case Op::kBinaryAdd: return a + b;
    case Op::kBinarySub: return a - b;
    case Op::kBinaryMul: return a * b;
    case Op::kBinaryDiv: return a / b;
    case Op::kBinaryMax: return Larger(a, b);
    case Op::kBinaryMin: return Smaller(a, b);
    case Op::kBinaryMod: return FloorModOf(a, b);
    case Op::kBinaryFmod: return std::fmod(a, b);
    case Op::kBinaryPRelu: return a < 0 ? a * b : a;
    case Op::kBinaryEqual: return a == b;
    case Op::kBinaryGreater: return a > b;
    case Op::kBinaryGreaterOrEqual: return a >= b;
    case Op::kBinaryLess: return a < b;
    case Op::kBinaryLessOrEqual: return a <= b;
    case Op::kBinaryPow:
      return static_cast<float>(std::pow(static_cast<double>(a), static_cast<double>(b)));
    default: return a;
  }
}

ERGO_DEVICE int64_t ApplyUnary(ElementwiseOpcode op, int64_t x, float, float) {
  using Op = ElementwiseOpcode;
  switch (op) {
    case Op::kUnaryAbs: return x < 0 ? static_cast<int64_t>(0 - static_cast<uint64_t>(x)) : x;
    case Op::kUnaryNeg: return static_cast<int64_t>(0 - static_cast<uint64_t>(x));
    case Op::kUnarySign: return x > 0 ? 1 : x < 0 ? -1 : 0;
    case Op::kUnaryRelu: return x < 0 ? 0 : x;
    case Op::kUnaryBitwiseNot: return ~x;
    case Op::kUnaryNot: return x == 0;
    default: return x;
  }
}

ERGO_DEVICE int64_t WrapTimes(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}
ERGO_DEVICE int64_t WrapPlus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
ERGO_DEVICE int64_t TruncatedMod(int64_t a, int64_t b) {
  return b == 0 || b == -1 ? 0 : a % b;
}
ERGO_DEVICE int64_t FloorModOf(int64_t a, int64_t b) {
  const int64_t remainder = TruncatedMod(a, b);
  return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
}
ERGO_DEVICE int64_t QuotientOf(int64_t a, int64_t b) {
  if (b == 0) return 0;
  return b == -1 ? static_cast<int64_t>(0 - static_cast<uint64_t>(a)) : a / b;
}

ERGO_DEVICE int64_t ApplyBinary(ElementwiseOpcode op, int64_t a, int64_t b) {
  using Op = ElementwiseOpcode;
  const bool shifts_out = b < 0 || b >= 64;
  switch (op) {
    case Op::kBinaryAdd: return WrapPlus(a, b);
    case Op::kBinarySub: return WrapPlus(a, static_cast<int64_t>(0 - static_cast<uint64_t>(b)));
    case Op::kBinaryMul: return WrapTimes(a, b);
    case Op::kBinaryDiv: return QuotientOf(a, b);
    case Op::kBinaryMax: return a < b ? b : a;
    case Op::kBinaryMin: return b < a ? b : a;
    case Op::kBinaryMod: return FloorModOf(a, b);
    case Op::kBinaryFmod: return TruncatedMod(a, b);
    case Op::kBinaryPRelu: return a < 0 ? WrapTimes(a, b) : a;
    case Op::kBinaryEqual: return a == b;
    case Op::kBinaryGreater: return a > b;
    case Op::kBinaryGreaterOrEqual: return a >= b;
    case Op::kBinaryLess: return a < b;
    case Op::kBinaryLessOrEqual: return a <= b;
    case Op::kBinaryAnd: return a != 0 && b != 0;
    case Op::kBinaryOr: return a != 0 || b != 0;
    case Op::kBinaryXor: return (a != 0) != (b != 0);
    case Op::kBinaryBitwiseAnd: return a & b;
    case Op::kBinaryBitwiseOr: return a | b;
    case Op::kBinaryBitwiseXor: return a ^ b;
    case Op::kBinaryShiftLeft:
      return shifts_out ? 0 : static_cast<int64_t>(static_cast<uint64_t>(a) << b);
    case Op::kBinaryShiftRight: return shifts_out ? (a < 0 ? -1 : 0) : a >> b;
    default: return a;
  }
}

template <typename Compute>
ERGO_DEVICE Compute LoadInput(const ElementwiseParameter& p, uint32_t input, uint32_t index) {
  const ElementwiseInput& from = p.inputs[input];
  int32_t offset = static_cast<int32_t>(index);
  if (from.walk == ElementwiseWalk::kScalar) offset = 0;
  if (from.walk == ElementwiseWalk::kStrided) offset = OffsetOf(p.axes, from.strides, index);
  return LoadElement<Compute>(from.data, from.dtype, offset);
}

template <typename Compute>
ERGO_DEVICE Compute Step(const ElementwiseParameter& p, const ElementwiseInstruction& code,
                         Compute value, uint32_t index) {
  using Op = ElementwiseOpcode;
  if (code.op == Op::kLoad) return LoadInput<Compute>(p, code.operand, index);
  if (code.op < Op::kBinaryAdd && code.op != Op::kWhere) {
    return ApplyUnary(code.op, value, code.alpha, code.beta);
  }
  const Compute operand = LoadInput<Compute>(p, code.operand, index);
  if (code.op == Op::kWhere) {
    const bool holds = LoadInput<int64_t>(p, code.condition, index) != 0;
    return holds != code.swapped ? value : operand;
  }
  return code.swapped ? ApplyBinary(code.op, operand, value) : ApplyBinary(code.op, value, operand);
}

// Elements that a thread computes side by side lie a block's width apart, so that a warp's loads
// stay neighbours.
template <typename Compute>
ERGO_DEVICE void RunElementwise(const ElementwiseParameter& p, std::byte*) {
  const uint32_t first = BlockX() * (kElementwiseThreads * kElementwisePerThread) + Thread();
  Compute values[kElementwisePerThread] = {};
  for (int32_t i = 0; i < p.instructions; ++i) {
    const ElementwiseInstruction& code = p.code[i];
    ERGO_UNROLL
    for (uint32_t k = 0; k < kElementwisePerThread; ++k) {
      const uint32_t index = first + k * kElementwiseThreads;
      if (index < p.elements) values[k] = Step(p, code, values[k], index);
    }
  }
  ERGO_UNROLL
  for (uint32_t k = 0; k < kElementwisePerThread; ++k) {
    const uint32_t index = first + k * kElementwiseThreads;
    if (index < p.elements) StoreElement(p.output, p.output_dtype, index, values[k]);
  }
}

// Truncates toward zero; what does not fit becomes the nearest number that does, NaN becomes 0.
ERGO_DEVICE int64_t Truncated(float value, DType to) {
  int64_t low = INT64_MIN, high = INT64_MAX;
  switch (to) {
    case DType::kI8: low = INT8_MIN, high = INT8_MAX; break;
    case DType::kU8: low = 0, high = UINT8_MAX; break;
    case DType::kI16: low = INT16_MIN, high = INT16_MAX; break;
    case DType::kU16: low = 0, high = UINT16_MAX; break;
    case DType::kI32: low = INT32_MIN, high = INT32_MAX; break;
    case DType::kU32: low = 0, high = UINT32_MAX; break;
    default: break;
  }
  if (value != value) return 0;
  if (value >= static_cast<float>(high)) return high;
  if (value <= static_cast<float>(low)) return low;
  return static_cast<int64_t>(value);
}

ERGO_DEVICE void RunCast(const CastParameter& p, std::byte*) {
  const uint32_t index = BlockX() * kElementwiseThreads + Thread();
  if (index >= p.elements) return;
  const auto at = static_cast<int32_t>(index);
  if (IsDeviceFloat(p.from_dtype)) {
    const float value = LoadElement<float>(p.from, p.from_dtype, at);
    if (IsDeviceFloat(p.to_dtype) || p.to_dtype == DType::kBool) {
      StoreElement(p.to, p.to_dtype, index, value);
    } else {
      StoreElement(p.to, p.to_dtype, index, Truncated(value, p.to_dtype));
    }
    return;
  }
  const int64_t value = LoadElement<int64_t>(p.from, p.from_dtype, at);
  if (IsDeviceFloat(p.to_dtype)) {
    StoreElement(p.to, p.to_dtype, index, static_cast<float>(value));
  } else {
    StoreElement(p.to, p.to_dtype, index, value);
  }
}

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_DEVICE_H_
