// Cast between all pairs of the types that have a C++ type of their own.
#include "kernels/base/parallel_ranges.h"
#include "kernels/base/visit_dtype.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/elementwise/elementwise_small_cast.h"
#include "kernels/elementwise/limits.h"
#include "kernels/elementwise/scalar_math.h"

namespace ergo {
namespace {

using LoopFn = void (*)(const void* in, void* out, int64_t begin, int64_t end);

template <typename From, typename To>
To Convert(From value) {
  if constexpr (std::is_same_v<From, To>) {
    return value;
  } else if constexpr (std::is_same_v<To, bool>) {
    return scalar::Widen(value) != 0;
  } else if constexpr (scalar::kIsFloat<From> && !scalar::kIsFloat<To>) {
    return scalar::SaturatingTruncate<To>(scalar::Widen(value));
  } else if constexpr (scalar::kIsFloat<From>) {
    return scalar::Narrow<To>(scalar::Widen(value));
  } else if constexpr (sizeof(To) == 2 && scalar::kIsFloat<To>) {
    // 64-bit integers are rounded to 53 bits first, far below the last place of either type.
    return scalar::Narrow<To>(static_cast<double>(value));
  } else {
    return static_cast<To>(value);
  }
}

template <typename From, typename To>
void Loop(const void* in, void* out, int64_t begin, int64_t end) {
  const From* from = static_cast<const From*>(in);
  To* to = static_cast<To*>(out);
  for (int64_t i = begin; i < end; ++i) to[i] = Convert<From, To>(from[i]);
}

LoopFn FindLoop(DType from, DType to) {
  return VisitDType(from, [&]<typename From>(TypeTag<From>) {
    return VisitDType(to, []<typename To>(TypeTag<To>) -> LoopFn { return Loop<From, To>; });
  });
}

class CastReference final : public Kernel {
 public:
  CastReference(const CastProblem& problem, LoopFn loop)
      : elements_(problem.shape.Elements()),
        in_place_(DTypeBits(problem.from) == DTypeBits(problem.to)),
        loop_(loop) {}

  bool MayRunInPlace(int) const override { return in_place_; }

  void Run(const KernelArgs& args) const override {
    ParallelRanges(args.parallel, elements_, kElementwiseScalarGrain,
                   [&](int64_t begin, int64_t end, int) {
                     loop_(args.inputs[0].data, args.outputs[0].data, begin, end);
                   });
  }

 private:
  int64_t elements_;
  bool in_place_;
  LoopFn loop_;
};

}  // namespace

MadeKernel MakeElementwiseReference(const CastProblem& problem, const MakeContext&) {
  if (IsSmallType(problem.from) || IsSmallType(problem.to)) return MakeSmallCast(problem);
  const LoopFn loop = FindLoop(problem.from, problem.to);
  if (loop == nullptr) {
    return Unsupported("no cast from {} to {}", DTypeName(problem.from), DTypeName(problem.to));
  }
  return MadeKernel(std::make_unique<CastReference>(problem, loop));
}

}  // namespace ergo
