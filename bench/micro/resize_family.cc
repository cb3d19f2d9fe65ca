#include "bench/micro/family.h"
#include "kernels/resize/resize.h"

namespace ergo::micro {
namespace {

MadeCase Make(ShapeText& shape) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(3, 3));
  auto made = std::make_unique<ProblemCase<ResizeProblem>>(ResizeVariants());
  ResizeProblem& p = made->problem;
  ERGO_ASSIGN_OR_RETURN(const int64_t height, shape.Number("h", 2 * dims[1]));
  ERGO_ASSIGN_OR_RETURN(const int64_t width, shape.Number("w", 2 * dims[2]));
  p.dtype = DType::kF32;
  p.input = {1, dims[0], dims[1], dims[2]};
  p.output = {1, dims[0], height, width};
  for (size_t axis = 0; axis < 4; ++axis) {
    const int at = static_cast<int>(axis);
    p.axes[axis].scale = static_cast<double>(p.output[at]) / static_cast<double>(p.input[at]);
  }
  const bool nearest = shape.Word("nearest"), cubic = shape.Word("cubic");
  shape.Word("linear");
  p.mode = nearest ? ResizeMode::kNearest : cubic ? ResizeMode::kCubic : ResizeMode::kLinear;
  made->AddInput(p.input.Elements());
  made->AddOutput(DType::kF32, p.output.Elements());
  made->inputs[0].shape = p.input;
  made->outputs[0].shape = p.output;
  // Weights of a cubic axis add up to less than 2 in magnitude.
  constexpr double kMostWeight = 4, kEpsilon = 1.0 / (1 << 21);
  const double bound = nearest ? 0 : kEpsilon * kMostWeight;
  made->tolerance = [bound](int64_t, double) { return bound; };
  return MadeCase(std::move(made));
}

}  // namespace

const Family& ResizeFamily() {
  static const Family family{"resize",
                             "CxHxW[,hHEIGHT][,wWIDTH][,nearest|linear|cubic]; twice as large and "
                             "linear if absent",
                             {"64x40x40,nearest", "256x28x28,linear", "3x480x640,h224,w224,linear",
                              "21x32x32,h256,w256,linear", "64x28x28,cubic"},
                             {"3x5x7,nearest", "2x9x5,h4,w11,linear", "2x6x6,cubic"},
                             Make};
  return family;
}

}  // namespace ergo::micro
