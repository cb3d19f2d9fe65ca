#include "bench/micro/family.h"
#include "kernels/norm/norm.h"

namespace ergo::micro {
namespace {

MadeCase MakeSoftmax(ShapeText& shape) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(2, 3));
  auto made = std::make_unique<ProblemCase<SoftmaxProblem>>(SoftmaxVariants());
  SoftmaxProblem& p = made->problem;
  p.outer = dims[0];
  p.length = dims[1];
  p.inner = dims.size() == 3 ? dims[2] : 1;
  const int64_t elements = p.outer * p.length * p.inner;
  made->AddInput(elements, -4, 4);
  made->AddOutput(DType::kF32, elements);
  made->tolerance = [p](int64_t, double expected) { return SoftmaxErrorBound(p, expected); };
  return MadeCase(std::move(made));
}

MadeCase MakeLayerNorm(ShapeText& shape) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(2, 2));
  auto made = std::make_unique<ProblemCase<LayerNormProblem>>(LayerNormVariants());
  LayerNormProblem& p = made->problem;
  p.rows = dims[0];
  p.length = dims[1];
  p.rms = shape.Word("rms");
  made->AddInput(p.rows * p.length);
  made->AddInput(p.length);
  if (!p.rms) made->AddInput(p.length);
  made->AddOutput(DType::kF32, p.rows * p.length);
  // Numbers from [-1, 1) have a deviation near 0.58, short rows perhaps a fifth of that.
  const double bound = RowNormErrorBound(p.length, 1, 10, 1, 1);
  made->tolerance = [bound](int64_t, double) { return bound; };
  return MadeCase(std::move(made));
}

}  // namespace

const Family& SoftmaxFamily() {
  static const Family family{"softmax",
                             "OUTERxLENGTH[xINNER]",
                             {"1536x128", "1x1000", "196x196", "64x80x100"},
                             {"7x33", "3x5x17"},
                             MakeSoftmax};
  return family;
}

const Family& LayerNormFamily() {
  static const Family family{"layer_norm",
                             "ROWSxLENGTH[,rms]",
                             {"128x384", "128x768", "128x4096,rms"},
                             {"5x33", "5x65,rms"},
                             MakeLayerNorm};
  return family;
}

}  // namespace ergo::micro
