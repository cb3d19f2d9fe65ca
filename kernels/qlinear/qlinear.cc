#include "kernels/qlinear/qlinear.h"

#include <algorithm>

namespace ergo {

std::span<const KernelVariant<QConvProblem>> QConvVariants() {
  static constexpr KernelVariant<QConvProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"qconv", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/qlinear/qconv_variants.inc"
#undef ERGO_KERNEL_VARIANT
  };
  return kVariants;
}

std::span<const KernelVariant<QMatMulProblem>> QMatMulVariants() {
  static constexpr KernelVariant<QMatMulProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"qmatmul", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/qlinear/qmatmul_variants.inc"
#undef ERGO_KERNEL_VARIANT
  };
  return kVariants;
}

std::span<const KernelVariant<QAddProblem>> QAddVariants() {
  static constexpr KernelVariant<QAddProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"qadd", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/qlinear/qadd_variants.inc"
#undef ERGO_KERNEL_VARIANT
  };
  return kVariants;
}

Status CheckQAdd(const QAddProblem& problem) {
  ERGO_RETURN_IF_ERROR(CheckEpilogue(problem.epilogue));
  if ((problem.a_dtype != DType::kU8 && problem.a_dtype != DType::kI8) ||
      problem.epilogue.residual == DType::kUndefined || problem.epilogue.y == DType::kI32 ||
      problem.epilogue.bias != DType::kUndefined) {
    return Unsupported("{} + {} -> {}", DTypeName(problem.a_dtype),
                       DTypeName(problem.epilogue.residual), DTypeName(problem.epilogue.y));
  }
  return {};
}

bool WeightsFitBytes(const QConvProblem& problem) {
  const int64_t each = problem.weights.Elements() / std::max<int64_t>(problem.out_channels, 1);
  const int32_t flip = problem.w_dtype == DType::kI8 ? 0x80 : 0;
  const auto* bytes = static_cast<const uint8_t*>(problem.weights.data);
  for (int64_t channel = 0; channel < problem.out_channels; ++channel, bytes += each) {
    const auto zero = static_cast<int32_t>(QNumber(problem.zero_w, channel, 0));
    int32_t low = 0, high = 0;
    for (int64_t i = 0; i < each; ++i) {
      const int32_t value = (bytes[i] ^ flip) - flip - zero;
      low = std::min(low, value);
      high = std::max(high, value);
    }
    if (low < -128 || high > 127) return false;
  }
  return true;
}

KernelCost CostOf(const QAddProblem& p) {
  return {4 * p.elements, p.elements + EpilogueBytes(p.epilogue, p.elements, 0),
          DTypeBytes(p.epilogue.y, p.elements)};
}

KernelCost CostOf(const QConvProblem& p) {
  const int64_t out = p.batch * p.out_channels * p.window.OutElements();
  const int64_t per_group = p.in_channels / p.groups;
  const int64_t weights = p.out_channels * per_group * p.window.KernelElements();
  return {2 * out * per_group * p.window.KernelElements(),
          p.batch * p.in_channels * p.window.InElements() + weights +
              EpilogueBytes(p.epilogue, out, p.out_channels),
          DTypeBytes(p.epilogue.y, out)};
}

KernelCost CostOf(const QMatMulProblem& p) {
  const int64_t out = p.y.Elements();
  return {2 * out * p.a[p.a.Rank() - 1],
          p.a.Elements() + p.b.Elements() + EpilogueBytes(p.epilogue, out, p.y[p.y.Rank() - 1]),
          DTypeBytes(p.epilogue.y, out)};
}

}  // namespace ergo
