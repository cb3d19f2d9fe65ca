// IEEE 754 binary16 and bfloat16 as storage types, with exact widening and round-to-nearest-even
// narrowing in plain integer code (the oracle for the SIMD conversions).
#ifndef ERGO_KERNELS_BASE_FLOAT16_H_
#define ERGO_KERNELS_BASE_FLOAT16_H_

#include <bit>
#include <cstdint>

namespace ergo {

struct Float16 {
  uint16_t bits = 0;

  Float16() = default;
  explicit Float16(float value) : bits(FromFloat(value)) {}
  explicit operator float() const { return ToFloat(bits); }

  // Overflow gives infinity, NaN stays NaN (quiet, top payload bits kept).
  static uint16_t FromFloat(float value) {
    const uint32_t x = std::bit_cast<uint32_t>(value);
    const uint16_t sign = static_cast<uint16_t>((x >> 16) & 0x8000);
    const uint32_t magnitude = x & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      return static_cast<uint16_t>(sign | 0x7e00 | ((magnitude >> 13) & 0x3ff));
    }
    if (magnitude >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);  // rounds to inf
    if (magnitude < 0x38800000) {  // below 2^-14: subnormal or zero
      // Adding 0.5 puts the result's unit in the last place of a float, which rounds correctly.
      const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
      return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000));
    }
    const uint32_t odd = (magnitude >> 13) & 1;
    return static_cast<uint16_t>(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
  }

  static float ToFloat(uint16_t h) {
    const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16;
    const uint32_t rest = static_cast<uint32_t>(h & 0x7fff) << 13;
    if (rest >= 0x0f800000) return std::bit_cast<float>(sign | (rest + 0x70000000));  // inf, NaN
    // Scaling by 2^112 rebiases the exponent and normalizes subnormals in one exact step.
    const float scaled = std::bit_cast<float>(rest) * std::bit_cast<float>(uint32_t{0x77800000});
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(scaled));
  }
};

struct BFloat16 {
  uint16_t bits = 0;

  BFloat16() = default;
  explicit BFloat16(float value) : bits(FromFloat(value)) {}
  explicit operator float() const { return ToFloat(bits); }

  static uint16_t FromFloat(float value) {
    const uint32_t x = std::bit_cast<uint32_t>(value);
    if ((x & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>((x >> 16) | 0x40);
    return static_cast<uint16_t>((x + 0x7fff + ((x >> 16) & 1)) >> 16);
  }
  static float ToFloat(uint16_t b) { return std::bit_cast<float>(static_cast<uint32_t>(b) << 16); }
};

static_assert(sizeof(Float16) == 2 && sizeof(BFloat16) == 2);

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_FLOAT16_H_
