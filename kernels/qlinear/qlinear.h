// Products of quantized operands: ONNX ConvInteger, QLinearConv and QLinearMatMul, and what passes
// make of convolutions, matrix products and sums between quantized tensors.
//
// q(x) stands for scale_x * (x - zero_x). Sums of (x - zero_x) * (w - zero_w) are exact in int32
// (they wrap around); padding is zero_x. What follows is in kernels/qlinear/epilogue.h.
//
// Absent operands are empty views: absent zero points are 0. Results do not depend on the number of
// workers.
#ifndef ERGO_KERNELS_QLINEAR_QLINEAR_H_
#define ERGO_KERNELS_QLINEAR_QLINEAR_H_

#include <span>

#include "kernels/base/kernel.h"
#include "kernels/base/window.h"
#include "kernels/qlinear/epilogue.h"

namespace ergo {

//   inputs  0 x (u8 or i8) [batch, in_channels, spatial...]   1 w [out_channels, in_channels /
//           groups, kernel...]   2 zero_x, scalar   3 zero_w, scalar or [out_channels]
//           4 scale_x   5 scale_w, scalar or [out_channels]   6 scale_y   7 zero_y
//           8 bias [out_channels]   9 residual   10 scale_z   11 zero_z
//   output  epilogue.y, [batch, out_channels, out...]
struct QConvProblem {
  DType x_dtype = DType::kU8, w_dtype = DType::kI8;
  QEpilogue epilogue;
  int64_t batch = 0, in_channels = 0, out_channels = 0, groups = 1;
  Window window;
  // Operands known when the kernel is made, or empty; they outlive it. The SIMD variant needs both:
  // zero_w is then present also where the operand is absent, with zeros.
  TensorView weights, zero_w;
};
KernelCost CostOf(const QConvProblem& problem);
// Whether all weights less their zero points, both known, are signed bytes.
bool WeightsFitBytes(const QConvProblem& problem);
std::span<const KernelVariant<QConvProblem>> QConvVariants();

//   inputs  0 a (u8 or i8) [batches of a, m, k]   1 b [batches of b, k, n]   2 zero_a, scalar or
//           one a row   3 zero_b, scalar or one a column   4 scale_a   5 scale_b (each scalar or as
//           its zero point)   6 scale_y, scalar   7 zero_y, scalar
//           8 bias [n]   9 residual   10 scale_z   11 zero_z
//   output  epilogue.y [batch, m, n]
// Leading dimensions broadcast to `batch` as in MatMul.
struct QMatMulProblem {
  DType a_dtype = DType::kU8, b_dtype = DType::kI8;
  QEpilogue epilogue;
  Shape a, b, y;  // whole shapes, of rank 2 and more
  // Whether there is a scale or a zero point for each row of a; else at most one for all of it.
  bool a_per_row = false;
  int64_t b_zeros = 0;            // elements of zero_b, 0 when absent
  const void* weights = nullptr;  // b, where it is known when the kernel is made, which it outlives
};
KernelCost CostOf(const QMatMulProblem& problem);
std::span<const KernelVariant<QMatMulProblem>> QMatMulVariants();

//   inputs  0 a (u8 or i8)   2 zero_a   4 scale_a   6 scale_y   7 zero_y   9 b, the epilogue's
//           residual   10 scale_b   11 zero_b; the others are absent. a, b and y have one shape.
//   output  epilogue.y: of a - zero_a as the sum, scale_w being 1
struct QAddProblem {
  DType a_dtype = DType::kU8;
  QEpilogue epilogue;  // with a residual and without a bias; y is not kI32
  int64_t elements = 0;
};
Status CheckQAdd(const QAddProblem& problem);
KernelCost CostOf(const QAddProblem& problem);
std::span<const KernelVariant<QAddProblem>> QAddVariants();

#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  MadeKernel make(const QAddProblem& problem, const MakeContext& context);
#include "kernels/qlinear/qadd_variants.inc"
#undef ERGO_KERNEL_VARIANT
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  MadeKernel make(const QConvProblem& problem, const MakeContext& context);
#include "kernels/qlinear/qconv_variants.inc"
#undef ERGO_KERNEL_VARIANT
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  MadeKernel make(const QMatMulProblem& problem, const MakeContext& context);
#include "kernels/qlinear/qmatmul_variants.inc"
#undef ERGO_KERNEL_VARIANT

}  // namespace ergo

#endif  // ERGO_KERNELS_QLINEAR_QLINEAR_H_
