// qgemm: integer matrix products of quantized operands (ONNX MatMulInteger):
//
//   D[b] = (A[b] - zero_a) x (B[b] - zero_b)                        for each batch index b
//
// Shapes: A[b] is m x k, B[b] is k x n, D is [batch..., m, n]; all dense and row-major. Sizes may
// be 0. Dtypes: A and its zero points u8 or i8, B and its zero points u8 or i8, D i32.
//
// Inputs of the kernel: A, B, zero_a, zero_b (absent where the problem has none; trailing absent
// ones may be left out). zero_a is one number or m (one a row), zero_b one number or n (one a
// column), the same for all batches. Output: D. Aliasing: none. Alignment: that of the dtypes.
//
// Arithmetic: exact in int32, wrapping around; all variants give the same bits.
// Thread safety: as any kernel (kernels/base/kernel.h).
#ifndef ERGO_KERNELS_QGEMM_QGEMM_H_
#define ERGO_KERNELS_QGEMM_QGEMM_H_

#include <array>
#include <cstdint>
#include <span>

#include "kernels/gemm/gemm.h"

namespace ergo {

enum class ZeroPoint : uint8_t {
  kNone,    // 0
  kScalar,  // one for the whole operand
  kVector,  // one for each row of A, or each column of B
};

struct QGemmProblem {
  DType a_dtype = DType::kU8, b_dtype = DType::kU8;
  int64_t m = 0, n = 0, k = 0;
  // Batch dimensions of A and of B, which broadcast as NumPy's do.
  Shape a_batch{}, b_batch{};
  ZeroPoint a_zero = ZeroPoint::kNone, b_zero = ZeroPoint::kNone;
  // B, if it is known when the kernel is made, which then packs it once; null otherwise. The memory
  // outlives the kernel, and Run is passed the same bytes.
  const void* constant_b = nullptr;
};

// Sizes, batches and strides of the product, as gemm describes them, collapsed as far as the zero
// points allow. InvalidArgument for sizes and dtypes that make no sense. Every variant's make
// begins with it.
Result<GemmProblem> QGemmGeometry(const QGemmProblem& problem);

KernelCost CostOf(const QGemmProblem& problem);

// Best first, the reference last.
std::span<const KernelVariant<QGemmProblem>> QGemmVariants();

#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  MadeKernel make(const QGemmProblem& problem, const MakeContext& context);
#include "kernels/qgemm/qgemm_variants.inc"
#undef ERGO_KERNEL_VARIANT

}  // namespace ergo

#endif  // ERGO_KERNELS_QGEMM_QGEMM_H_
