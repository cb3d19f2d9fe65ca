// Unary operators, one plain loop an operator and type.
#include "kernels/base/parallel_ranges.h"
#include "kernels/base/visit_dtype.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/elementwise/limits.h"
#include "kernels/elementwise/scalar_math.h"

namespace ergo {
namespace {

using namespace scalar;  // NOLINT: the formulas of unary_ops.inc are written in its terms

// Which C++ types an operator takes, by the `kind` column.
template <typename T>
constexpr bool kTakesFloat = kIsFloat<T>;
template <typename T>
constexpr bool kTakesBool = std::is_same_v<T, bool>;
template <typename T>
constexpr bool kTakesInteger = !kIsFloat<T> && !kTakesBool<T>;
template <typename T>
constexpr bool kTakesNumeric = !kTakesBool<T>;

// One struct an operator. `T` in a formula is the compute type; the attributes may go unused.
#define ERGO_UNARY_OP(name, onnx, kind, formula)                                          \
  struct name##Op {                                                                       \
    template <typename T>                                                                 \
    static constexpr bool kTakes = kTakes##kind<T>;                                       \
    template <typename T>                                                                 \
    static auto Apply(T x, [[maybe_unused]] double alpha, [[maybe_unused]] double beta) { \
      return formula;                                                                     \
    }                                                                                     \
  };
#include "kernels/elementwise/unary_ops.inc"
#undef ERGO_UNARY_OP

using LoopFn = void (*)(const void* in, void* out, int64_t begin, int64_t end, double alpha,
                        double beta);

template <typename Op, typename T>
void Loop(const void* in, void* out, int64_t begin, int64_t end, double alpha, double beta) {
  using Compute = ComputeType<T>;
  constexpr bool kAsks = std::is_same_v<Op, IsNaNOp> || std::is_same_v<Op, IsInfOp>;
  using Out = std::conditional_t<kAsks, bool, T>;
  const T* from = static_cast<const T*>(in);
  Out* to = static_cast<Out*>(out);
  for (int64_t i = begin; i < end; ++i) {
    const auto y = Op::template Apply<Compute>(Widen(from[i]), alpha, beta);
    if constexpr (kAsks) {
      to[i] = y;
    } else {
      to[i] = Narrow<T>(static_cast<Compute>(y));
    }
  }
}

// Null when the operator does not take the dtype.
template <typename Op>
LoopFn FindLoop(DType dtype) {
  return VisitDType(dtype, []<typename T>(TypeTag<T>) -> LoopFn {
    if constexpr (Op::template kTakes<T>) {
      return Loop<Op, T>;
    } else {
      return nullptr;
    }
  });
}

LoopFn FindLoop(UnaryOp op, DType dtype) {
  switch (op) {
#define ERGO_UNARY_OP(name, onnx, kind, formula) \
  case UnaryOp::k##name:                         \
    return FindLoop<name##Op>(dtype);
#include "kernels/elementwise/unary_ops.inc"
#undef ERGO_UNARY_OP
  }
  return nullptr;
}

class UnaryReference final : public Kernel {
 public:
  UnaryReference(const UnaryProblem& problem, LoopFn loop) : problem_(problem), loop_(loop) {}

  bool MayRunInPlace(int) const override {
    return DTypeBits(OutputType(problem_)) == DTypeBits(problem_.dtype);
  }

  void Run(const KernelArgs& args) const override {
    ParallelRanges(args.parallel, problem_.shape.Elements(), kElementwiseScalarGrain,
                   [&](int64_t begin, int64_t end, int) {
                     loop_(args.inputs[0].data, args.outputs[0].data, begin, end, problem_.alpha,
                           problem_.beta);
                   });
  }

 private:
  UnaryProblem problem_;
  LoopFn loop_;
};

}  // namespace

MadeKernel MakeElementwiseReference(const UnaryProblem& problem, const MakeContext&) {
  const LoopFn loop = FindLoop(problem.op, problem.dtype);
  if (loop == nullptr) {
    return Unsupported("{} does not take {}", UnaryOpName(problem.op), DTypeName(problem.dtype));
  }
  return MadeKernel(std::make_unique<UnaryReference>(problem, loop));
}

}  // namespace ergo
