// The transforms of Winograd's convolution along one axis, on vectors whose lanes are tiles, and
// the moves between rows of an image and such vectors. Matrices: winograd_plan.h. Per-target
// header.
#if defined(ERGO_KERNELS_CONV_WINOGRAD_TRANSFORMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_CONV_WINOGRAD_TRANSFORMS_INL_H_
#undef ERGO_KERNELS_CONV_WINOGRAD_TRANSFORMS_INL_H_
#else
#define ERGO_KERNELS_CONV_WINOGRAD_TRANSFORMS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using WinogradTag = hn::ScalableTag<float>;
using WinogradVec = hn::Vec<WinogradTag>;

template <int64_t kTile>
struct Winograd;

template <>
struct Winograd<2> {
  // B^T x
  static HWY_INLINE void Input(const WinogradVec (&x)[4], WinogradVec (&to)[4]) {
    to[0] = hn::Sub(x[0], x[2]);
    to[1] = hn::Add(x[1], x[2]);
    to[2] = hn::Sub(x[2], x[1]);
    to[3] = hn::Sub(x[1], x[3]);
  }
  // A^T x
  static HWY_INLINE void Output(const WinogradVec (&x)[4], WinogradVec (&to)[2]) {
    to[0] = hn::Add(hn::Add(x[0], x[1]), x[2]);
    to[1] = hn::Sub(hn::Sub(x[1], x[2]), x[3]);
  }
};

template <>
struct Winograd<4> {
  static HWY_INLINE void Input(const WinogradVec (&x)[6], WinogradVec (&to)[6]) {
    const WinogradTag d;
    const WinogradVec two = hn::Set(d, 2.0f), four = hn::Set(d, 4.0f), five = hn::Set(d, 5.0f);
    const WinogradVec even = hn::NegMulAdd(four, x[2], x[4]);  // x4 - 4 x2
    const WinogradVec odd = hn::NegMulAdd(four, x[1], x[3]);   // x3 - 4 x1
    const WinogradVec near = hn::Sub(x[4], x[2]);
    const WinogradVec far = hn::Mul(two, hn::Sub(x[3], x[1]));
    to[0] = hn::MulAdd(four, x[0], hn::NegMulAdd(five, x[2], x[4]));
    to[1] = hn::Add(even, odd);
    to[2] = hn::Sub(even, odd);
    to[3] = hn::Add(near, far);
    to[4] = hn::Sub(near, far);
    to[5] = hn::MulAdd(four, x[1], hn::NegMulAdd(five, x[3], x[5]));
  }
  static HWY_INLINE void Output(const WinogradVec (&x)[6], WinogradVec (&to)[4]) {
    const WinogradTag d;
    const WinogradVec two = hn::Set(d, 2.0f), four = hn::Set(d, 4.0f), eight = hn::Set(d, 8.0f);
    const WinogradVec sum1 = hn::Add(x[1], x[2]), sum2 = hn::Add(x[3], x[4]);
    const WinogradVec dif1 = hn::Sub(x[1], x[2]), dif2 = hn::Sub(x[3], x[4]);
    to[0] = hn::Add(hn::Add(x[0], sum1), sum2);
    to[1] = hn::MulAdd(two, dif2, dif1);
    to[2] = hn::MulAdd(four, sum2, sum1);
    to[3] = hn::Add(hn::MulAdd(eight, dif2, dif1), x[5]);
  }
};

