// Unary operators on f32 vectors.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/elementwise_unary_simd.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include "kernels/base/activation-inl.h"
#include "kernels/base/parallel_ranges.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/elementwise/limits.h"
#include "kernels/elementwise/log-inl.h"

namespace ergo {

// What UnaryOps are computed by, for one target: y[i] = op(x[i]); y may be x.
using UnarySimdFn = void (*)(const float* x, float* y, size_t count, float alpha, float beta);

}  // namespace ergo

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

// Null for operators without a vector form.
UnarySimdFn FindUnary(UnaryOp op) {
  switch (op) {
    case UnaryOp::kAbs: return UnaryLoop<UnaryOp::kAbs>;
    case UnaryOp::kNeg: return UnaryLoop<UnaryOp::kNeg>;
    case UnaryOp::kSign: return UnaryLoop<UnaryOp::kSign>;
    case UnaryOp::kRelu: return UnaryLoop<UnaryOp::kRelu>;
    case UnaryOp::kLeakyRelu: return UnaryLoop<UnaryOp::kLeakyRelu>;
    case UnaryOp::kThresholdedRelu: return UnaryLoop<UnaryOp::kThresholdedRelu>;
    case UnaryOp::kElu: return UnaryLoop<UnaryOp::kElu>;
    case UnaryOp::kSelu: return UnaryLoop<UnaryOp::kSelu>;
    case UnaryOp::kCelu: return UnaryLoop<UnaryOp::kCelu>;
    case UnaryOp::kClip: return UnaryLoop<UnaryOp::kClip>;
    case UnaryOp::kSigmoid: return UnaryLoop<UnaryOp::kSigmoid>;
    case UnaryOp::kHardSigmoid: return UnaryLoop<UnaryOp::kHardSigmoid>;
    case UnaryOp::kSwish: return UnaryLoop<UnaryOp::kSwish>;
    case UnaryOp::kHardSwish: return UnaryLoop<UnaryOp::kHardSwish>;
    case UnaryOp::kMish: return UnaryLoop<UnaryOp::kMish>;
    case UnaryOp::kGelu: return UnaryLoop<UnaryOp::kGelu>;
    case UnaryOp::kGeluTanh: return UnaryLoop<UnaryOp::kGeluTanh>;
    case UnaryOp::kSoftplus: return UnaryLoop<UnaryOp::kSoftplus>;
    case UnaryOp::kSoftsign: return UnaryLoop<UnaryOp::kSoftsign>;
    case UnaryOp::kTanh: return UnaryLoop<UnaryOp::kTanh>;
    case UnaryOp::kErf: return UnaryLoop<UnaryOp::kErf>;
    case UnaryOp::kExp: return UnaryLoop<UnaryOp::kExp>;
    case UnaryOp::kLog: return UnaryLoop<UnaryOp::kLog>;
    case UnaryOp::kSqrt: return UnaryLoop<UnaryOp::kSqrt>;
    case UnaryOp::kReciprocal: return UnaryLoop<UnaryOp::kReciprocal>;
    case UnaryOp::kFloor: return UnaryLoop<UnaryOp::kFloor>;
    case UnaryOp::kCeil: return UnaryLoop<UnaryOp::kCeil>;
    case UnaryOp::kRound: return UnaryLoop<UnaryOp::kRound>;
    default: return nullptr;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(FindUnary);

class UnarySimd final : public Kernel {
 public:
  UnarySimd(const UnaryProblem& problem, UnarySimdFn loop) : problem_(problem), loop_(loop) {}

  bool MayRunInPlace(int) const override { return true; }

  void Run(const KernelArgs& args) const override {
    const auto* x = args.inputs[0].As<float>();
    auto* y = args.outputs[0].As<float>();
    ParallelRanges(args.parallel, problem_.shape.Elements(), kElementwiseGrain,
                   [&](int64_t begin, int64_t end, int) {
                     loop_(x + begin, y + begin, static_cast<size_t>(end - begin), problem_.alpha,
                           problem_.beta);
                   });
  }

 private:
  UnaryProblem problem_;
  UnarySimdFn loop_;
};

}  // namespace

MadeKernel MakeElementwiseSimd(const UnaryProblem& problem, const MakeContext&) {
  if (problem.dtype != DType::kF32) {
    return Unsupported("takes float32, not {}", DTypeName(problem.dtype));
  }
  const UnarySimdFn loop = HWY_DYNAMIC_DISPATCH(FindUnary)(problem.op);
  if (loop == nullptr) return Unsupported("{} has no vector form", UnaryOpName(problem.op));
  return MadeKernel(std::make_unique<UnarySimd>(problem, loop));
}

MadeKernel MakeElementwiseSimd(const WhereProblem&, const MakeContext&) {
  return Unsupported("Where has no vector form: it moves bytes");
}

MadeKernel MakeElementwiseSimd(const CastProblem&, const MakeContext&) {
  return Unsupported("Cast has no vector form of its own: compilers vectorize the plain loop");
}

}  // namespace ergo
#endif  // HWY_ONCE
