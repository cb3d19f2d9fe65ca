// Convolution through cuDNN's graphs, with bias, residual and Relu in the same kernel; other
// activations are an elementwise program over the result.
#include <array>
#include <utility>

#include "kernels/base/checked_math.h"
#include "kernels/conv/conv.h"
#include "kernels/cuda/element.h"
#include "kernels/cuda/gpu.h"
#include "kernels/elementwise/epilogue_program.h"

namespace ergo {
namespace {

cuda::ConvolutionSpec SpecOf(const ConvProblem& p) {
  cuda::ConvolutionSpec spec;
  spec.dtype = p.dtype;
  spec.batch = p.batch;
  spec.groups = p.groups;
  spec.in_channels = p.in_channels;
  spec.out_channels = p.out_channels;
  const auto plane = [](const Spatial& of) { return std::array<int64_t, 2>{of[1], of[2]}; };
  spec.in = plane(p.window.in);
  spec.kernel = plane(p.window.kernel);
  spec.strides = plane(p.window.strides);
  spec.dilations = plane(p.window.dilations);
  spec.pads_begin = plane(p.window.pads_begin);
  spec.pads_end = plane(p.window.pads_end);
  spec.out = plane(p.window.out);
  spec.bias = p.has_bias;
  spec.residual = p.has_residual;
  spec.relu = p.activation.kind == Activation::kRelu;
  return spec;
}

class CudnnConv final : public Kernel {
 public:
  CudnnConv(std::unique_ptr<cuda::Convolution> convolution, std::unique_ptr<Kernel> after)
      : convolution_(std::move(convolution)), after_(std::move(after)) {}

  size_t WorkspaceBytes() const override { return convolution_->WorkspaceBytes(); }

  void Run(const KernelArgs& args) const override {
    const auto input = [&](size_t i) {
      return i < args.inputs.size() ? args.inputs[i].data : nullptr;
    };
    cuda::Convolution::Operands operands;
    operands.x = input(0);
    operands.w = input(1);
    operands.bias = input(2);
    operands.z = input(3);
    operands.y = args.outputs[0].data;
    operands.workspace = args.workspace.data();
    args.stream->Note(convolution_->Run(operands, *args.stream));
    if (!after_) return;
    const TensorView y = args.outputs[0];
    after_->Run({std::span(&y, 1), args.outputs, {}, args.parallel, args.stream});
  }

 private:
  std::unique_ptr<cuda::Convolution> convolution_;
  std::unique_ptr<Kernel> after_;
};

}  // namespace

MadeKernel MakeConvCudnn(const ConvProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckConv(problem));
  if (context.gpu == nullptr) return Unsupported("no GPU was given");
  if (!cuda::IsDeviceFloat(problem.dtype)) {
    return Unsupported("convolution of {}", DTypeName(problem.dtype));
  }
  const Window& window = problem.window;
  if (window.in[0] != 1 || window.kernel[0] != 1 || window.out[0] != 1) {
    return Unsupported("three spatial dimensions");
  }
  if (problem.InputElements() == 0 || problem.OutputElements() == 0 || problem.Depth() == 0) {
    return Unsupported("an empty convolution");
  }
  ERGO_ASSIGN_OR_RETURN(std::unique_ptr<cuda::Convolution> convolution,
                        context.gpu->GetLibraries().MakeConvolution(SpecOf(problem)));
  std::unique_ptr<Kernel> after;
  const Activation kind = problem.activation.kind;
  if (kind != Activation::kNone && kind != Activation::kRelu) {
    const Shape y{problem.OutputElements()};
    ERGO_ASSIGN_OR_RETURN(
        after,
        MakeProgramKernel(EpilogueProgram(problem.dtype, y, {}, problem.activation), context));
  }
  return MadeKernel(std::make_unique<CudnnConv>(std::move(convolution), std::move(after)));
}

}  // namespace ergo
