#include "kernels/conv_transpose/conv_transpose.h"

#include "kernels/base/function_kernel.h"
#include "kernels/base/real_access.h"

namespace ergo {
namespace {

// Each output element gathers what the input elements scatter to it, so that they are independent.
double Gather(const ConvTransposeProblem& p, const KernelArgs& args, int64_t b, int64_t oc,
              const Spatial& at) {
  const Window& w = p.window;
  const int64_t group_in = p.in_channels / p.groups, group_out = p.out_channels / p.groups;
  const int64_t first = oc / group_out * group_in;
  const int64_t taps = w.KernelElements(), plane = w.OutElements();
  double sum = 0;
  for (int64_t tap = 0; tap < taps; ++tap) {
    int64_t rest = tap, flat = 0, stride = 1;
    bool inside = true;
    for (size_t axis = kSpatialAxes; axis-- > 0 && inside;) {
      const int64_t k = rest % w.kernel[axis];
      rest /= w.kernel[axis];
      const int64_t start = at[axis] + w.pads_begin[axis] - k * w.dilations[axis];
      const int64_t index = start / w.strides[axis];
      inside = start >= 0 && start % w.strides[axis] == 0 && index < w.out[axis];
      flat += index * stride;
      stride *= w.out[axis];
    }
    if (!inside) continue;
    for (int64_t c = first; c < first + group_in; ++c) {
      sum += ReadReal(args.inputs[0], (b * p.in_channels + c) * plane + flat) *
             ReadReal(args.inputs[1], (c * group_out + oc % group_out) * taps + tap);
    }
  }
  return sum;
}

MadeKernel MakeConvTransposeReference(const ConvTransposeProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckWindow(problem.window));
  if (!IsFloatingPoint(problem.dtype) || !HasRealAccess(problem.dtype)) {
    return Unsupported("{} is not supported", DTypeName(problem.dtype));
  }
  return MakeFunctionKernel([p = problem](const KernelArgs& args) {
    const Spatial& out = p.window.in;
    const int64_t plane = p.window.InElements();
    args.parallel.Run(p.batch * p.out_channels, [&](int64_t index, int) {
      const int64_t b = index / p.out_channels, oc = index % p.out_channels;
      const double bias = p.bias ? ReadReal(args.inputs[2], oc) : 0;
      for (int64_t i = 0; i < plane; ++i) {
        const Spatial at = {i / (out[1] * out[2]), i / out[2] % out[1], i % out[2]};
        WriteReal(args.outputs[0], index * plane + i, bias + Gather(p, args, b, oc, at));
      }
    });
  });
}

constexpr KernelVariant<ConvTransposeProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"conv_transpose", name, device, dtypes, layout, needs}, make},
#include "kernels/conv_transpose/conv_transpose_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

}  // namespace

std::span<const KernelVariant<ConvTransposeProblem>> ConvTransposeVariants() {
  return kVariants;
}

KernelCost CostOf(const ConvTransposeProblem& p) {
  const int64_t in = p.batch * p.in_channels * p.window.OutElements();
  const int64_t out = p.batch * p.out_channels * p.window.InElements();
  const int64_t weights = p.in_channels * p.out_channels / p.groups * p.window.KernelElements();
  return {2 * in * p.out_channels / p.groups * p.window.KernelElements(),
          DTypeBytes(p.dtype, in + weights), DTypeBytes(p.dtype, out)};
}

}  // namespace ergo
