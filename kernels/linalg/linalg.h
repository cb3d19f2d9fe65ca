// Linear algebra beyond products: the determinant. ONNX Det.
#ifndef ERGO_KERNELS_LINALG_LINALG_H_
#define ERGO_KERNELS_LINALG_LINALG_H_

#include <span>

#include "kernels/base/kernel.h"

namespace ergo {

//   input 0   `dtype` [batch, n, n]
//   output 0  `dtype` [batch]
// By LU factorization with partial pivoting, in double; the determinant of a 0 x 0 matrix is 1.
struct DetProblem {
  DType dtype = DType::kF32;
  int64_t batch = 0, n = 0;
};
KernelCost CostOf(const DetProblem& problem);
std::span<const KernelVariant<DetProblem>> DetVariants();

}  // namespace ergo

#endif  // ERGO_KERNELS_LINALG_LINALG_H_
