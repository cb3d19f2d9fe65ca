// Elementwise: operators that compute each element of the output from the elements at the same
// place of the inputs, after NumPy's multidirectional broadcasting where there are several.
//
// Four problems share the family's variants: unary arithmetic, binary arithmetic, Where, and Cast.
// The operators of the first two, with their formulas, are listed in unary_ops.inc and
// binary_ops.inc. Operators that take any number of operands (Max, Sum, Mean ...) are chains of
// binary ones.
//
// Operands are dense and row-major, of the dtypes and shapes that the problem states. Output 0 may
// be the memory of an input that has its shape and element size (Kernel::MayRunInPlace); no other
// overlap is allowed.
//
// Arithmetic: the reference computes floating point in double and rounds once to the dtype, so what
// it gives is correctly rounded up to the error of libm. Integers wrap around; x / 0 and x mod 0
// are 0. NaN operands give NaN, in Max, Min, Relu and Clip too. Elements are independent: results
// do not depend on the number of workers. Binary operators of the SIMD variant give the reference's
// results bit for bit; how far its unary ones may be off, UnaryErrorBound tells.
#ifndef ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_H_
#define ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/base/dtype.h"
#include "kernels/base/kernel.h"
#include "kernels/base/shape.h"
#include "kernels/base/small_types.h"

namespace ergo {

enum class UnaryOp : uint8_t {
#define ERGO_UNARY_OP(name, onnx, kind, formula) k##name,
#include "kernels/elementwise/unary_ops.inc"
#undef ERGO_UNARY_OP
};

enum class BinaryOp : uint8_t {
#define ERGO_BINARY_OP(name, onnx, kind, result, formula) k##name,
#include "kernels/elementwise/binary_ops.inc"
#undef ERGO_BINARY_OP
  kPow,
};

// "LeakyRelu", "GeluTanh": the enumerator's name.
std::string_view UnaryOpName(UnaryOp op);
std::string_view BinaryOpName(BinaryOp op);

// Input 0: `dtype` [shape]. Output 0: the same, but bool for IsNaN and IsInf.
struct UnaryProblem {
  UnaryOp op = UnaryOp::kAbs;
  DType dtype = DType::kF32;
  Shape shape = {};
  // The operator's attributes, in the order of unary_ops.inc's formulas: LeakyRelu and Elu alpha;
  // Selu alpha, gamma; HardSigmoid alpha, beta; Clip min, max; Shrink lambd, bias; IsInf whether
  // negative, whether positive infinity counts.
  float alpha = 0;
  float beta = 0;
};

// Input 0: `dtype` [a]. Input 1: `b_dtype` [b], the same dtype for every operator but Pow.
// Output 0: the broadcast of a and b, of `dtype`, but bool for comparisons. PRelu takes its slopes
// from input 1.
struct BinaryProblem {
  BinaryOp op = BinaryOp::kAdd;
  DType dtype = DType::kF32;
  DType b_dtype = DType::kF32;
  Shape a = {}, b = {};
};

// Input 0: bool [condition]. Inputs 1 and 2: `dtype` [a] and [b]. Output 0: the broadcast of all
// three: a where the condition holds, else b.
struct WhereProblem {
  DType dtype = DType::kF32;
  Shape condition = {}, a = {}, b = {};
};

// Input 0: `from` [shape]. Output 0: `to` [shape]. Types: float, double, float16, bfloat16, bool
// and the integers of 8 to 64 bits. Floats to integers truncate toward zero and saturate, NaN to 0;
// integers to narrower ones keep the low bits; anything to bool asks whether it is not 0; to
// float16 and bfloat16 values are rounded to nearest even, and overflow to infinity. The small
// types are converted as small_types.h says.
struct CastProblem {
  DType from = DType::kF32;
  DType to = DType::kF32;
  Shape shape = {};
  SmallRounding rounding = {};  // to the small types only
};

// dtype of the output.
DType OutputType(const UnaryProblem& problem);
DType OutputType(const BinaryProblem& problem);

// One operation an element, whatever the operator.
KernelCost CostOf(const UnaryProblem& problem);
KernelCost CostOf(const BinaryProblem& problem);
KernelCost CostOf(const WhereProblem& problem);
KernelCost CostOf(const CastProblem& problem);

// |difference| between a variant's f32 result at x and the exact one, `exact`. Operators that are
// exact, or correctly rounded by IEEE 754 arithmetic, get the half unit in the last place of that
// rounding. An infinite or NaN `exact` allows no difference.
double UnaryErrorBound(UnaryOp op, float x, double exact);

// The family's variants, best first. InvalidArgument for shapes that do not broadcast; Unsupported
// for dtypes that the operator does not take.
std::span<const KernelVariant<UnaryProblem>> UnaryVariants();
std::span<const KernelVariant<BinaryProblem>> BinaryVariants();
std::span<const KernelVariant<WhereProblem>> WhereVariants();
std::span<const KernelVariant<CastProblem>> CastVariants();

#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make)       \
  MadeKernel make(const UnaryProblem& problem, const MakeContext& context);  \
  MadeKernel make(const BinaryProblem& problem, const MakeContext& context); \
  MadeKernel make(const WhereProblem& problem, const MakeContext& context);  \
  MadeKernel make(const CastProblem& problem, const MakeContext& context);
#include "kernels/elementwise/elementwise_variants.inc"
#undef ERGO_KERNEL_VARIANT

}  // namespace ergo

#endif  // ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_H_