template <>
struct Winograd<6> {
  static HWY_INLINE void Input(const WinogradVec (&x)[8], WinogradVec (&to)[8]) {
    const WinogradTag d;
    const WinogradVec half = hn::Set(d, 0.5f), quarter = hn::Set(d, 0.25f);
    const WinogradVec two = hn::Set(d, 2.0f), four = hn::Set(d, 4.0f);
    const WinogradVec c21 = hn::Set(d, 5.25f), c17 = hn::Set(d, 4.25f);
    const WinogradVec c5 = hn::Set(d, 5.0f), c52 = hn::Set(d, 2.5f), c54 = hn::Set(d, 1.25f);
    to[0] = hn::MulAdd(c21, hn::Sub(x[4], x[2]), hn::Sub(x[0], x[6]));
    const WinogradVec even1 = hn::NegMulAdd(c17, x[4], hn::Add(x[2], x[6]));
    const WinogradVec odd1 = hn::NegMulAdd(c17, x[3], hn::Add(x[1], x[5]));
    to[1] = hn::Add(even1, odd1);
    to[2] = hn::Sub(even1, odd1);
    const WinogradVec even2 = hn::NegMulAdd(c54, x[4], hn::MulAdd(quarter, x[2], x[6]));
    const WinogradVec odd2 = hn::MulAdd(two, x[5], hn::NegMulAdd(c52, x[3], hn::Mul(half, x[1])));
    to[3] = hn::Add(even2, odd2);
    to[4] = hn::Sub(even2, odd2);
    const WinogradVec even3 = hn::NegMulAdd(c5, x[4], hn::MulAdd(four, x[2], x[6]));
    const WinogradVec odd3 = hn::MulAdd(half, x[5], hn::NegMulAdd(c52, x[3], hn::Mul(two, x[1])));
    to[5] = hn::Add(even3, odd3);
    to[6] = hn::Sub(even3, odd3);
    to[7] = hn::MulAdd(c21, hn::Sub(x[3], x[5]), hn::Sub(x[7], x[1]));
  }
  static HWY_INLINE void Output(const WinogradVec (&x)[8], WinogradVec (&to)[6]) {
    const WinogradTag d;
    const auto scaled =
        [&](float s2, const WinogradVec& b, float s3, const WinogradVec& c, const WinogradVec& a)
            HWY_ATTR { return hn::MulAdd(hn::Set(d, s3), c, hn::MulAdd(hn::Set(d, s2), b, a)); };
    const WinogradVec sum1 = hn::Add(x[1], x[2]), dif1 = hn::Sub(x[1], x[2]);
    const WinogradVec sum2 = hn::Add(x[3], x[4]), dif2 = hn::Sub(x[3], x[4]);
    const WinogradVec sum3 = hn::Add(x[5], x[6]), dif3 = hn::Sub(x[5], x[6]);
    to[0] = hn::Add(hn::Add(x[0], sum1), hn::Add(sum2, sum3));
    to[1] = scaled(2.0f, dif2, 0.5f, dif3, dif1);
    to[2] = scaled(4.0f, sum2, 0.25f, sum3, sum1);
    to[3] = scaled(8.0f, dif2, 0.125f, dif3, dif1);
    to[4] = scaled(16.0f, sum2, 0.0625f, sum3, sum1);
    to[5] = hn::Add(scaled(32.0f, dif2, 0.03125f, dif3, dif1), x[7]);
  }
};

// to[j][i] = row[kTile * i + j] for i in [0, lanes), j in [0, kTile + 2): the columns of a vector
// of tiles that lie side by side. Reads up to kTile * (2 * lanes) floats of the row.
template <int64_t kTile>
HWY_INLINE void SplitTiles(const float* HWY_RESTRICT row, WinogradVec (&to)[kTile + 2]) {
  const WinogradTag d;
  if constexpr (kTile == 2) {
    hn::LoadInterleaved2(d, row, to[0], to[1]);
    hn::LoadInterleaved2(d, row + 2, to[2], to[3]);
  } else if constexpr (kTile == 4) {
    WinogradVec unused2, unused3;
    hn::LoadInterleaved4(d, row, to[0], to[1], to[2], to[3]);
    hn::LoadInterleaved4(d, row + 4, to[4], to[5], unused2, unused3);
  } else {
    const hn::RebindToSigned<WinogradTag> di;
    const auto places = hn::Mul(hn::Iota(di, 0), hn::Set(di, int32_t{kTile}));
    for (int64_t j = 0; j < kTile + 2; ++j) to[j] = hn::GatherIndex(d, row + j, places);
  }
}

// row[kTile * i + j] = from[j][i].
template <int64_t kTile>
HWY_INLINE void JoinTiles(const WinogradVec (&from)[kTile], float* HWY_RESTRICT row) {
  const WinogradTag d;
  if constexpr (kTile == 2) {
    hn::StoreInterleaved2(from[0], from[1], d, row);
  } else if constexpr (kTile == 4) {
    hn::StoreInterleaved4(from[0], from[1], from[2], from[3], d, row);
  } else {
    const hn::RebindToSigned<WinogradTag> di;
    const auto places = hn::Mul(hn::Iota(di, 0), hn::Set(di, int32_t{kTile}));
    for (int64_t j = 0; j < kTile; ++j) hn::ScatterIndex(from[j], d, row + j, places);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_CONV_WINOGRAD_TRANSFORMS_INL_H_
