// What the rows of qlinear_variants.inc call. For the family's own tables.
#ifndef ERGO_KERNELS_QLINEAR_QLINEAR_VARIANTS_H_
#define ERGO_KERNELS_QLINEAR_QLINEAR_VARIANTS_H_

#include "kernels/qlinear/qlinear.h"

namespace ergo {

MadeKernel MakeQLinearSimd(const QConvProblem& problem, const MakeContext& context);
MadeKernel MakeQLinearSimd(const QMatMulProblem& problem, const MakeContext& context);
MadeKernel MakeQLinearReference(const QConvProblem& problem, const MakeContext& context);
MadeKernel MakeQLinearReference(const QMatMulProblem& problem, const MakeContext& context);

}  // namespace ergo

#endif  // ERGO_KERNELS_QLINEAR_QLINEAR_VARIANTS_H_
