// Overflow-checked integer arithmetic for sizes that come, however indirectly, from outside.
#ifndef ERGO_KERNELS_BASE_CHECKED_MATH_H_
#define ERGO_KERNELS_BASE_CHECKED_MATH_H_

#include <concepts>
#include <initializer_list>
#include <limits>
#include <optional>

namespace ergo {

// nullopt when the mathematical result does not fit T.
template <std::integral T>
[[nodiscard]] constexpr std::optional<T> CheckedAdd(T a, T b) {
  T out{};
  if (__builtin_add_overflow(a, b, &out)) return std::nullopt;
  return out;
}

template <std::integral T>
[[nodiscard]] constexpr std::optional<T> CheckedMul(T a, T b) {
  T out{};
  if (__builtin_mul_overflow(a, b, &out)) return std::nullopt;
  return out;
}

// The product of factors >= 0, or the largest T where that does not fit. For figures that are
// shown, not for sizes.
template <std::integral T>
[[nodiscard]] constexpr T SaturatingProduct(std::initializer_list<T> factors) {
  T product = 1;
  bool fits = true;
  for (const T factor : factors) {
    if (factor == 0) return 0;
    fits = fits && !__builtin_mul_overflow(product, factor, &product);
  }
  return fits ? product : std::numeric_limits<T>::max();
}

// Smallest multiple of `multiple` (> 0) that is >= value (>= 0); the caller knows it fits.
template <std::integral T>
[[nodiscard]] constexpr T RoundUp(T value, T multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

template <std::integral T>
[[nodiscard]] constexpr T CeilDiv(T value, T divisor) {
  return (value + divisor - 1) / divisor;
}

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_CHECKED_MATH_H_
