#include "kernels/conv/conv.h"

#include <utility>

#include "kernels/base/checked_math.h"

namespace ergo {
namespace {

// Product of non-negative sizes, or nullopt above the limit of one tensor.
std::optional<int64_t> Elements(std::initializer_list<int64_t> sizes) {
  int64_t product = 1;
  for (const int64_t size : sizes) {
    const auto next = CheckedMul(product, size);
    if (!next || *next > kMaxTensorElements) return std::nullopt;
    product = *next;
  }
  return product;
}

Status CheckElements(const ConvProblem& p) {
  const Window& w = p.window;
  const std::pair<std::string_view, std::optional<int64_t>> operands[] = {
      {"input", Elements({p.batch, p.in_channels, w.InElements()})},
      {"weights", Elements({p.out_channels, p.GroupInChannels(), w.KernelElements()})},
      {"output", Elements({p.batch, p.out_channels, w.OutElements()})},
  };
  for (const auto& [name, elements] : operands) {
    if (!elements) {
      return ResourceExhausted("the {} of a convolution has more than {} elements", name,
                               kMaxTensorElements);
    }
  }
  return {};
}

}  // namespace

std::string ConvProblem::ToString() const {
  return fmt::format(
      "{} n{} g{} c{} m{} {}{}{}{}", DTypeName(dtype), batch, groups, in_channels, out_channels,
      window.ToString(), has_bias ? " bias" : "", has_residual ? " residual" : "",
      activation.kind == Activation::kNone ? ""
                                           : fmt::format(" {}", ActivationName(activation.kind)));
}

Status CheckConv(const ConvProblem& problem) {
  ERGO_RETURN_IF_ERROR(CheckWindow(problem.window));
  if (problem.batch < 0 || problem.in_channels < 0 || problem.out_channels < 0 ||
      problem.groups < 1) {
    return InvalidArgument("a convolution of {} images, {} to {} channels in {} groups",
                           problem.batch, problem.in_channels, problem.out_channels,
                           problem.groups);
  }
  if (problem.in_channels % problem.groups != 0 || problem.out_channels % problem.groups != 0) {
    return InvalidArgument("{} to {} channels do not divide into {} groups", problem.in_channels,
                           problem.out_channels, problem.groups);
  }
  for (size_t axis = 0; axis < kSpatialAxes; ++axis) {
    if (problem.window.out[axis] != problem.window.FittingOut(axis)) {
      return InvalidArgument("{} outputs on axis {} where {} windows fit", problem.window.out[axis],
                             axis, problem.window.FittingOut(axis));
    }
  }
  switch (problem.dtype) {
    case DType::kF32:
    case DType::kF64:
    case DType::kF16:
    case DType::kBF16: break;
    default: return Unsupported("convolution of {}", DTypeName(problem.dtype));
  }
  return CheckElements(problem);
}

KernelCost CostOf(const ConvProblem& problem) {
  const int64_t out = problem.OutputElements();
  KernelCost cost;
  const Window& window = problem.window;
  // What is padding need not be multiplied.
  cost.flops = SaturatingProduct<int64_t>({2, problem.batch, problem.out_channels,
                                           problem.GroupInChannels(), window.TapsInside(0),
                                           window.TapsInside(1), window.TapsInside(2)});
  cost.bytes_read = DTypeBytes(problem.dtype, problem.InputElements()) +
                    DTypeBytes(problem.dtype, problem.WeightElements()) +
                    DTypeBytes(problem.dtype, problem.has_bias ? problem.out_channels : 0) +
                    DTypeBytes(problem.dtype, problem.has_residual ? out : 0);
  cost.bytes_written = DTypeBytes(problem.dtype, out);
  return cost;
}

double ConvErrorBound(const ConvProblem& problem, double magnitude) {
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
  return slope * static_cast<double>(problem.Depth() + 8) * accumulator * magnitude +
         ActivationErrorBound(problem.activation, magnitude) +
         result * (slope * magnitude + smallest);
}

std::span<const KernelVariant<ConvProblem>> ConvVariants() {
  static constexpr KernelVariant<ConvProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"conv", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/conv/conv_variants.inc"
#undef ERGO_KERNEL_VARIANT
  };
  return kVariants;
}

}  // namespace ergo
