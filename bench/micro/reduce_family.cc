#include "bench/micro/family.h"
#include "kernels/reduce/reduce.h"

namespace ergo::micro {
namespace {

MadeCase Make(ShapeText& shape) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(1, 4));
  auto made = std::make_unique<ProblemCase<ReduceProblem>>(ReduceVariants());
  ReduceProblem& p = made->problem;
  p.input = Shape(dims);
  p.op = shape.Word("Max") ? ReduceOp::kMax : shape.Word("Mean") ? ReduceOp::kMean : ReduceOp::kSum;
  ERGO_ASSIGN_OR_RETURN(const int64_t axis,
                        shape.Number("axis", static_cast<int64_t>(dims.size()) - 1));
  if (axis >= static_cast<int64_t>(dims.size())) return InvalidArgument("axis {}", axis);
  p.axes = 1u << axis;
  const int64_t count = dims[static_cast<size_t>(axis)];
  if (p.input.Elements() == 0) return InvalidArgument("no elements");
  made->AddInput(p.input.Elements());
  made->AddOutput(DType::kF32, p.input.Elements() / count);
  const auto magnitude = static_cast<double>(count);
  made->tolerance = [op = p.op, count, magnitude](int64_t, double expected) {
    return ReduceErrorBound(op, count, expected, expected, magnitude);
  };
  return MadeCase(std::move(made));
}

}  // namespace

const Family& ReduceFamily() {
  static const Family family{"reduce",
                             "AxBx...[,axisI][,Sum|Mean|Max] (the last axis and Sum by default)",
                             {"1000x1000", "1000x1000,axis0", "1000000", "1000x1000,Max"},
                             {"7x33", "7x33,axis0,Max"},
                             Make};
  return family;
}

}  // namespace ergo::micro
