// gemm: matrix products with everything that likes to follow one.
//
//   D[b] = activation(alpha A[b] x B[b] + beta bias + residual[b])       for each batch index b
//
// Shapes: A[b] is m x k (stored k x m if trans_a), B[b] is k x n (stored n x k if trans_b), D is
// dense, [batch..., m, n]. The bias is the same for all batches; the residual has D's shape.
// Sizes may be 0: with k = 0 the product is 0, and bias, residual and activation still apply.
//
// Layout: row-major. The rows of a stored matrix of A or B lie `row_stride` elements apart; the
// matrices of a batch lie where `batch_strides` puts them (0 broadcasts), so that permuted and
// broadcast operands need no copy.
//
// Dtypes: all operands have the one `dtype`: f32, f64, f16, bf16, i32, i64, u32 or u64. Integers
// wrap around; their alpha and beta must be whole numbers, their activation kNone or kRelu.
//
// Inputs of the kernel: A, B, bias, residual (the last two absent where the problem has none;
// trailing absent ones may be left out). Output: D. Aliasing: D may be the residual's memory, and
// nothing else. Alignment: that of the dtype.
//
// Arithmetic: the reference accumulates f32 and f64 in double, f16 and bf16 in float; the other
// variants accumulate f32 in float, in order of k within blocks of k. An element of D is computed
// by the same operations in the same order whatever the number of workers, so that results are
// bit-stable across workers; across variants and SIMD targets they differ within GemmErrorBound.
// NaN and infinity propagate, but for the onednn variant, whose kRelu and kClip lose NaN.
//
// Thread safety: as any kernel (kernels/base/kernel.h).
// Sources: Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, ACM TOMS 34
// (2008); Van Zee and van de Geijn, BLIS, ACM TOMS 41 (2015).
#ifndef ERGO_KERNELS_GEMM_GEMM_H_
#define ERGO_KERNELS_GEMM_GEMM_H_

#include <array>
#include <cstdint>
#include <span>

#include "kernels/base/activation.h"
#include "kernels/base/kernel.h"

namespace ergo {

enum class GemmBias : uint8_t {
  kNone,
  kScalar,     // one element
  kPerColumn,  // n elements: bias[j] is added to column j
  kPerRow,     // m elements: bias[i] is added to row i
  kFull,       // m x n elements
};

// The default is what plain matrices need: GemmProblem{.m = 4, .n = 5, .k = 6}.
struct GemmProblem {
  DType dtype = DType::kF32;
  int64_t m = 0, n = 0, k = 0;
  bool trans_a = false, trans_b = false;

  // D's batch dimensions; rank 0 for a single product.
  Shape batch{};
  // Elements between the matrices of A and of B along each axis of `batch`, >= 0.
  std::array<int64_t, kMaxRank> a_batch_strides{}, b_batch_strides{};
  // Elements between neighbouring rows of a stored matrix; 0 means dense.
  int64_t a_row_stride = 0, b_row_stride = 0;

  float alpha = 1;  // of the product
  float beta = 1;   // of the bias
  GemmBias bias = GemmBias::kNone;
  bool residual = false;
  ActivationSpec activation{};

  // Operands known when the kernel is made, which then packs them once; null otherwise. The memory
  // outlives the kernel, and Run is passed the same bytes.
  const void* constant_a = nullptr;
  const void* constant_b = nullptr;

  // Fills batch, a_batch_strides and b_batch_strides for dense operands whose batch dimensions
  // broadcast as NumPy's do. Call it after m, n, k. InvalidArgument when they do not fit.
  Status SetBatches(const Shape& a_batch, const Shape& b_batch);

  int64_t ARowStride() const { return a_row_stride > 0 ? a_row_stride : trans_a ? m : k; }
  int64_t BRowStride() const { return b_row_stride > 0 ? b_row_stride : trans_b ? k : n; }
};

// Where the matrices of one batch index begin, in elements.
struct GemmOffsets {
  int64_t a = 0, b = 0, d = 0;
};
GemmOffsets GemmOffsetsOf(const GemmProblem& problem, int64_t batch_index);

// InvalidArgument for sizes, strides, dtypes or parameters that make no sense. Every variant's make
// begins with it.
Status CheckGemm(const GemmProblem& problem);

// Makes rows of the innermost batch axes, as far as they share B and follow each other in A, and as
// the bias allows: weights then see one tall product. Everything keeps its place in memory.
void CollapseBatches(GemmProblem& problem);

// The same product in the form that variants like best: batches that share B and follow each other
// in A become rows, a single column becomes a single row. Bias, residual and D keep their bytes.
// `swapped` says that A and B (constants included) have changed places.
struct CanonicalGemm {
  GemmProblem problem;
  bool swapped = false;
};
CanonicalGemm Canonicalize(const GemmProblem& problem);

KernelCost CostOf(const GemmProblem& problem);

// |error| of one element of D against exact arithmetic, for every variant, where `magnitude` is
// |alpha| sum_k |a_ik| |b_kj| + |beta bias| + |residual| of that element:
//   slope (k + 8) eps magnitude + the activation's own error + rounding to the dtype.
// 0 for integers.
double GemmErrorBound(const GemmProblem& problem, double magnitude);

// Best first, the reference last.
std::span<const KernelVariant<GemmProblem>> GemmVariants();

#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  MadeKernel make(const GemmProblem& problem, const MakeContext& context);
#include "kernels/gemm/gemm_variants.inc"
#undef ERGO_KERNEL_VARIANT

}  // namespace ergo

#endif  // ERGO_KERNELS_GEMM_GEMM_H_
