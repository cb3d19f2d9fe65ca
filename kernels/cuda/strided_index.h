// From the number of an element of a dense row-major tensor to where it lies in operands with
// strides of their own, on host and device. 32 bits, and divisions by multiplication.
//
// Thread safety: plain values.
#ifndef ERGO_KERNELS_CUDA_STRIDED_INDEX_H_
#define ERGO_KERNELS_CUDA_STRIDED_INDEX_H_

#include <cstdint>

#include "kernels/cuda/simt.h"

namespace ergo::cuda {

// n / divisor for n < 2^31, divisor in [1, 2^31) (Granlund and Montgomery, Division by Invariant
// Integers using Multiplication, PLDI 1994, section 4).
struct FastDivide {
  uint32_t divisor = 1, multiplier = 1, shift = 0;

  static FastDivide By(uint32_t divisor) {
    FastDivide by;
    by.divisor = divisor;
    while ((uint64_t{1} << by.shift) < divisor) ++by.shift;
    const uint64_t excess = (uint64_t{1} << by.shift) - divisor;
    by.multiplier = static_cast<uint32_t>((excess << 32) / divisor + 1);
    return by;
  }
  ERGO_HOST_DEVICE uint32_t Quotient(uint32_t n) const {
#if defined(__CUDA_ARCH__)
    const uint32_t high = __umulhi(n, multiplier);
#else
    const auto high = static_cast<uint32_t>(uint64_t{n} * multiplier >> 32);
#endif
    return (high + n) >> shift;
  }
};

inline constexpr int kMaxIndexRank = 8;

// The axes of the dense tensor, innermost first.
struct IndexAxes {
  int32_t rank = 0;
  FastDivide dims[kMaxIndexRank];
};

// Of one operand: elements between neighbours along each of those axes.
struct IndexStrides {
  int32_t strides[kMaxIndexRank] = {};
};

ERGO_HOST_DEVICE int32_t OffsetOf(const IndexAxes& axes, const IndexStrides& operand,
                                  uint32_t index) {
  int32_t offset = 0;
  for (int32_t axis = 0; axis < axes.rank; ++axis) {
    const FastDivide& dim = axes.dims[axis];
    const uint32_t quotient = dim.Quotient(index);
    offset += static_cast<int32_t>(index - quotient * dim.divisor) * operand.strides[axis];
    index = quotient;
  }
  return offset;
}

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_CUDA_STRIDED_INDEX_H_
