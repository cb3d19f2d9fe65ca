#include "kernels/conv/conv_pair.h"

#include <memory>
#include <utility>

namespace ergo {
namespace {

// The two references, with the expanded tensor in the workspace.
class ConvPairReference final : public Kernel {
 public:
  ConvPairReference(const ConvPairProblem& problem, std::unique_ptr<Kernel> expand,
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

  ConvPairProblem problem_;
  std::unique_ptr<Kernel> expand_, depthwise_;
};

}  // namespace

Status CheckConvPair(const ConvPairProblem& problem) {
  const ConvProblem &first = problem.expand, &second = problem.depthwise;
  ERGO_RETURN_IF_ERROR(CheckConv(first));
  ERGO_RETURN_IF_ERROR(CheckConv(second));
  if (first.dtype != DType::kF32 || second.dtype != DType::kF32) {
    return Unsupported("pairs of {}", DTypeName(first.dtype));
  }
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

KernelCost CostOf(const ConvPairProblem& problem) {
  const KernelCost first = CostOf(problem.expand), second = CostOf(problem.depthwise);
  KernelCost cost;
  cost.flops = first.flops + second.flops;
  cost.bytes_read = first.bytes_read + second.bytes_read - first.bytes_written;
  cost.bytes_written = second.bytes_written;
  return cost;
}

MadeKernel MakeConvPairReference(const ConvPairProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckConvPair(problem));
  ERGO_ASSIGN_OR_RETURN(auto expand, MakeConvReference(problem.expand, context));
  ERGO_ASSIGN_OR_RETURN(auto depthwise, MakeConvReference(problem.depthwise, context));
  return MadeKernel(
      std::make_unique<ConvPairReference>(problem, std::move(expand), std::move(depthwise)));
}

std::span<const KernelVariant<ConvPairProblem>> ConvPairVariants() {
  static constexpr KernelVariant<ConvPairProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"conv_pair", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/conv/conv_pair_variants.inc"
#undef ERGO_KERNEL_VARIANT
  };
  return kVariants;
}

}  // namespace ergo
