#include "kernels/conv_nhwc/expand_depthwise.h"

#include <memory>
#include <utility>

namespace ergo {
namespace {

// The two references, with the expanded tensor in the workspace.
class ExpandDepthwiseReference final : public Kernel {
 public:
  ExpandDepthwiseReference(const ExpandDepthwiseProblem& problem, std::unique_ptr<Kernel> expand,
                           std::unique_ptr<Kernel> depthwise)
      : problem_(problem), expand_(std::move(expand)), depthwise_(std::move(depthwise)) {}

  size_t WorkspaceBytes() const override {
    return static_cast<size_t>(problem_.expand.OutputElements()) * sizeof(float);
  }

  void Run(const KernelArgs& args) const override {
    const MutableTensorView hidden{args.workspace.data(), DType::kF32, Device::kCpu,
                                   Shape{problem_.expand.OutputElements()}};
    const TensorView first[] = {args.inputs[0], args.inputs[1], Bias(args, 2), {}};
    expand_->Run({first, {&hidden, 1}, {}, args.parallel});
    const TensorView second[] = {hidden, args.inputs[3], Bias(args, 4), {}};
    depthwise_->Run({second, args.outputs, {}, args.parallel});
  }

 private:
  static TensorView Bias(const KernelArgs& args, size_t i) {
    return i < args.inputs.size() ? args.inputs[i] : TensorView();
  }

  ExpandDepthwiseProblem problem_;
  std::unique_ptr<Kernel> expand_, depthwise_;
};

}  // namespace

Status CheckExpandDepthwise(const ExpandDepthwiseProblem& problem) {
  const ConvProblem &first = problem.expand, &second = problem.depthwise;
  ERGO_RETURN_IF_ERROR(CheckNhwcConv({first}));
  ERGO_RETURN_IF_ERROR(CheckNhwcConv({second}));
  if (!first.window.IsPointwise() || first.groups != 1 || second.GroupInChannels() != 1 ||
      second.out_channels != second.in_channels || first.has_residual || second.has_residual) {
    return InvalidArgument("not a pointwise and a depthwise convolution: {} and {}",
                           first.ToString(), second.ToString());
  }
  if (first.out_channels != second.in_channels || first.batch != second.batch ||
      first.window.out != second.window.in) {
    return InvalidArgument("{} gives not what {} takes", first.ToString(), second.ToString());
  }
  return {};
}

KernelCost CostOf(const ExpandDepthwiseProblem& problem) {
  const KernelCost first = CostOf(problem.expand), second = CostOf(problem.depthwise);
  KernelCost cost;
  cost.flops = first.flops + second.flops;
  cost.bytes_read = first.bytes_read + second.bytes_read - first.bytes_written;
  cost.bytes_written = second.bytes_written;
  return cost;
}

MadeKernel MakeExpandDepthwiseReference(const ExpandDepthwiseProblem& problem,
                                        const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckExpandDepthwise(problem));
  ERGO_ASSIGN_OR_RETURN(auto expand, MakeNhwcConvReference({problem.expand}, context));
  ERGO_ASSIGN_OR_RETURN(auto depthwise, MakeNhwcConvReference({problem.depthwise}, context));
  return MadeKernel(
      std::make_unique<ExpandDepthwiseReference>(problem, std::move(expand), std::move(depthwise)));
}

std::span<const KernelVariant<ExpandDepthwiseProblem>> ExpandDepthwiseVariants() {
  static constexpr KernelVariant<ExpandDepthwiseProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"expand_depthwise", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/conv_nhwc/expand_depthwise_variants.inc"
#undef ERGO_KERNEL_VARIANT
  };
  return kVariants;
}

}  // namespace ergo
