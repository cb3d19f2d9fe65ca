#include "kernels/qgemm/qgemm.h"

namespace ergo {

Result<GemmProblem> QGemmGeometry(const QGemmProblem& problem) {
  for (const DType dtype : {problem.a_dtype, problem.b_dtype}) {
    if (dtype != DType::kU8 && dtype != DType::kI8) {
      return InvalidArgument("qgemm of {}", DTypeName(dtype));
    }
  }
  GemmProblem geometry{.dtype = DType::kI32, .m = problem.m, .n = problem.n, .k = problem.k};
  ERGO_RETURN_IF_ERROR(CheckGemm(geometry));
  ERGO_RETURN_IF_ERROR(geometry.SetBatches(problem.a_batch, problem.b_batch));
  ERGO_RETURN_IF_ERROR(CheckGemm(geometry));
  // One zero point a row is the same for all batches, as a bias would be.
  if (problem.a_zero == ZeroPoint::kVector) geometry.bias = GemmBias::kPerRow;
  CollapseBatches(geometry);
  return geometry;
}

KernelCost CostOf(const QGemmProblem& problem) {
  GemmProblem geometry{.dtype = DType::kI32, .m = problem.m, .n = problem.n, .k = problem.k};
  KernelCost cost;
  if (!geometry.SetBatches(problem.a_batch, problem.b_batch).ok()) return cost;
  const int64_t outputs = geometry.batch.Elements() * problem.m * problem.n;
  cost.flops = 2 * outputs * problem.k;
  cost.bytes_read = problem.a_batch.Elements() * problem.m * problem.k +
                    problem.b_batch.Elements() * problem.k * problem.n;
  cost.bytes_written = outputs * static_cast<int64_t>(sizeof(int32_t));
  return cost;
}

std::span<const KernelVariant<QGemmProblem>> QGemmVariants() {
  static constexpr KernelVariant<QGemmProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"qgemm", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/qgemm/qgemm_variants.inc"
#undef ERGO_KERNEL_VARIANT
  };
  return kVariants;
}

}  // namespace ergo
