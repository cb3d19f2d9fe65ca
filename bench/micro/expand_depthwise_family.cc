#include "bench/micro/family.h"
#include "bench/micro/window_text.h"
#include "kernels/conv_nhwc/expand_depthwise.h"

namespace ergo::micro {
namespace {

MadeCase Make(ShapeText& shape) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(3, 3));
  auto made = std::make_unique<ProblemCase<ExpandDepthwiseProblem>>(ExpandDepthwiseVariants());
  ConvProblem &expand = made->problem.expand, &depthwise = made->problem.depthwise;
  expand.in_channels = dims[0];
  ERGO_ASSIGN_OR_RETURN(expand.out_channels, shape.Number("m", 6 * dims[0]));
  expand.window.in = expand.window.out = {1, dims[1], dims[2]};
  depthwise.in_channels = depthwise.out_channels = depthwise.groups = expand.out_channels;
  ERGO_ASSIGN_OR_RETURN(depthwise.window, ReadWindow(shape, std::span(dims).subspan(1)));
  for (ConvProblem* conv : {&expand, &depthwise}) {
    conv->has_bias = true;
    conv->activation.kind = Activation::kRelu;
  }
  ERGO_RETURN_IF_ERROR(CheckExpandDepthwise(made->problem));
  made->AddInput(expand.InputElements());
  expand.weights = made->AddInput(expand.WeightElements());
  made->AddInput(expand.out_channels);
  depthwise.weights = made->AddInput(depthwise.WeightElements());
  made->AddInput(depthwise.out_channels);
  made->AddOutput(DType::kF32, depthwise.OutputElements());
  // What the first gets wrong goes through all taps of the second, whose weights are below 1.
  const double between = ProductMagnitude(expand.Depth());
  const auto taps = static_cast<double>(depthwise.Depth());
  const double bound =
      taps * ConvErrorBound(expand, between) + ConvErrorBound(depthwise, taps * between + 1);
  made->tolerance = [bound](int64_t, double) { return bound; };
  return MadeCase(std::move(made));
}

}  // namespace

const Family& ExpandDepthwiseFamily() {
  static const Family family{
      "expand_depthwise",
      "CxHxW[,mCHANNELS],k3[,s1][,p1]; channels innermost; pointwise to M channels (6 C), then "
      "depthwise; bias and relu behind both",
      {"16x112x112,k3,s2,p1", "24x56x56,k3,p1", "32x28x28,k3,p1", "64x14x14,k3,p1"},
      {"4x9x11,k3,p1", "3x8x8,m16,k3,s2,p1"},
      Make};
  return family;
}

}  // namespace ergo::micro
