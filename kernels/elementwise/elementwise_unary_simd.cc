// Unary operators on f32 vectors.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/elementwise_unary_simd.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include "kernels/base/parallel_ranges.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/elementwise/limits.h"
#include "kernels/elementwise/unary-inl.h"

namespace ergo {

// One target's loop of an operator: y[i] = op(x[i]); y may be x.
using UnarySimdFn = void (*)(const float* x, float* y, size_t count, float alpha, float beta);

}  // namespace ergo

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

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
