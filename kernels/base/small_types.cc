#include "kernels/base/small_types.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/base/status.h"

namespace ergo {
namespace {

// A float of sign, exponent and mantissa. Codes without the sign bit ascend with their numbers up
// to `largest`, which is what encoding by search relies on.
struct FloatFormat {
  DType dtype;
  int bits, mantissa_bits, bias;
  uint8_t largest;   // code of the largest finite number
  int infinity;      // code, -1: none
  int nan;           // code without sign, -1: none
  bool signed_zero;  // else the code of -0 is NaN
};

constexpr std::array kFormats = {
    FloatFormat{DType::kF8E4M3FN, 8, 3, 7, 0x7e, -1, 0x7f, true},
    FloatFormat{DType::kF8E4M3FNUZ, 8, 3, 8, 0x7f, -1, 0x80, false},
    FloatFormat{DType::kF8E5M2, 8, 2, 15, 0x7b, 0x7c, 0x7e, true},
    FloatFormat{DType::kF8E5M2FNUZ, 8, 2, 16, 0x7f, -1, 0x80, false},
    FloatFormat{DType::kF4E2M1, 4, 1, 1, 0x7, -1, -1, true},
};

const FloatFormat* FindFormat(DType dtype) {
  const auto* found = std::ranges::find(kFormats, dtype, &FloatFormat::dtype);
  return found == kFormats.end() ? nullptr : found;
}

// The number of a code without its sign, at most largest + 1: one step beyond the largest is where
// rounding begins to overflow.
double Magnitude(const FloatFormat& format, int code) {
  const int exponent = code >> format.mantissa_bits;
  const int mantissa = code & ((1 << format.mantissa_bits) - 1);
  const int unit = 1 << format.mantissa_bits;
  return exponent == 0 ? std::ldexp(mantissa, 1 - format.bias - format.mantissa_bits)
                       : std::ldexp(unit + mantissa, exponent - format.bias - format.mantissa_bits);
}

double Decode(const FloatFormat& format, uint8_t code) {
  const int sign_bit = 1 << (format.bits - 1);
  const int magnitude = code & (sign_bit - 1);
  if (!format.signed_zero && code == format.nan) return std::numeric_limits<double>::quiet_NaN();
  const double sign = (code & sign_bit) != 0 ? -1 : 1;
  if (magnitude == format.infinity) return sign * std::numeric_limits<double>::infinity();
  if (magnitude > format.largest) return std::numeric_limits<double>::quiet_NaN();
  return std::copysign(Magnitude(format, magnitude), sign);
}

// The code nearest to a >= 0, ties to the even code; largest + 1 for overflow.
int NearestCode(const FloatFormat& format, double a) {
  int low = 0, high = format.largest + 1;
  while (low < high) {  // the first code whose number is at least a
    const int middle = (low + high) / 2;
    if (Magnitude(format, middle) < a) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return 0;
  const double below = a - Magnitude(format, low - 1), above = Magnitude(format, low) - a;
  if (above < 0 || above < below) return low;
  if (below < above) return low - 1;
  return low % 2 == 0 ? low : low - 1;
}

uint8_t Encode(const FloatFormat& format, double x, bool saturate) {
  const int sign = std::signbit(x) ? 1 << (format.bits - 1) : 0;
  int code = 0;
  if (std::isnan(x)) {
    // float4 has no NaN; the standard's own conversions give -0 there.
    if (format.nan < 0) return static_cast<uint8_t>(1 << (format.bits - 1));
    code = format.nan;
  } else {
    code = std::isinf(x) ? format.largest + 1 : NearestCode(format, std::fabs(x));
    if (code > format.largest) {
      code = saturate || format.nan < 0 ? format.largest
             : format.infinity >= 0     ? format.infinity
                                        : format.nan;
    }
  }
  if (!format.signed_zero && (code == 0 || code == format.nan)) return static_cast<uint8_t>(code);
  return static_cast<uint8_t>(code | sign);
}

constexpr int kE8M0Bias = 127;
constexpr int kE8M0Largest = 254;
constexpr int kE8M0NaN = 255;

uint8_t EncodePowerOfTwo(double x, const SmallRounding& rounding) {
  if (std::isnan(x)) return kE8M0NaN;
  const double a = std::fabs(x);
  if (a == 0) return rounding.saturate ? 0 : kE8M0NaN;
  if (std::isinf(a)) return rounding.saturate ? kE8M0Largest : kE8M0NaN;
  int exponent = 0;
  const double fraction = std::frexp(a, &exponent);  // in [0.5, 1)
  int code = exponent - 1 + kE8M0Bias;
  using Mode = SmallRounding::Mode;
  const bool up = (rounding.mode == Mode::kUp && fraction > 0.5) ||
                  (rounding.mode == Mode::kNearest && fraction >= 0.75);
  if (up) ++code;
  if (code < 0) return rounding.saturate ? 0 : kE8M0NaN;
  if (code > kE8M0Largest) return rounding.saturate ? kE8M0Largest : kE8M0NaN;
  return static_cast<uint8_t>(code);
}

uint8_t ReadCode(const void* data, int bits, int64_t index) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  if (bits == 8) return bytes[index];
  const int per_byte = 8 / bits;
  const int shift = static_cast<int>(index % per_byte) * bits;
  return static_cast<uint8_t>((bytes[index / per_byte] >> shift) & ((1 << bits) - 1));
}

void WriteCode(void* data, int bits, int64_t index, uint8_t code) {
  auto* bytes = static_cast<uint8_t*>(data);
  if (bits == 8) {
    bytes[index] = code;
    return;
  }
  const int per_byte = 8 / bits;
  const int shift = static_cast<int>(index % per_byte) * bits;
  const int mask = ((1 << bits) - 1) << shift;
  uint8_t& byte = bytes[index / per_byte];
  byte = static_cast<uint8_t>((byte & ~mask) | ((code << shift) & mask));
}

bool IsSigned(DType dtype) {
  return dtype == DType::kI4 || dtype == DType::kI2;
}

bool IsPackedInteger(DType dtype) {
  return DTypeBits(dtype) < 8 && IsInteger(dtype);
}

}  // namespace

void ClearPadding(void* data, DType dtype, int64_t elements) {
  const int per_byte = ElementsPerByte(dtype);
  if (elements % per_byte != 0) static_cast<uint8_t*>(data)[elements / per_byte] = 0;
}

bool IsSmallType(DType dtype) {
  return FindFormat(dtype) != nullptr || dtype == DType::kF8E8M0 || IsPackedInteger(dtype);
}

double ReadSmall(const void* data, DType dtype, int64_t index) {
  const int bits = DTypeBits(dtype);
  const uint8_t code = ReadCode(data, bits, index);
  if (const FloatFormat* format = FindFormat(dtype)) return Decode(*format, code);
  if (dtype == DType::kF8E8M0) {
    return code == kE8M0NaN ? std::numeric_limits<double>::quiet_NaN()
                            : std::ldexp(1.0, code - kE8M0Bias);
  }
  ERGO_CHECK_MSG(IsPackedInteger(dtype), "{} is no small type", DTypeName(dtype));
  const bool negative = IsSigned(dtype) && (code >> (bits - 1)) != 0;
  return negative ? code - (1 << bits) : code;
}

void WriteSmall(void* data, DType dtype, int64_t index, double value,
                const SmallRounding& rounding) {
  const int bits = DTypeBits(dtype);
  if (const FloatFormat* format = FindFormat(dtype)) {
    WriteCode(data, bits, index, Encode(*format, value, rounding.saturate));
  } else if (dtype == DType::kF8E8M0) {
    WriteCode(data, bits, index, EncodePowerOfTwo(value, rounding));
  } else {
    ERGO_CHECK_MSG(IsPackedInteger(dtype), "{} is no small type", DTypeName(dtype));
    constexpr double kLimit = 0x1p62;  // beyond it no bit below 2^4 is left of a double anyway
    const double whole = std::isnan(value) ? 0 : std::trunc(std::clamp(value, -kLimit, kLimit));
    WriteCode(data, bits, index, static_cast<uint8_t>(static_cast<int64_t>(whole)));
  }
}

void WriteSmallSaturated(void* data, DType dtype, int64_t index, double value) {
  if (!IsPackedInteger(dtype)) {
    WriteSmall(data, dtype, index, value, {});
    return;
  }
  const int bits = DTypeBits(dtype);
  const double low = IsSigned(dtype) ? -(1 << (bits - 1)) : 0;
  const double high = IsSigned(dtype) ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
  const double rounded = std::isnan(value) ? 0 : std::clamp(std::nearbyint(value), low, high);
  WriteCode(data, bits, index, static_cast<uint8_t>(static_cast<int>(rounded)));
}

}  // namespace ergo
