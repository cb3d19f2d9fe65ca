#include "kernels/gemm/gemm.h"

#include <cmath>
#include <utility>

#include "kernels/base/checked_math.h"

namespace ergo {
namespace {

Status CheckSizes(const GemmProblem& p) {
  if (p.m < 0 || p.n < 0 || p.k < 0) {
    return InvalidArgument("gemm of negative size: m {}, n {}, k {}", p.m, p.n, p.k);
  }
  const std::pair<int64_t, int64_t> stored[] = {
      {p.trans_a ? p.k : p.m, p.ARowStride()},
      {p.trans_b ? p.n : p.k, p.BRowStride()},
      {p.m, p.n},
      {p.batch.Elements(), p.m * p.n},
  };
  for (const auto& [rows, stride] : stored) {
    const auto elements = CheckedMul(rows, stride);
    if (!elements || *elements > kMaxTensorElements) {
      return ResourceExhausted("gemm operand of {} x {} elements is above the limit", rows, stride);
    }
  }
  if (p.a_row_stride < 0 || p.b_row_stride < 0 || p.ARowStride() < (p.trans_a ? p.m : p.k) ||
      p.BRowStride() < (p.trans_b ? p.k : p.n)) {
    return InvalidArgument("gemm rows overlap: row strides {} and {}", p.a_row_stride,
                           p.b_row_stride);
  }
  for (size_t axis = 0; axis < static_cast<size_t>(p.batch.Rank()); ++axis) {
    for (const int64_t stride : {p.a_batch_strides[axis], p.b_batch_strides[axis]}) {
      if (stride < 0 || stride > kMaxTensorElements) {
        return InvalidArgument("gemm batch stride {}", stride);
      }
    }
  }
  return {};
}

// Strides, along the axes of `batch`, of dense matrices of `elements` whose batch is `own`.
std::array<int64_t, kMaxRank> BatchStrides(const Shape& batch, const Shape& own, int64_t elements) {
  std::array<int64_t, kMaxRank> strides{};
  int64_t stride = elements;
  for (int axis = own.Rank() - 1; axis >= 0; --axis) {
    const int target = axis + batch.Rank() - own.Rank();
    if (own[axis] != 1) strides[static_cast<size_t>(target)] = stride;
    stride *= own[axis];
  }
  return strides;
}

// A single row stored as a column of stride 1 is a row.
void NormalizeRowA(GemmProblem& p) {
  if (p.m == 1 && p.trans_a && p.ARowStride() == 1) {
    p.trans_a = false;
    p.a_row_stride = p.k;
  }
}

void SwapColumnToRow(GemmProblem& p) {
  const int64_t a_row_stride = p.ARowStride();
  const int64_t b_row_stride = p.BRowStride();
  std::swap(p.m, p.n);
  const bool trans_a = p.trans_a;
  p.trans_a = !p.trans_b;
  p.trans_b = !trans_a;
  p.a_row_stride = b_row_stride;
  p.b_row_stride = a_row_stride;
  std::swap(p.a_batch_strides, p.b_batch_strides);
  std::swap(p.constant_a, p.constant_b);
  if (p.bias == GemmBias::kPerColumn) {
    p.bias = GemmBias::kPerRow;
  } else if (p.bias == GemmBias::kPerRow) {
    p.bias = GemmBias::kPerColumn;
  }
}

void DropLastBatchAxis(GemmProblem& p) {
  p.batch = Shape(p.batch.Dims().first(static_cast<size_t>(p.batch.Rank() - 1)));
}

// Makes rows of the innermost batch axis where that leaves every byte where it is.
bool CollapseLastBatchAxis(GemmProblem& p) {
  const auto axis = static_cast<size_t>(p.batch.Rank() - 1);
  const int64_t count = p.batch[p.batch.Rank() - 1];
  if (count == 1) {
    DropLastBatchAxis(p);
    return true;
  }
  const int64_t row_stride = p.m == 1 ? p.a_batch_strides[axis] : p.ARowStride();
  const bool rows_follow = !p.trans_a && row_stride >= p.k && row_stride > 0 &&
                           p.a_batch_strides[axis] == p.m * row_stride;
  const bool bias_repeats = p.bias != GemmBias::kPerRow && p.bias != GemmBias::kFull;
  if (count == 0 || p.b_batch_strides[axis] != 0 || !rows_follow || !bias_repeats) return false;
  p.a_row_stride = row_stride;
  p.m *= count;
  DropLastBatchAxis(p);
  return true;
}

}  // namespace

Status GemmProblem::SetBatches(const Shape& a_batch, const Shape& b_batch) {
  ERGO_ASSIGN_OR_RETURN(batch, BroadcastShapes(a_batch, b_batch));
  a_batch_strides = BatchStrides(batch, a_batch, m * k);
  b_batch_strides = BatchStrides(batch, b_batch, k * n);
  return {};
}

GemmOffsets GemmOffsetsOf(const GemmProblem& problem, int64_t batch_index) {
  GemmOffsets offsets;
  offsets.d = batch_index * problem.m * problem.n;
  for (int axis = problem.batch.Rank() - 1; axis >= 0; --axis) {
    const int64_t index = batch_index % problem.batch[axis];
    batch_index /= problem.batch[axis];
    offsets.a += index * problem.a_batch_strides[static_cast<size_t>(axis)];
    offsets.b += index * problem.b_batch_strides[static_cast<size_t>(axis)];
  }
  return offsets;
}

Status CheckGemm(const GemmProblem& problem) {
  ERGO_RETURN_IF_ERROR(CheckSizes(problem));
  switch (problem.dtype) {
    case DType::kF32:
    case DType::kF64:
    case DType::kF16:
    case DType::kBF16: return {};
    case DType::kI32:
    case DType::kI64:
    case DType::kU32:
    case DType::kU64: break;
    default: return Unsupported("gemm of {}", DTypeName(problem.dtype));
  }
  constexpr float kExactBelow = 0x1p24f;
  for (const float factor : {problem.alpha, problem.beta}) {
    if (factor != std::trunc(factor) || std::abs(factor) > kExactBelow) {
      return Unsupported("gemm of {} scaled by {}", DTypeName(problem.dtype), factor);
    }
  }
  if (problem.activation.kind != Activation::kNone &&
      problem.activation.kind != Activation::kRelu) {
    return Unsupported("gemm of {} with {}", DTypeName(problem.dtype),
                       ActivationName(problem.activation.kind));
  }
  return {};
}

void CollapseBatches(GemmProblem& problem) {
  while (problem.batch.Rank() > 0 && CollapseLastBatchAxis(problem)) {
  }
}

CanonicalGemm Canonicalize(const GemmProblem& problem) {
  CanonicalGemm canonical{problem, false};
  GemmProblem& p = canonical.problem;
  NormalizeRowA(p);
  CollapseBatches(p);
  if (p.n == 1 && p.m > 1) {
    SwapColumnToRow(p);
    canonical.swapped = true;
    NormalizeRowA(p);
  }
  return canonical;
}

KernelCost CostOf(const GemmProblem& problem) {
  const int64_t size = DTypeBytes(problem.dtype, 1);
  int64_t a_count = 1, b_count = 1;
  for (int axis = 0; axis < problem.batch.Rank(); ++axis) {
    const auto i = static_cast<size_t>(axis);
    if (problem.a_batch_strides[i] != 0) a_count *= problem.batch[axis];
    if (problem.b_batch_strides[i] != 0) b_count *= problem.batch[axis];
  }
  const int64_t d = problem.batch.Elements() * problem.m * problem.n;
  KernelCost cost;
  cost.flops = 2 * d * problem.k;
  cost.bytes_read = size * (a_count * problem.m * problem.k + b_count * problem.k * problem.n);
  switch (problem.bias) {
    case GemmBias::kNone: break;
    case GemmBias::kScalar: cost.bytes_read += size; break;
    case GemmBias::kPerColumn: cost.bytes_read += size * problem.n; break;
    case GemmBias::kPerRow: cost.bytes_read += size * problem.m; break;
    case GemmBias::kFull: cost.bytes_read += size * problem.m * problem.n; break;
  }
  if (problem.residual) cost.bytes_read += size * d;
  cost.bytes_written = size * d;
  return cost;
}

double GemmErrorBound(const GemmProblem& problem, double magnitude) {
  if (!IsFloatingPoint(problem.dtype)) return 0;
  double accumulator = 0x1p-24, result = 0x1p-24, smallest = 0x1p-126;
  if (problem.dtype == DType::kF64) {
    accumulator = result = 0x1p-53;
    smallest = 0x1p-1022;
  } else if (problem.dtype == DType::kF16) {
    result = 0x1p-11;
    smallest = 0x1p-14;
  } else if (problem.dtype == DType::kBF16) {
    result = 0x1p-8;
  }
  const double slope = ActivationSlope(problem.activation);
  return slope * static_cast<double>(problem.k + 8) * accumulator * magnitude +
         ActivationErrorBound(problem.activation, magnitude) +
         result * (slope * magnitude + smallest);
}

std::span<const KernelVariant<GemmProblem>> GemmVariants() {
  static constexpr KernelVariant<GemmProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"gemm", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/gemm/gemm_variants.inc"
#undef ERGO_KERNEL_VARIANT
  };
  return kVariants;
}

}  // namespace ergo
