// Reduce: operators that make one number of many along some axes, and those that walk along one
// axis (ArgMax, CumSum, CumProd).
//
// Operands are dense and row-major. Reduced axes may stand in the output with length 1 or not at
// all: its elements are the same. No operand may overlap another, but for cumulative
// operators, which may run in place.
//
// Arithmetic: the reference accumulates floating point in double, in order of memory, and integers
// modulo 2^64, and rounds once at the end. The SIMD variant accumulates blocks of floats in float,
// in an order that depends on the SIMD width, and their sums in double; how far it may be off,
// ReduceErrorBound tells. Its squares are floats: they overflow where |x| > 1.8e19. No variant's
// result depends on the number of workers. A maximum or minimum that meets NaN is NaN.
// Empty sets: sums, norms and squares are 0, products 1; a maximum is -infinity or the lowest
// integer, a minimum the opposite; a mean is NaN (of integers: 0), LogSum and LogSumExp -infinity.
#ifndef ERGO_KERNELS_REDUCE_REDUCE_H_
#define ERGO_KERNELS_REDUCE_REDUCE_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/base/dtype.h"
#include "kernels/base/kernel.h"
#include "kernels/base/shape.h"

namespace ergo {

enum class ReduceOp : uint8_t {
  kSum,
  kMean,
  kMax,
  kMin,
  kProd,
  kL1,         // sum |x|
  kL2,         // sqrt(sum x^2)
  kLogSum,     // log(sum x)
  kLogSumExp,  // log(sum e^x), without overflow
  kSumSquare,  // sum x^2
};

// "Sum", "LogSumExp": ONNX's name without "Reduce".
std::string_view ReduceOpName(ReduceOp op);

// Input 0: `dtype` [input]. Output 0: `dtype`, input's elements but with 1 along the reduced axes.
// Types: floats and integers; bool for kMax and kMin. Integer results wrap around; means, roots and
// logarithms of integers truncate.
struct ReduceProblem {
  ReduceOp op = ReduceOp::kSum;
  DType dtype = DType::kF32;
  Shape input = {};
  uint32_t axes = 0;  // bit i: axis i is reduced. 0: each element is a set of its own
};

// Input 0: `dtype` [input], axis not empty. Output 0: int64, input's elements but with 1 along the
// axis: the index of the largest (or smallest) element, the first (or last) of equal ones. NaN
// counts as beyond every number, so the first (or last) NaN wins.
struct ArgReduceProblem {
  DType dtype = DType::kF32;
  Shape input = {};
  int axis = 0;
  bool largest = true;
  bool last = false;
};

enum class CumulativeOp : uint8_t { kSum, kProduct };

// Input 0: `dtype` [input]. Output 0: the same: sums (products) of all elements up to here along
// the axis, without this one when `exclusive`, from the end when `reverse`. Integers wrap around.
struct CumulativeProblem {
  CumulativeOp op = CumulativeOp::kSum;
  DType dtype = DType::kF32;
  Shape input = {};
  int axis = 0;
  bool exclusive = false;
  bool reverse = false;
};

KernelCost CostOf(const ReduceProblem& problem);
KernelCost CostOf(const ArgReduceProblem& problem);
KernelCost CostOf(const CumulativeProblem& problem);

// |difference| of a variant's f32 result from the exact one, `exact`, where the absolute values of
// the `count` terms (x, |x|, x^2) sum up to `magnitude` and the terms themselves to `sum`.
double ReduceErrorBound(ReduceOp op, int64_t count, double exact, double sum, double magnitude);

// InvalidArgument for axes that the input does not have. Every variant's make begins with it.
Status CheckReduce(const ReduceProblem& problem);

// Best first, the reference last. Unsupported for dtypes that the operator does not take.
std::span<const KernelVariant<ReduceProblem>> ReduceVariants();
std::span<const KernelVariant<ArgReduceProblem>> ArgReduceVariants();
std::span<const KernelVariant<CumulativeProblem>> CumulativeVariants();

#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make)          \
  MadeKernel make(const ReduceProblem& problem, const MakeContext& context);    \
  MadeKernel make(const ArgReduceProblem& problem, const MakeContext& context); \
  MadeKernel make(const CumulativeProblem& problem, const MakeContext& context);
#include "kernels/reduce/reduce_variants.inc"
#undef ERGO_KERNEL_VARIANT

}  // namespace ergo

#endif  // ERGO_KERNELS_REDUCE_REDUCE_H_
