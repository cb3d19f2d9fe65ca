// Direct convolution on a GPU: where a group has few channels, and for whatever no library takes.
#include "kernels/conv/conv_cuda.h"

#include "kernels/base/checked_math.h"
#include "kernels/conv/conv.h"
#include "kernels/cuda/element.h"
#include "kernels/cuda/gpu.h"

namespace ergo {
namespace {

using cuda::ConvParameter;
using cuda::kConvThreads;

cuda::FastDivide By(int64_t divisor) {
  return cuda::FastDivide::By(static_cast<uint32_t>(divisor));
}

ConvParameter ParameterOf(const ConvProblem& p) {
  ConvParameter parameter;
  parameter.outputs = static_cast<uint32_t>(p.OutputElements());
  parameter.in_channels = static_cast<int32_t>(p.in_channels);
  parameter.group_in_channels = static_cast<int32_t>(p.GroupInChannels());
  parameter.activation = p.activation;
  if (parameter.outputs == 0) return parameter;
  parameter.plane = By(p.window.OutElements());
  parameter.slice = By(p.window.out[1] * p.window.out[2]);
  parameter.row = By(p.window.out[2]);
  parameter.out_channels = By(p.out_channels);
  parameter.group_out_channels = By(p.GroupOutChannels());
  for (size_t axis = 0; axis < kSpatialAxes; ++axis) {
    parameter.in_size[axis] = static_cast<int32_t>(p.window.in[axis]);
    parameter.kernel[axis] = static_cast<int32_t>(p.window.kernel[axis]);
    parameter.strides[axis] = static_cast<int32_t>(p.window.strides[axis]);
    parameter.dilations[axis] = static_cast<int32_t>(p.window.dilations[axis]);
    parameter.pads_begin[axis] = static_cast<int32_t>(p.window.pads_begin[axis]);
  }
  return parameter;
}

class ConvCuda final : public Kernel {
 public:
  ConvCuda(const ConvProblem& problem, cuda::FunctionHandle function)
      : parameter_(ParameterOf(problem)),
        has_bias_(problem.has_bias),
        has_residual_(problem.has_residual),
        function_(function) {}

  bool MayRunInPlace(int index) const override { return has_residual_ && index == 3; }

  void Run(const KernelArgs& args) const override {
    if (parameter_.outputs == 0) return;
    ConvParameter parameter = parameter_;
    parameter.x = args.inputs[0].data;
    parameter.w = args.inputs[1].data;
    if (has_bias_) parameter.bias = args.inputs[2].data;
    if (has_residual_) parameter.residual = args.inputs[3].data;
    parameter.y = args.outputs[0].data;
    args.stream->Run(function_, {CeilDiv(parameter.outputs, kConvThreads)}, kConvThreads,
                     parameter);
  }

 private:
  ConvParameter parameter_;
  bool has_bias_, has_residual_;
  cuda::FunctionHandle function_;
};

MadeKernel MakeConvDirect(const ConvProblem& problem, const MakeContext& context) {
  if (context.gpu == nullptr) return Unsupported("no GPU was given");
  if (!cuda::IsDeviceFloat(problem.dtype)) {
    return Unsupported("convolution of {}", DTypeName(problem.dtype));
  }
  constexpr int64_t kMostElements = int64_t{1} << 31;
  const Window& window = problem.window;
  bool fits = problem.OutputElements() < kMostElements && problem.InputElements() < kMostElements &&
              problem.WeightElements() < kMostElements;
  for (size_t axis = 0; axis < kSpatialAxes; ++axis) {
    fits = fits &&
           window.Extent(axis) + window.out[axis] * window.strides[axis] + window.pads_begin[axis] <
               kMostElements;
  }
  if (!fits) return Unsupported("{} needs 64-bit indices", problem.ToString());
  const char* function = problem.dtype == DType::kF32   ? "ergo_conv_f32"
                         : problem.dtype == DType::kF16 ? "ergo_conv_f16"
                                                        : "ergo_conv_bf16";
  ERGO_ASSIGN_OR_RETURN(const cuda::FunctionHandle found, context.gpu->Find("conv", function));
  return MadeKernel(std::make_unique<ConvCuda>(problem, found));
}

}  // namespace

MadeKernel MakeConvDirectFirst(const ConvProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckConv(problem));
  constexpr int64_t kFewProducts = 50;  // depthwise up to 7 x 7, 3 x 3 of up to 5 channels
  if (problem.Depth() > kFewProducts && !context.even_if_slow) {
    return Unsupported("{} products an output are better multiplied as matrices", problem.Depth());
  }
  return MakeConvDirect(problem, context);
}

MadeKernel MakeConvDirectLast(const ConvProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckConv(problem));
  return MakeConvDirect(problem, context);
}

}  // namespace ergo
