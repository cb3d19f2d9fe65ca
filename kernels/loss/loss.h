// Losses. ONNX NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss, opset 12 and later.
//
// Operands are dense and row-major:
//   input 0   `dtype` [batch, classes, inner]: log-probabilities, or scores (softmax_first)
//   input 1   int32 or int64 [batch, inner]: the right class of each; outside [0, classes) and not
//             ignore_index it contributes nothing
//   input 2   `dtype` [classes] weights, or absent
//   output 0  `dtype` [batch, inner] (kNone) or one element
//   output 1  `dtype` [batch, classes, inner]: the log-probabilities (softmax_first only), or
//   absent
// kMean divides by the sum of the weights used. Arithmetic: in double, rounded once.
#ifndef ERGO_KERNELS_LOSS_LOSS_H_
#define ERGO_KERNELS_LOSS_LOSS_H_

#include <span>

#include "kernels/base/kernel.h"

namespace ergo {

struct LossProblem {
  DType dtype = DType::kF32, target_dtype = DType::kI64;
  int64_t batch = 0, classes = 0, inner = 1;
  enum class Reduction { kNone, kSum, kMean };
  Reduction reduction = Reduction::kMean;
  bool softmax_first = false;
  bool has_ignore_index = false;
  int64_t ignore_index = 0;
};

KernelCost CostOf(const LossProblem& problem);
std::span<const KernelVariant<LossProblem>> LossVariants();

}  // namespace ergo

#endif  // ERGO_KERNELS_LOSS_LOSS_H_
