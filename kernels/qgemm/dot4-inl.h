// Sums of four products of bytes a lane of 32 bits: unsigned ones from memory, signed ones that are
// the same for all lanes. Exact; sums wrap around. Per-target header: include it below
// <hwy/highway.h>, inside the files that foreach_target.h compiles again and again.
//
// A Dot has
//   kWeightBytes                what four signed numbers take when packed
//   PackWeights(w, to)          packs four of them
//   Weights Broadcast(packed)   for all lanes
//   Bytes Take(v)               four unsigned bytes a lane
//   MulAdd(bytes, weights, s)   s += their products
#if defined(ERGO_KERNELS_QGEMM_DOT4_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_QGEMM_DOT4_INL_H_
#undef ERGO_KERNELS_QGEMM_DOT4_INL_H_
#else
#define ERGO_KERNELS_QGEMM_DOT4_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR

using DotTag = hn::ScalableTag<int32_t>;
using DotVec = hn::Vec<DotTag>;
inline constexpr size_t kDotLanes = hn::MaxLanes(DotTag());

HWY_INLINE DotVec BroadcastFour(const std::byte* from) {
  int32_t four;
  std::memcpy(&four, from, sizeof(four));
  return hn::Set(DotTag(), four);
}

// Even and odd bytes apart as 16 bits each, multiplied and added in pairs (pmaddwd): with numbers
// from -255 to 255 nothing overflows.
struct PlainDot {
  using H = hn::RepartitionToNarrow<DotTag>;
  struct Bytes {
    hn::Vec<H> even, odd;
  };
  struct Weights {
    hn::Vec<H> even, odd;
  };
  struct Sums {
    // Some targets keep the sums of odd and of even pairs apart until the end.
    DotVec sums, others;
  };
  static constexpr size_t kWeightBytes = 8;

  static void PackWeights(const int32_t (&w)[4], std::byte* to) {
    const int16_t pairs[4] = {static_cast<int16_t>(w[0]), static_cast<int16_t>(w[2]),
                              static_cast<int16_t>(w[1]), static_cast<int16_t>(w[3])};
    std::memcpy(to, pairs, sizeof(pairs));
  }
  static HWY_INLINE Sums Start(DotVec from) { return {from, hn::Zero(DotTag())}; }
  static HWY_INLINE DotVec Total(const Sums& sums) {
    return hn::RearrangeToOddPlusEven(sums.sums, sums.others);
  }
  static HWY_INLINE Weights Broadcast(const std::byte* packed) {
    return {hn::BitCast(H(), BroadcastFour(packed)), hn::BitCast(H(), BroadcastFour(packed + 4))};
  }
  static HWY_INLINE Bytes Take(DotVec bytes) {
    const hn::RebindToUnsigned<H> u;
    const auto wide = hn::BitCast(u, bytes);
    return {hn::BitCast(H(), hn::And(wide, hn::Set(u, 0xff))),
            hn::BitCast(H(), hn::ShiftRight<8>(wide))};
  }
  static HWY_INLINE void MulAdd(const Bytes& bytes, const Weights& weights, Sums& sums) {
    sums.sums =
        hn::ReorderWidenMulAccumulate(DotTag(), bytes.even, weights.even, sums.sums, sums.others);
    sums.sums =
        hn::ReorderWidenMulAccumulate(DotTag(), bytes.odd, weights.odd, sums.sums, sums.others);
  }
};

#if HWY_TARGET == HWY_AVX3
// One instruction. By its name, since the attribute of the functions around is that of AVX-512
// without VNNI; whoever calls has asked VnniInForce.
struct VnniDot {
  using Bytes = DotVec;
  using Weights = DotVec;
  using Sums = DotVec;
  static constexpr size_t kWeightBytes = 4;

  static void PackWeights(const int32_t (&w)[4], std::byte* to) {
    for (size_t i = 0; i < 4; ++i) to[i] = static_cast<std::byte>(w[i]);
  }
  static HWY_INLINE Sums Start(DotVec from) { return from; }
  static HWY_INLINE DotVec Total(Sums sums) { return sums; }
  static HWY_INLINE Weights Broadcast(const std::byte* packed) { return BroadcastFour(packed); }
  static HWY_INLINE Bytes Take(DotVec bytes) { return bytes; }
  static HWY_INLINE void MulAdd(Bytes bytes, Weights weights, Sums& sums) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sums.raw) : "v"(bytes.raw), "v"(weights.raw));
  }
};
#else
using VnniDot = PlainDot;  // never chosen
#endif

#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_QGEMM_DOT4_INL_H_
