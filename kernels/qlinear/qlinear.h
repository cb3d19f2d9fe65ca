// Products of quantized operands: ONNX ConvInteger, QLinearConv and QLinearMatMul.
//
// q(x) stands for scale_x * (x - zero_x). Sums are exact in int32 (they wrap around). With
// `requantize` the result is round_half_even(sum * scale_x * scale_w / scale_y) + zero_y, saturated
// to the output's type, where the product of scales is computed in double; without, it is the sum.
//
// Absent operands are empty views: absent zero points are 0. Results do not depend on the number of
// workers.
#ifndef ERGO_KERNELS_QLINEAR_QLINEAR_H_
#define ERGO_KERNELS_QLINEAR_QLINEAR_H_

#include <span>

#include "kernels/base/kernel.h"
#include "kernels/base/window.h"

namespace ergo {

//   inputs  0 x (u8 or i8) [batch, in_channels, spatial...]   1 w [out_channels, in_channels /
//           groups, kernel...]   2 zero_x, scalar   3 zero_w, scalar or [out_channels]
//           with requantize: 4 scale_x   5 scale_w, scalar or [out_channels]   6 scale_y   7 zero_y
//           8 bias, int32 [out_channels], added to the sum
//   output  int32, or y_dtype (u8 or i8), [batch, out_channels, out...]
struct QConvProblem {
  DType x_dtype = DType::kU8, w_dtype = DType::kI8, y_dtype = DType::kI32;
  int64_t batch = 0, in_channels = 0, out_channels = 0, groups = 1;
  Window window;
  bool requantize = false;
};
KernelCost CostOf(const QConvProblem& problem);
std::span<const KernelVariant<QConvProblem>> QConvVariants();

//   inputs  0 a (u8 or i8) [batches of a, m, k]   1 b [batches of b, k, n]   2 zero_a, scalar or
//   one
//           a row   3 zero_b, scalar or one a column   4 scale_a   5 scale_b (each scalar or as its
//           zero point)   6 scale_y, scalar   7 zero_y, scalar
//   output  y_dtype (u8 or i8) [batch, m, n]
// Leading dimensions broadcast to `batch` as in MatMul.
struct QMatMulProblem {
  DType a_dtype = DType::kU8, b_dtype = DType::kI8, y_dtype = DType::kU8;
  Shape a, b, y;  // whole shapes, of rank 2 and more
};
KernelCost CostOf(const QMatMulProblem& problem);
std::span<const KernelVariant<QMatMulProblem>> QMatMulVariants();

}  // namespace ergo

#endif  // ERGO_KERNELS_QLINEAR_QLINEAR_H_
