// Scalar arithmetic of the reference kernels: the standard's corner cases in one place, defined for
// all operands (integers wrap around; x / 0 is 0), so that no input can be undefined behaviour.
#ifndef ERGO_KERNELS_ELEMENTWISE_SCALAR_MATH_H_
#define ERGO_KERNELS_ELEMENTWISE_SCALAR_MATH_H_

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/base/float16.h"

namespace ergo::scalar {

// Floats are computed in double and rounded once to their type; integers and bool in their own.
template <typename T>
constexpr bool kIsFloat =
    std::is_floating_point_v<T> || std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;
template <typename T>
using ComputeType = std::conditional_t<kIsFloat<T>, double, T>;

// Rounds to float such that rounding the result once more, to at most 22 bits, rounds `value`
// correctly ("round to odd": Boldo and Melquiond, Emulation of FMA and Correctly Rounded Sums,
// 2008).
inline float RoundToOdd(double value) {
  const float nearest = static_cast<float>(value);
  if (!std::isfinite(value) || static_cast<double>(nearest) == value) return nearest;
  const uint32_t bits = std::bit_cast<uint32_t>(nearest);
  if ((bits & 1) != 0) return nearest;
  const bool away = std::fabs(static_cast<double>(nearest)) > std::fabs(value);
  return std::bit_cast<float>(away ? bits - 1 : bits + 1);
}

template <typename T>
ComputeType<T> Widen(T value) {
  if constexpr (kIsFloat<T> && !std::is_same_v<T, double>) {
    return static_cast<double>(static_cast<float>(value));
  } else {
    return value;
  }
}

template <typename T>
T Narrow(ComputeType<T> value) {
  if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>) {
    return T(RoundToOdd(value));
  } else {
    return static_cast<T>(value);
  }
}

// Unsigned arithmetic wraps; types narrower than int would otherwise be computed in int.
template <typename T>
using Wrapping = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <typename T>
T WrapAdd(T a, T b) {
  if constexpr (kIsFloat<T>) {
    return a + b;
  } else {
    return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
  }
}

template <typename T>
T WrapSub(T a, T b) {
  if constexpr (kIsFloat<T>) {
    return a - b;
  } else {
    return static_cast<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b));
  }
}

template <typename T>
T WrapMul(T a, T b) {
  if constexpr (kIsFloat<T>) {
    return a * b;
  } else {
    return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
  }
}

template <typename T>
T Negate(T x) {
  if constexpr (kIsFloat<T>) {
    return -x;
  } else {
    return WrapSub(T(0), x);
  }
}

template <typename T>
T Absolute(T x) {
  if constexpr (kIsFloat<T>) {
    return std::fabs(x);
  } else {
    return x < T(0) ? Negate(x) : x;
  }
}

template <typename T>
T SignOf(T x) {
  return x > T(0) ? T(1) : x < T(0) ? Negate(T(1)) : x;  // +-0 and NaN stay
}

// Truncates for integers. The most negative number by -1 wraps to itself.
template <typename T>
T Quotient(T a, T b) {
  if constexpr (kIsFloat<T>) {
    return a / b;
  } else {
    if (b == T(0)) return T(0);
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return Negate(a);
    return static_cast<T>(a / b);
  }
}

// The sign of the dividend, as C's % and fmod.
template <typename T>
T TruncMod(T a, T b) {
  if constexpr (kIsFloat<T>) {
    return std::fmod(a, b);
  } else {
    if (b == T(0) || (std::is_signed_v<T> && b == static_cast<T>(-1))) return T(0);
    return static_cast<T>(a % b);
  }
}

// The sign of the divisor, that of zeros included, as Python's %.
template <typename T>
T FloorMod(T a, T b) {
  const T remainder = TruncMod(a, b);
  if constexpr (kIsFloat<T>) {
    if (remainder == 0) return std::copysign(T(0), b);
  }
  if (remainder != T(0) && (remainder < T(0)) != (b < T(0))) return WrapAdd(remainder, b);
  return remainder;
}

// NaN wins over numbers, as in NumPy.
template <typename T>
T Larger(T a, T b) {
  return a < b || b != b ? b : a;
}
template <typename T>
T Smaller(T a, T b) {
  return b < a || b != b ? b : a;
}

// min(max(x, low), high): `high` where the bounds cross. NaN stays.
inline double ClipTo(double x, double low, double high) {
  const double raised = x < low ? low : x;
  return raised > high ? high : raised;
}

// Shifting by less than 0 or by all bits or more leaves the sign: -1 for negative numbers shifted
// right, else 0.
template <typename T>
bool ShiftsOut(T by) {
  return by < T(0) || by >= T(8 * sizeof(T));
}
template <typename T>
T LeftShift(T a, T b) {
  return ShiftsOut(b) ? T(0) : static_cast<T>(static_cast<Wrapping<T>>(a) << b);
}
template <typename T>
T RightShift(T a, T b) {
  if (ShiftsOut(b)) return a < T(0) ? static_cast<T>(-1) : T(0);
  return static_cast<T>(a >> b);
}

// Both without overflow for any x.
inline double Logistic(double x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}
inline double LogOnePlusExp(double x) {
  return (x > 0 ? x : 0) + std::log1p(std::exp(-std::fabs(x)));
}

// base^exponent by squaring, wrapping around; 0 for the fractions that negative exponents give.
template <typename T>
T IntegerPower(T base, int64_t exponent) {
  if (exponent < 0) {
    if (base == T(1)) return T(1);
    if (std::is_signed_v<T> && base == static_cast<T>(-1)) {
      return exponent % 2 == 0 ? T(1) : static_cast<T>(-1);
    }
    return T(0);
  }
  T power(1);
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) power = WrapMul(power, base);
    base = WrapMul(base, base);
  }
  return power;
}

// Truncates toward zero; what does not fit becomes the nearest number that does, NaN becomes 0.
template <typename Int>
Int SaturatingTruncate(double value) {
  if (value != value) return Int(0);
  // 2^digits: exact in double, unlike max() itself for 64-bit types.
  const double limit = std::ldexp(1.0, std::numeric_limits<Int>::digits);
  if (value >= limit) return std::numeric_limits<Int>::max();
  if (value <= (std::is_signed_v<Int> ? -limit : 0.0)) return std::numeric_limits<Int>::min();
  return static_cast<Int>(value);
}

}  // namespace ergo::scalar

#endif  // ERGO_KERNELS_ELEMENTWISE_SCALAR_MATH_H_
