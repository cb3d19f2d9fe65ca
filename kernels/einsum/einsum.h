// einsum: sums of products over labelled axes, in all generality:
//
//   D[o0, o1, ...] = sum over s0, s1, ... of the product of all operands X at those indices
//
// Every axis of the loop nest is a label; an operand says for each label how far apart its elements
// lie along it (0 where the label is not one of its axes, the sum of two strides on a diagonal).
// The first `output_labels` labels are D's axes, dense and row-major; the others are summed. Sizes
// may be 0; a sum of nothing is 0.
//
// Inputs of the kernel: the operands. Output: D. All of `dtype`: f32, f64, f16, bf16 or an integer
// of at least 8 bits. Aliasing: none. Alignment: that of the dtype.
//
// Arithmetic: floats accumulate in double and are rounded once; integers wrap around. Results do
// not depend on the number of workers.
// Thread safety: as any kernel (kernels/base/kernel.h).
//
// Equations that are a matrix product run as gemm (engine/plan/lower_einsum.cc); this is for the
// rest.
#ifndef ERGO_KERNELS_EINSUM_EINSUM_H_
#define ERGO_KERNELS_EINSUM_EINSUM_H_

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/base/kernel.h"

namespace ergo {

struct EinsumProblem {
  DType dtype = DType::kF32;
  std::vector<int64_t> sizes;  // of each label
  int output_labels = 0;       // the first ones
  struct Operand {
    int64_t elements = 0;
    std::vector<int64_t> strides;  // for each label, in elements
  };
  std::vector<Operand> operands;
};

// InvalidArgument for sizes and strides that make no sense or leave an operand, ResourceExhausted
// above the limits of kernels/base/limits.h.
Status CheckEinsum(const EinsumProblem& problem);

KernelCost CostOf(const EinsumProblem& problem);

// Best first, the reference last.
std::span<const KernelVariant<EinsumProblem>> EinsumVariants();

#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  MadeKernel make(const EinsumProblem& problem, const MakeContext& context);
#include "kernels/einsum/einsum_variants.inc"
#undef ERGO_KERNEL_VARIANT

}  // namespace ergo

#endif  // ERGO_KERNELS_EINSUM_EINSUM_H_
