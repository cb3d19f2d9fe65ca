// The unary operators on float vectors, once for every target. Per-target header: include it below
// <hwy/highway.h>, inside the files that foreach_target.h compiles again and again.
// Within UnaryErrorBound of the exact value.
#if defined(ERGO_KERNELS_ELEMENTWISE_UNARY_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_ELEMENTWISE_UNARY_INL_H_
#undef ERGO_KERNELS_ELEMENTWISE_UNARY_INL_H_
#else
#define ERGO_KERNELS_ELEMENTWISE_UNARY_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>

#include "kernels/base/activation-inl.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/elementwise/log-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D, class V = hn::Vec<D>>
HWY_INLINE V SoftplusVector(D d, V x) {
  const V positive = hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);
  return hn::Add(positive, LogOnePlus(d, Exp(d, hn::Neg(hn::Abs(x)))));
}

// tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2), which is 1 long before n overflows.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V MishVector(D d, V x) {
  const V two = hn::Set(d, 2.0f);
  const V limit = hn::Set(d, 20.0f);
  const V e = Exp(d, hn::IfThenElse(hn::Gt(x, limit), limit, x));
  const V n = hn::Mul(e, hn::Add(e, two));
  return hn::Mul(x, hn::Div(n, hn::Add(n, two)));
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V GeluTanhVector(D d, V x) {
  const V cubic = hn::MulAdd(hn::Mul(hn::Mul(x, x), x), hn::Set(d, 0.044715f), x);
  return hn::Mul(x, Sigmoid(d, hn::Mul(cubic, hn::Set(d, 2 * 0.797884560802865356f))));
}

// x below 0 bent towards -limit: limit (e^(x / scale) - 1).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V EluVector(D d, V x, V limit, V inverse_scale) {
  const V zero = hn::Zero(d);
  const V bent = hn::Mul(limit, ExpMinusOne(d, hn::Mul(hn::Min(x, zero), inverse_scale)));
  return hn::IfThenElse(hn::Lt(x, zero), bent, x);
}

// alpha and beta as in UnaryProblem.
template <UnaryOp op, class D, class V = hn::Vec<D>>
HWY_INLINE V ApplyUnary(D d, V x, float alpha, float beta) {
  const V a = hn::Set(d, alpha);
  const V b = hn::Set(d, beta);
  const V one = hn::Set(d, 1.0f);
  if constexpr (op == UnaryOp::kAbs) return hn::Abs(x);
  if constexpr (op == UnaryOp::kNeg) return hn::Neg(x);
  if constexpr (op == UnaryOp::kSign) {
    // Zeros and NaN stay what they are.
    return hn::IfThenElse(hn::Gt(hn::Abs(x), hn::Zero(d)), hn::CopySign(one, x), x);
  }
  if constexpr (op == UnaryOp::kRelu) return ActivateVector<Activation::kRelu>(d, x, 0, 0);
  if constexpr (op == UnaryOp::kLeakyRelu) {
    return ActivateVector<Activation::kLeakyRelu>(d, x, alpha, 0);
  }
  if constexpr (op == UnaryOp::kThresholdedRelu) return hn::IfThenZeroElse(hn::Le(x, a), x);
  if constexpr (op == UnaryOp::kElu) return EluVector(d, x, a, one);
  if constexpr (op == UnaryOp::kSelu) return hn::Mul(b, EluVector(d, x, a, one));
  if constexpr (op == UnaryOp::kCelu) return EluVector(d, x, a, hn::Div(one, a));
  if constexpr (op == UnaryOp::kClip) return ActivateVector<Activation::kClip>(d, x, alpha, beta);
  if constexpr (op == UnaryOp::kSigmoid) return Sigmoid(d, x);
  if constexpr (op == UnaryOp::kHardSigmoid) {
    return ActivateVector<Activation::kClip>(d, hn::MulAdd(a, x, b), 0, 1);
  }
  if constexpr (op == UnaryOp::kSwish) return hn::Mul(x, Sigmoid(d, hn::Mul(a, x)));
  if constexpr (op == UnaryOp::kHardSwish) {
    return ActivateVector<Activation::kHardSwish>(d, x, 0, 0);
  }
  if constexpr (op == UnaryOp::kMish) return MishVector(d, x);
  if constexpr (op == UnaryOp::kGelu) return ActivateVector<Activation::kGelu>(d, x, 0, 0);
  if constexpr (op == UnaryOp::kGeluTanh) return GeluTanhVector(d, x);
  if constexpr (op == UnaryOp::kSoftplus) return SoftplusVector(d, x);
  if constexpr (op == UnaryOp::kSoftsign) return hn::Div(x, hn::Add(one, hn::Abs(x)));
  if constexpr (op == UnaryOp::kTanh) return Tanh(d, x);
  if constexpr (op == UnaryOp::kErf) return Erf(d, x);
  if constexpr (op == UnaryOp::kExp) return Exp(d, x);
  if constexpr (op == UnaryOp::kLog) return Log(d, x);
  if constexpr (op == UnaryOp::kSqrt) return hn::Sqrt(x);
  if constexpr (op == UnaryOp::kReciprocal) return hn::Div(one, x);
  if constexpr (op == UnaryOp::kFloor) return hn::Floor(x);
  if constexpr (op == UnaryOp::kCeil) return hn::Ceil(x);
  if constexpr (op == UnaryOp::kRound) return hn::Round(x);
}

// y[i] = op(x[i]); y may be x.
template <UnaryOp op>
void UnaryLoop(const float* x, float* y, size_t count, float alpha, float beta) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(ApplyUnary<op>(d, hn::LoadU(d, x + i), alpha, beta), d, y + i);
  }
  if (i < count) {
    const auto tail = LoadTail(d, x + i, count - i);
    StoreTail(ApplyUnary<op>(d, tail, alpha, beta), d, y + i, count - i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_ELEMENTWISE_UNARY_INL_H_
