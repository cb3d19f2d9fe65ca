#include "bench/micro/family.h"
#include "bench/micro/window_text.h"
#include "kernels/conv/conv.h"
#include "kernels/conv_nhwc/conv_nhwc.h"

namespace ergo::micro {
namespace {

constexpr std::string_view kSyntax =
    "CxW, CxHxW or CxDxHxW[,mCHANNELS][,gGROUPS][,nBATCH][,k3|k3x3][,s1][,d1][,p0][,bias]"
    "[,residual][,dynamic][,ACTIVATION]; W is constant unless dynamic";

// Reads the problem, and adds its operands to the case.
Status Read(ShapeText& shape, Case& made, ConvProblem& p) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(2, 4));
  p.in_channels = dims[0];
  ERGO_ASSIGN_OR_RETURN(p.out_channels, shape.Number("m", dims[0]));
  ERGO_ASSIGN_OR_RETURN(p.groups, shape.Number("g", 1));
  ERGO_ASSIGN_OR_RETURN(p.batch, shape.Number("n", 1));
  ERGO_ASSIGN_OR_RETURN(p.window, ReadWindow(shape, std::span(dims).subspan(1)));
  p.has_bias = shape.Word("bias");
  p.has_residual = shape.Word("residual");
  const bool dynamic = shape.Word("dynamic");
  if (const std::string activation = shape.AnyWord(); !activation.empty()) {
    const auto kind = ActivationFromName(activation);
    if (!kind) return InvalidArgument("unknown word '{}'", activation);
    p.activation.kind = *kind;
  }
  ERGO_RETURN_IF_ERROR(CheckConv(p));
  made.AddInput(p.InputElements());
  const float* weights = made.AddInput(p.WeightElements());
  if (!dynamic) p.weights = weights;
  if (p.has_bias) {
    made.AddInput(p.out_channels);
  } else {
    made.AddAbsentInput();
  }
  if (p.has_residual) {
    made.AddInput(p.OutputElements());
  } else {
    made.AddAbsentInput();
  }
  made.AddOutput(DType::kF32, p.OutputElements());
  const double bound = ConvErrorBound(p, ProductMagnitude(p.Depth()));
  made.tolerance = [bound](int64_t, double) { return bound; };
  return {};
}

MadeCase Make(ShapeText& shape) {
  auto made = std::make_unique<ProblemCase<ConvProblem>>(ConvVariants());
  ERGO_RETURN_IF_ERROR(Read(shape, *made, made->problem));
  return MadeCase(std::move(made));
}

MadeCase MakeNhwc(ShapeText& shape) {
  auto made = std::make_unique<ProblemCase<NhwcConvProblem>>(NhwcConvVariants());
  made->problem.planar_input = shape.Word("planar");
  ERGO_RETURN_IF_ERROR(Read(shape, *made, made->problem.conv));
  ERGO_RETURN_IF_ERROR(CheckNhwcConv(made->problem));
  return MadeCase(std::move(made));
}

}  // namespace

const Family& ConvFamily() {
  static const Family family{
      "conv",
      kSyntax,
      {// resnet50
       "3x224x224,m64,k7,s2,p3,bias,relu", "64x56x56,m64,k3,p1,bias,relu",
       "128x28x28,m128,k3,p1,bias,relu", "256x14x14,m256,k3,p1,bias,relu",
       "512x7x7,m512,k3,p1,bias,relu", "128x56x56,m128,k3,s2,p1,bias,relu",
       "64x56x56,m256,bias,residual,relu", "256x56x56,m64,bias,relu", "1024x14x14,m256,bias,relu",
       "512x7x7,m2048,bias,residual,relu", "256x56x56,m512,s2,bias",
       // mobilenet_v2 and efficientnet
       "3x224x224,m32,k3,s2,p1,bias,relu", "16x112x112,m96,bias,relu", "96x56x56,m24,bias",
       "64x14x14,m384,bias,relu", "960x7x7,m320,bias", "32x112x112,g32,k3,p1,bias,relu",
       "96x112x112,g96,k3,s2,p1,bias,relu", "144x56x56,g144,k3,p1,bias,relu",
       "384x14x14,g384,k3,p1,bias,relu", "960x7x7,g960,k3,p1,bias,relu",
       "240x28x28,g240,k5,p2,bias,silu",
       // others: grouped, dilated, a signal, a volume, a batch
       "128x56x56,m128,g32,k3,p1,bias,relu", "64x28x28,m64,k3,d2,p2,bias,relu",
       "64x4000,m64,k9,p4,bias,relu", "16x16x28x28,m32,k3,p1,bias,relu",
       "64x14x14,m64,n8,k3,p1,bias,relu"},
      {"5x9x11,m7,k3,s2,p1,bias,relu", "6x9x9,g6,k3,p1", "9x7x5,m10,bias,residual"},
      Make};
  return family;
}

const Family& NhwcConvFamily() {
  static const Family family{
      "conv_nhwc",
      "CxHxW as for conv, with channels innermost; planar: but for the input",
      {// resnet50
       "3x224x224,m64,k7,s2,p3,bias,relu,planar", "64x56x56,m64,k3,p1,bias,relu",
       "256x14x14,m256,k3,p1,bias,relu", "512x7x7,m512,k3,p1,bias,relu",
       "128x56x56,m128,k3,s2,p1,bias,relu", "64x56x56,m256,bias,residual,relu",
       "256x56x56,m64,bias,relu", "1024x14x14,m256,bias,relu", "512x7x7,m2048,bias,residual,relu",
       "256x56x56,m512,s2,bias",
       // mobilenet_v2 and efficientnet
       "3x224x224,m32,k3,s2,p1,bias,relu,planar", "16x112x112,m96,bias,relu", "96x56x56,m24,bias",
       "64x14x14,m384,bias,relu", "960x7x7,m320,bias", "960x1x1,m40,bias,silu",
       "32x112x112,g32,k3,p1,bias,relu", "96x112x112,g96,k3,s2,p1,bias,relu",
       "144x56x56,g144,k3,p1,bias,relu", "384x14x14,g384,k3,p1,bias,relu",
       "960x7x7,g960,k3,p1,bias,relu", "240x28x28,g240,k5,p2,bias,silu",
       "672x7x7,g672,k5,p2,bias,silu"},
      {"5x9x11,m7,k3,s2,p1,bias,relu", "6x9x9,g6,k3,p1", "9x7x5,m10,bias,residual"},
      MakeNhwc};
  return family;
}

}  // namespace ergo::micro
