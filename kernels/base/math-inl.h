// exp, sigmoid, tanh and erf of float vectors, once for every target. Per-target header: include it
// below <hwy/highway.h>, inside the files that foreach_target.h compiles again and again.
//
// Error bounds, against the exact value, over all floats (tests/kernels/base/math_test.cc):
//   Exp      2 ulp; 0 below -104, infinity above 88.73
//   Sigmoid  3 ulp; below -88 at most 2^-126 off
//   Tanh     6 ulp
//   Erf      6 ulp where |x| < 1, 2^-21 absolute elsewhere
// Sigmoid stays within [0, 1], Tanh and Erf within [-1, 1].
// NaN gives NaN. Pure functions.
// Sources: exp after Cephes' expf (Moshier); tanh and erf are the rational minimax approximations
// of Eigen (GenericPacketMathFunctions.h).
#if defined(ERGO_KERNELS_BASE_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_BASE_MATH_INL_H_
#undef ERGO_KERNELS_BASE_MATH_INL_H_
#else
#define ERGO_KERNELS_BASE_MATH_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// x where it is NaN (which min and max may have lost on the way), else y.
template <class V>
HWY_INLINE V KeepNaN(V x, V y) {
  return hn::IfThenElse(hn::Eq(x, x), y, x);
}

// Values outside [low, high] go to the border; what becomes of NaN depends on the target.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ClampFinite(D d, V x, float low, float high) {
  return hn::Min(hn::Max(x, hn::Set(d, low)), hn::Set(d, high));
}

// coefficients[0] + x (coefficients[1] + x (...)).
template <class D, class V = hn::Vec<D>, size_t kCount>
HWY_INLINE V Polynomial(D d, V x, const float (&coefficients)[kCount]) {
  V y = hn::Set(d, coefficients[kCount - 1]);
  for (size_t i = kCount - 1; i-- > 0;) y = hn::MulAdd(y, x, hn::Set(d, coefficients[i]));
  return y;
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Exp(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V clamped = ClampFinite(d, x, -104.0f, 89.0f);
  const V n = hn::Round(hn::Mul(clamped, hn::Set(d, 1.44269504088896341f)));
  // ln 2 in two parts, the first with so few bits that its product with n is exact.
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), clamped);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  static constexpr float kTaylorLike[] = {5.0000001201e-1f, 1.6666665459e-1f, 4.1665795894e-2f,
                                          8.3334519073e-3f, 1.3981999507e-3f, 1.9875691500e-4f};
  const V p = Polynomial(d, r, kTaylorLike);
  const V y = hn::Add(hn::MulAdd(hn::Mul(r, r), p, r), hn::Set(d, 1.0f));
  // 2^n in two factors, since n reaches below the smallest normal exponent and above the largest.
  const auto whole = hn::ConvertTo(di, n);
  const auto half = hn::ShiftRight<1>(whole);
  const auto bias = hn::Set(di, 127);
  const V low = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
  const V high = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::Sub(whole, half), bias)));
  return KeepNaN(x, hn::Mul(hn::Mul(y, low), high));
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, Exp(d, hn::Neg(x))));
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Tanh(D d, V x) {
  // Beyond, the approximation is 1 to the last bit.
  const V clamped = ClampFinite(d, x, -7.90531110763549805f, 7.90531110763549805f);
  static constexpr float kNumerator[] = {
      4.89352455891786e-03f,  6.37261928875436e-04f, 1.48572235717979e-05f, 5.12229709037114e-08f,
      -8.60467152213735e-11f, 2.00018790482477e-13f, -2.76076847742355e-16f};
  static constexpr float kDenominator[] = {4.89352518554385e-03f, 2.26843463243900e-03f,
                                           1.18534705686654e-04f, 1.19825839466702e-06f};
  const V square = hn::Mul(clamped, clamped);
  const V y = hn::Div(hn::Mul(clamped, Polynomial(d, square, kNumerator)),
                      Polynomial(d, square, kDenominator));
  const auto tiny = hn::Lt(hn::Abs(x), hn::Set(d, 4e-4f));
  return KeepNaN(x, hn::IfThenElse(tiny, x, y));
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Erf(D d, V x) {
  const V clamped = ClampFinite(d, x, -4.0f, 4.0f);
  static constexpr float kNumerator[] = {-1.60960333262415e-02f, -2.95459980854025e-03f,
                                         -7.34990630326855e-04f, -5.69250639462346e-05f,
                                         -2.10102402082508e-06f, 2.77068142495902e-08f,
                                         -2.72614225801306e-10f};
  static constexpr float kDenominator[] = {-1.42647390514189e-02f, -7.37332916720468e-03f,
                                           -1.68282697438203e-03f, -2.13374055278905e-04f,
                                           -1.45660718464996e-05f};
  const V square = hn::Mul(clamped, clamped);
  const V y = hn::Div(hn::Mul(clamped, Polynomial(d, square, kNumerator)),
                      Polynomial(d, square, kDenominator));
  // Small arguments: 2 / sqrt(pi) x, since the products above may underflow.
  const auto tiny = hn::Lt(hn::Abs(x), hn::Set(d, 1e-4f));
  const V linear = hn::Mul(x, hn::Set(d, 1.12837916709551257f));
  return KeepNaN(x, hn::IfThenElse(tiny, linear, ClampFinite(d, y, -1.0f, 1.0f)));
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_BASE_MATH_INL_H_
