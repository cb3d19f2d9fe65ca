// What Highway 1.0.3 lacks, once for every target. Per-target header: include it below
// <hwy/highway.h>, inside the files that foreach_target.h compiles again and again.
#if defined(ERGO_KERNELS_BASE_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_BASE_SIMD_INL_H_
#undef ERGO_KERNELS_BASE_SIMD_INL_H_
#else
#define ERGO_KERNELS_BASE_SIMD_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The first `count` lanes from `from`, zero in the others; reads nothing beyond them.
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> LoadTail(D d, const T* HWY_RESTRICT from, size_t count) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  if constexpr (sizeof(T) >= 4) {
    return hn::MaskedLoad(hn::FirstN(d, count), d, from);
  }
#endif
  // MaskedLoad is an ordinary load and a blend elsewhere, which may touch a page that is not there.
  HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)] = {};
  for (size_t i = 0; i < count; ++i) lanes[i] = from[i];
  return hn::Load(d, lanes);
}

// Writes the first `count` lanes and nothing else.
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE void StoreTail(hn::Vec<D> v, D d, T* HWY_RESTRICT to, size_t count) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  if constexpr (sizeof(T) >= 4) {
    hn::BlendedStore(v, hn::FirstN(d, count), d, to);
    return;
  }
#endif
  HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)] = {};
  hn::Store(v, d, lanes);
#if HWY_TARGET == HWY_AVX2
  // Masked stores take a dozen cycles on AMD's AVX2 machines; two that overlap take two.
  if constexpr (sizeof(T) == 4) {
    const auto copy = [&]<size_t kLanes>() {
      __builtin_memcpy(to, lanes, kLanes * sizeof(T));
      __builtin_memcpy(to + count - kLanes, lanes + count - kLanes, kLanes * sizeof(T));
    };
    if (count >= 4) return copy.template operator()<4>();
    if (count >= 2) return copy.template operator()<2>();
  }
#endif
  for (size_t i = 0; i < count; ++i) to[i] = lanes[i];
}

// min(max(v, low), high) in two operations. NaN stays NaN: of two operands x86 returns the second
// where one is NaN, and other machines return NaN.
template <class V>
HWY_INLINE V ClampVector(V v, V low, V high) {
  return hn::Min(high, hn::Max(low, v));
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_BASE_SIMD_INL_H_
