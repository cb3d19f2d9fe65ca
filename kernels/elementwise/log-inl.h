// log, log(1 + x) and e^x - 1 of float vectors, once for every target. Per-target header: include
// it below <hwy/highway.h>, inside the files that foreach_target.h compiles again and again.
//
// Error bounds against the exact value (tests/kernels/elementwise): 3 ulp for Log, 3 ulp for
// LogOnePlus, 12 ulp for ExpMinusOne. NaN gives NaN. Pure functions.
// Both logarithms are twice the series of atanh, whose argument the reduction keeps below 1/3.
#if defined(ERGO_KERNELS_ELEMENTWISE_LOG_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_ELEMENTWISE_LOG_INL_H_
#undef ERGO_KERNELS_ELEMENTWISE_LOG_INL_H_
#else
#define ERGO_KERNELS_ELEMENTWISE_LOG_INL_H_
#endif

#include <hwy/highway.h>

#include <limits>

#include "kernels/base/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// log(x); -infinity for 0, NaN for negative numbers.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Log(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V infinity = hn::Set(d, std::numeric_limits<float>::infinity());
  const V zero = hn::Zero(d);
  const auto subnormal = hn::Lt(x, hn::Set(d, std::numeric_limits<float>::min()));
  const V normal = hn::IfThenElse(subnormal, hn::Mul(x, hn::Set(d, 0x1p24f)), x);
  // x = 2^exponent * mantissa with the mantissa in [sqrt(1/2), sqrt(2)).
  const auto bits = hn::BitCast(di, normal);
  const auto exponent = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(di, 0x3f3504f3)));
  const V mantissa = hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<23>(exponent)));
  const V scale =
      hn::Sub(hn::ConvertTo(d, exponent), hn::IfThenElseZero(subnormal, hn::Set(d, 24.0f)));

  const V one = hn::Set(d, 1.0f);
  const V s = hn::Div(hn::Sub(mantissa, one), hn::Add(mantissa, one));
  static constexpr float kAtanh[] = {2.0f / 3, 2.0f / 5, 2.0f / 7, 2.0f / 9, 2.0f / 11};
  const V square = hn::Mul(s, s);
  const V tail = hn::MulAdd(hn::Mul(s, square), Polynomial(d, square, kAtanh),
                            hn::Mul(scale, hn::Set(d, -2.12194440e-4f)));
  const V y = hn::MulAdd(scale, hn::Set(d, 0.693359375f), hn::Add(hn::Add(s, s), tail));
  const V ordinary = hn::IfThenElse(hn::Eq(x, infinity), infinity, y);
  const V not_negative = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(infinity), ordinary);
  const V nan = hn::Set(d, std::numeric_limits<float>::quiet_NaN());
  return KeepNaN(x, hn::IfThenElse(hn::Lt(x, zero), nan, not_negative));
}

// log(1 + x) for x in [0, 1].
template <class D, class V = hn::Vec<D>>
HWY_INLINE V LogOnePlus(D d, V x) {
  const V s = hn::Div(x, hn::Add(x, hn::Set(d, 2.0f)));
  static constexpr float kAtanh[] = {2.0f / 3,  2.0f / 5,  2.0f / 7, 2.0f / 9,
                                     2.0f / 11, 2.0f / 13, 2.0f / 15};
  const V square = hn::Mul(s, s);
  return hn::MulAdd(hn::Mul(s, square), Polynomial(d, square, kAtanh), hn::Add(s, s));
}

// e^x - 1 for x <= 0, by way of tanh(x / 2), which loses nothing near 0.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpMinusOne(D d, V x) {
  const V t = Tanh(d, hn::Mul(x, hn::Set(d, 0.5f)));
  return hn::Div(hn::Add(t, t), hn::Sub(hn::Set(d, 1.0f), t));
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_ELEMENTWISE_LOG_INL_H_
