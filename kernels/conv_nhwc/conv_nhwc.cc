#include "kernels/conv_nhwc/conv_nhwc.h"

namespace ergo {

std::string NhwcConvProblem::ToString() const {
  return fmt::format("{}{}", conv.ToString(), planar_input ? " planar input" : "");
}

Status CheckNhwcConv(const NhwcConvProblem& problem) {
  const ConvProblem& p = problem.conv;
  ERGO_RETURN_IF_ERROR(CheckConv(p));
  if (p.dtype != DType::kF32) return Unsupported("{} tensors", DTypeName(p.dtype));
  const Window& w = p.window;
  if (w.in[0] != 1 || w.kernel[0] != 1 || w.out[0] != 1) {
    return Unsupported("not two-dimensional: {}", w.ToString());
  }
  if (p.groups != 1 && !problem.IsDepthwise()) {
    return Unsupported("{} to {} channels in {} groups", p.in_channels, p.out_channels, p.groups);
  }
  if (problem.planar_input && p.groups != 1) return Unsupported("planes of a depthwise one");
  return {};
}

KernelCost CostOf(const NhwcConvProblem& problem) {
  return CostOf(problem.conv);
}

std::span<const KernelVariant<NhwcConvProblem>> NhwcConvVariants() {
  static constexpr KernelVariant<NhwcConvProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"conv_nhwc", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/conv_nhwc/conv_nhwc_variants.inc"
#undef ERGO_KERNEL_VARIANT
  };
  return kVariants;
}

}  // namespace ergo
