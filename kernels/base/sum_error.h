// How exact the float sums of sum-inl.h are; for the error bounds of contracts and for their tests.
#ifndef ERGO_KERNELS_BASE_SUM_ERROR_H_
#define ERGO_KERNELS_BASE_SUM_ERROR_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace ergo {

// Elements whose sum is accumulated in float before it is added to a double.
inline constexpr size_t kSumBlock = 4096;

// A sum of n terms is off by at most this many 2^-24 of the sum of their absolute values: no
// accumulator takes more than a quarter block.
constexpr double SumTerms(int64_t n) {
  return static_cast<double>(std::min<int64_t>(n, static_cast<int64_t>(kSumBlock) / 4)) + 6;
}

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_SUM_ERROR_H_
