#include "bench/micro/family.h"
#include "kernels/gemm/gemm.h"

namespace ergo::micro {
namespace {

MadeCase Make(ShapeText& shape) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(3, 3));
  auto made = std::make_unique<ProblemCase<GemmProblem>>(GemmVariants());
  GemmProblem& p = made->problem;
  p.m = dims[0];
  p.n = dims[1];
  p.k = dims[2];
  p.trans_a = shape.Word("ta");
  p.trans_b = shape.Word("tb");
  if (shape.Word("bias")) p.bias = GemmBias::kPerColumn;
  p.residual = shape.Word("residual");
  const bool both = shape.Word("dynamic");  // no constant operand
  if (const std::string activation = shape.AnyWord(); !activation.empty()) {
    const auto kind = ActivationFromName(activation);
    if (!kind) return InvalidArgument("unknown word '{}'", activation);
    p.activation.kind = *kind;
  }
  made->AddInput(p.m * p.k);
  const float* b = made->AddInput(p.k * p.n);
  if (!both) p.constant_b = b;
  if (p.bias != GemmBias::kNone) {
    made->AddInput(p.n);
  } else {
    made->AddAbsentInput();
  }
  if (p.residual) made->AddInput(p.m * p.n);
  made->AddOutput(DType::kF32, p.m * p.n);
  const double bound = GemmErrorBound(p, ProductMagnitude(p.k));
  made->tolerance = [bound](int64_t, double) { return bound; };
  return MadeCase(std::move(made));
}

}  // namespace

const Family& GemmFamily() {
  static const Family family{
      "gemm",
      "MxNxK[,ta][,tb][,bias][,residual][,dynamic][,ACTIVATION]; B is constant unless dynamic",
      {"256x256x256", "512x512x512", "1024x1024x1024", "128x768x768,bias", "128x3072x768,bias,gelu",
       "128x768x3072,bias,residual", "1x768x768,bias", "1x512x784,bias,relu", "8x1024x1024",
       "64x64x64,tb,dynamic"},
      {"1x17x9,bias", "33x30x31,tb,dynamic,relu"},
      Make};
  return family;
}

}  // namespace ergo::micro
