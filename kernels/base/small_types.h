// Element types of 8 bits and less that have no C++ type of their own: the four 8-bit floats, the
// 8-bit scale of powers of two, float4 and the packed integers of 2 and 4 bits. Exact both ways.
//
// Sources: the ONNX standard's float8 and Cast pages; OCP Microscaling Formats (MX) 1.0, section 5.
// Thread safety: pure, but elements that share a byte must not be written concurrently.
#ifndef ERGO_KERNELS_BASE_SMALL_TYPES_H_
#define ERGO_KERNELS_BASE_SMALL_TYPES_H_

#include <cstdint>

#include "kernels/base/dtype.h"

namespace ergo {

bool IsSmallType(DType dtype);

// Elements that share a byte: 1, 2 or 4.
inline int ElementsPerByte(DType dtype) {
  const int bits = DTypeBits(dtype);
  return bits > 0 && bits < 8 ? 8 / bits : 1;
}

// How a value that has no exact code becomes one.
struct SmallRounding {
  // Floats: what is too large becomes the largest number, else infinity or NaN as the type has.
  bool saturate = true;
  // float8e8m0 only.
  enum class Mode : uint8_t { kUp, kDown, kNearest } mode = Mode::kUp;
};

// Makes the unused bits of the last byte 0; before the elements are written.
void ClearPadding(void* data, DType dtype, int64_t elements);

// The number that an element stands for; an integer exactly, a float exactly (NaN and infinity
// too).
double ReadSmall(const void* data, DType dtype, int64_t index);

// Floats: rounded to nearest even. Integers: truncated, then the low bits are kept, as Cast does
// for integers; NaN is 0.
void WriteSmall(void* data, DType dtype, int64_t index, double value,
                const SmallRounding& rounding);

// The same for integers, but rounded to nearest even and saturated, as QuantizeLinear does.
void WriteSmallSaturated(void* data, DType dtype, int64_t index, double value);

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_SMALL_TYPES_H_
