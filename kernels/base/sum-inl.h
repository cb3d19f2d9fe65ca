// Sums and maxima of contiguous floats, once for every target. Per-target header: include it below
// <hwy/highway.h>, inside the files that foreach_target.h compiles again and again.
//
// Arithmetic: blocks of kSumBlock elements are summed in float by four vector accumulators, the
// blocks' sums are added in double. So a sum of n terms is off by at most SumTerms(n) 2^-24 times
// the sum of their absolute values, whatever the target.
#if defined(ERGO_KERNELS_BASE_SUM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_BASE_SUM_INL_H_
#undef ERGO_KERNELS_BASE_SUM_INL_H_
#else
#define ERGO_KERNELS_BASE_SUM_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <limits>

#include "kernels/base/simd-inl.h"
#include "kernels/base/sum_error.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Sum of map(x) over count <= kSumBlock elements. `map` takes a vector and the index of its first
// element; what it makes of the lanes behind the last element does not count.
template <class D, class Map>
HWY_INLINE float SumBlock(D d, const float* x, size_t first, size_t count, const Map& map) {
  using V = hn::Vec<D>;
  const size_t lanes = hn::Lanes(d);
  V sum0 = hn::Zero(d), sum1 = hn::Zero(d), sum2 = hn::Zero(d), sum3 = hn::Zero(d);
  size_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    sum0 = hn::Add(sum0, map(hn::LoadU(d, x + i), first + i));
    sum1 = hn::Add(sum1, map(hn::LoadU(d, x + i + lanes), first + i + lanes));
    sum2 = hn::Add(sum2, map(hn::LoadU(d, x + i + 2 * lanes), first + i + 2 * lanes));
    sum3 = hn::Add(sum3, map(hn::LoadU(d, x + i + 3 * lanes), first + i + 3 * lanes));
  }
  for (; i + lanes <= count; i += lanes) sum0 = hn::Add(sum0, map(hn::LoadU(d, x + i), first + i));
  if (i < count) {
    const V mapped = map(LoadTail(d, x + i, count - i), first + i);
    sum1 = hn::Add(sum1, hn::IfThenElseZero(hn::FirstN(d, count - i), mapped));
  }
  const V sum = hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3));
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

// Sum of map(vector, index of its first element) over all elements.
template <class D, class Map>
HWY_INLINE double SumMapped(D d, const float* x, size_t count, const Map& map) {
  double sum = 0;
  for (size_t i = 0; i < count; i += kSumBlock) {
    sum += static_cast<double>(SumBlock(d, x + i, i, std::min(kSumBlock, count - i), map));
  }
  return sum;
}

// The larger of two vectors' lanes; NaN where either is.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V LargerOrNaN(D d, V a, V b) {
  (void)d;
  return hn::IfThenElse(hn::Or(hn::Lt(a, b), hn::IsNaN(b)), b, a);
}

// Largest map(vector) of all elements, -infinity of none. NaN if there is one.
template <class D, class Map, class V = hn::Vec<D>>
HWY_INLINE float LargestMapped(D d, const float* x, size_t count, const Map& map) {
  const size_t lanes = hn::Lanes(d);
  const V lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  V largest0 = lowest, largest1 = lowest;
  size_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    largest0 = LargerOrNaN(d, largest0, map(hn::LoadU(d, x + i)));
    largest1 = LargerOrNaN(d, largest1, map(hn::LoadU(d, x + i + lanes)));
  }
  for (; i + lanes <= count; i += lanes) {
    largest0 = LargerOrNaN(d, largest0, map(hn::LoadU(d, x + i)));
  }
  if (i < count) {
    const V tail = map(LoadTail(d, x + i, count - i));
    largest1 = LargerOrNaN(d, largest1, hn::IfThenElse(hn::FirstN(d, count - i), tail, lowest));
  }
  const V largest = LargerOrNaN(d, largest0, largest1);
  if (!hn::AllFalse(d, hn::IsNaN(largest))) return std::numeric_limits<float>::quiet_NaN();
  return hn::GetLane(hn::MaxOfLanes(d, largest));
}

template <class D>
HWY_INLINE float LargestOf(D d, const float* x, size_t count) {
  return LargestMapped(d, x, count, [](auto v) { return v; });
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_BASE_SUM_INL_H_
