#include "kernels/pool/pool.h"

#include "kernels/base/checked_math.h"

namespace ergo {
namespace {

std::string_view KindName(PoolKind kind) {
  switch (kind) {
    case PoolKind::kMax: return "max";
    case PoolKind::kAverage: return "average";
    case PoolKind::kLp: return "lp";
  }
  return "?";
}

bool IsPoolDType(PoolKind kind, DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kF64:
    case DType::kF16:
    case DType::kBF16: return true;
    case DType::kI8:
    case DType::kU8: return kind == PoolKind::kMax;
    default: return false;
  }
}

}  // namespace

std::string PoolProblem::ToString() const {
  return fmt::format("{} {} {} planes {}", KindName(kind), DTypeName(dtype), planes,
                     window.ToString());
}

Status CheckPool(const PoolProblem& problem) {
  ERGO_RETURN_IF_ERROR(CheckWindow(problem.window));
  if (!IsPoolDType(problem.kind, problem.dtype)) {
    return Unsupported("{} pooling of {} tensors", KindName(problem.kind),
                       DTypeName(problem.dtype));
  }
  if (problem.kind == PoolKind::kLp && problem.p < 1) {
    return InvalidArgument("p is {}, but must be at least 1", problem.p);
  }
  if (problem.has_indices && problem.kind != PoolKind::kMax) {
    return InvalidArgument("only max pooling has indices");
  }
  for (const int64_t elements : {problem.window.InElements(), problem.window.OutElements()}) {
    const auto total = CheckedMul(problem.planes, elements);
    if (problem.planes < 0 || !total || *total > kMaxTensorElements) {
      return ResourceExhausted("{} planes of {} elements pass the limit of {}", problem.planes,
                               elements, kMaxTensorElements);
    }
  }
  return {};
}

KernelCost CostOf(const PoolProblem& problem) {
  const int64_t in = problem.planes * problem.window.InElements();
  const int64_t out = problem.planes * problem.window.OutElements();
  KernelCost cost;
  const Window& window = problem.window;
  cost.flops = SaturatingProduct<int64_t>({problem.planes, problem.kind == PoolKind::kLp ? 2 : 1,
                                           window.TapsInside(0), window.TapsInside(1),
                                           window.TapsInside(2)});
  cost.bytes_read = DTypeBytes(problem.dtype, in);
  cost.bytes_written =
      DTypeBytes(problem.dtype, out) + (problem.has_indices ? DTypeBytes(DType::kI64, out) : 0);
  return cost;
}

std::span<const KernelVariant<PoolProblem>> PoolVariants() {
  static constexpr KernelVariant<PoolProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"pool", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/pool/pool_variants.inc"
#undef ERGO_KERNEL_VARIANT
  };
  return kVariants;
}

double PoolErrorBound(const PoolProblem& problem, double magnitude) {
  if (problem.kind == PoolKind::kMax) return 0;
  constexpr double kUnit = 0x1p-24;
  // The division, or the root and its power, round a few times more.
  const double terms = static_cast<double>(problem.window.KernelElements()) + 8;
  return terms * kUnit / (1 - terms * kUnit) * magnitude;
}

}  // namespace ergo
