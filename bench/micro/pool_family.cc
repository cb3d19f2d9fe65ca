#include "bench/micro/family.h"
#include "bench/micro/window_text.h"
#include "kernels/pool/pool.h"

namespace ergo::micro {
namespace {

MadeCase Make(ShapeText& shape) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(2, 4));
  auto made = std::make_unique<ProblemCase<PoolProblem>>(PoolVariants());
  PoolProblem& p = made->problem;
  const bool average = shape.Word("average"), max = shape.Word("max");
  if (average == max) return InvalidArgument("say max or average");
  p.kind = average ? PoolKind::kAverage : PoolKind::kMax;
  p.planes = dims[0];
  p.has_indices = shape.Word("indices");
  p.count_include_pad = shape.Word("pad");
  if (shape.Word("global")) {
    for (size_t i = 1; i < dims.size(); ++i) {
      p.window.in[kSpatialAxes - dims.size() + i] = dims[i];
    }
    p.window.kernel = p.window.in;
  } else {
    ERGO_ASSIGN_OR_RETURN(p.window, ReadWindow(shape, std::span(dims).subspan(1)));
  }
  ERGO_RETURN_IF_ERROR(CheckPool(p));
  made->AddInput(p.planes * p.window.InElements());
  const int64_t out = p.planes * p.window.OutElements();
  made->AddOutput(DType::kF32, out);
  if (p.has_indices) made->AddOutput(DType::kI64, out);
  const double bound = PoolErrorBound(p, 1);
  made->tolerance = [bound](int64_t, double) { return bound; };
  return MadeCase(std::move(made));
}

}  // namespace

const Family& PoolFamily() {
  static const Family family{
      "pool",
      "max|average,PxW, PxHxW or PxDxHxW (P planes)[,global][,k3|k3x3][,s1][,d1][,p0][,pad]"
      "[,indices]",
      {"max,64x112x112,k3,s2,p1", "max,64x56x56,k2,s2", "average,256x14x14,k3,p1",
       "max,192x28x28,k3,p1", "average,2048x7x7,global", "max,512x14x14,global"},
      {"max,3x9x21,k3,s2,p1", "average,5x7x7,global"},
      Make};
  return family;
}

}  // namespace ergo::micro
