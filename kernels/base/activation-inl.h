// The activations of activation.h on float vectors, once for every target. Per-target header:
// include it below <hwy/highway.h>, inside the files that foreach_target.h compiles again and
// again. Within ActivationErrorBound of the scalar reference; NaN stays NaN.
#if defined(ERGO_KERNELS_BASE_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_BASE_ACTIVATION_INL_H_
#undef ERGO_KERNELS_BASE_ACTIVATION_INL_H_
#else
#define ERGO_KERNELS_BASE_ACTIVATION_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>

#include "kernels/base/activation.h"
#include "kernels/base/math-inl.h"
#include "kernels/base/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The activation fixed at compile time, for loops over many vectors.
template <Activation kKind, class D, class V = hn::Vec<D>>
HWY_INLINE V ActivateVector(D d, V x, float alpha, float beta) {
  const V zero = hn::Zero(d);
  if constexpr (kKind == Activation::kRelu) {
    return hn::IfThenZeroElse(hn::Lt(x, zero), x);
  } else if constexpr (kKind == Activation::kLeakyRelu) {
    return hn::IfThenElse(hn::Lt(x, zero), hn::Mul(x, hn::Set(d, alpha)), x);
  } else if constexpr (kKind == Activation::kClip) {
    const V low = hn::Set(d, alpha);
    const V high = hn::Set(d, beta);
    const V raised = hn::IfThenElse(hn::Lt(x, low), low, x);
    return hn::IfThenElse(hn::Gt(raised, high), high, raised);
  } else if constexpr (kKind == Activation::kSigmoid) {
    return Sigmoid(d, x);
  } else if constexpr (kKind == Activation::kTanh) {
    return Tanh(d, x);
  } else if constexpr (kKind == Activation::kSilu) {
    return hn::Mul(x, Sigmoid(d, x));
  } else if constexpr (kKind == Activation::kHardSwish) {
    const V gate = hn::MulAdd(x, hn::Set(d, 1.0f / 6), hn::Set(d, 0.5f));
    return hn::Mul(x, ClampFinite(d, gate, 0.0f, 1.0f));
  } else if constexpr (kKind == Activation::kGelu) {
    const V half = hn::Mul(x, hn::Set(d, 0.5f));
    return hn::MulAdd(half, Erf(d, hn::Mul(x, hn::Set(d, 0.707106781186547524f))), half);
  } else {
    return x;
  }
}

template <Activation kKind>
HWY_INLINE void ActivateRowAs(float alpha, float beta, float* HWY_RESTRICT row, size_t count) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(ActivateVector<kKind>(d, hn::LoadU(d, row + i), alpha, beta), d, row + i);
  }
  if (i < count) {
    const auto x = LoadTail(d, row + i, count - i);
    StoreTail(ActivateVector<kKind>(d, x, alpha, beta), d, row + i, count - i);
  }
}

template <Activation kKind>
HWY_NOINLINE void ActivateRowsAs(float alpha, float beta, float* HWY_RESTRICT from, size_t stride,
                                 size_t rows, size_t count) {
  for (size_t i = 0; i < rows; ++i) ActivateRowAs<kKind>(alpha, beta, from + i * stride, count);
}

// The first `count` elements of each row become their activations; nothing else is touched. Many
// rows in one call share the function's constants.
HWY_INLINE void ActivateRows(const ActivationSpec& spec, float* HWY_RESTRICT from, size_t stride,
                             size_t rows, size_t count) {
  const float alpha = spec.alpha;
  const float beta = spec.beta;
  const auto run = [&]<Activation kKind>()
                       HWY_ATTR { ActivateRowsAs<kKind>(alpha, beta, from, stride, rows, count); };
  switch (spec.kind) {
    case Activation::kNone: return;
    case Activation::kRelu: return run.template operator()<Activation::kRelu>();
    case Activation::kLeakyRelu: return run.template operator()<Activation::kLeakyRelu>();
    case Activation::kClip: return run.template operator()<Activation::kClip>();
    case Activation::kSigmoid: return run.template operator()<Activation::kSigmoid>();
    case Activation::kTanh: return run.template operator()<Activation::kTanh>();
    case Activation::kSilu: return run.template operator()<Activation::kSilu>();
    case Activation::kHardSwish: return run.template operator()<Activation::kHardSwish>();
    case Activation::kGelu: return run.template operator()<Activation::kGelu>();
  }
}

// row[i] = activation(row[i]) for i in [0, count).
HWY_INLINE void ActivateRow(const ActivationSpec& spec, float* HWY_RESTRICT row, size_t count) {
  ActivateRows(spec, row, 0, 1, count);
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_BASE_ACTIVATION_INL_H_
