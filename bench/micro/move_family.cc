#include "bench/micro/family.h"
#include "kernels/move/strided_copy.h"

namespace ergo::micro {
namespace {

MadeCase MakeTranspose(ShapeText& shape) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, shape.Dims(2, 4));
  std::vector<int> perm;
  for (const int64_t axis : shape.Numbers("perm")) perm.push_back(static_cast<int>(axis));
  std::vector<bool> seen(dims.size());
  for (const int axis : perm) {
    if (axis >= static_cast<int>(dims.size()) || seen[static_cast<size_t>(axis)]) perm.clear();
    if (perm.empty()) break;
    seen[static_cast<size_t>(axis)] = true;
  }
  if (perm.size() != dims.size()) return InvalidArgument("perm must name each axis once");
  auto made = std::make_unique<ProblemCase<move::StridedCopyProblem>>(move::StridedCopyVariants());
  made->problem = move::TransposeCopy(DType::kF32, Shape(dims), perm);
  made->AddInput(made->problem.input.Elements());
  made->AddOutput(DType::kF32, made->problem.output.Elements());
  return MadeCase(std::move(made));
}

}  // namespace

const Family& TransposeFamily() {
  static const Family family{"transpose",
                             "AxBx...,permIxJx...",
                             {"1024x1024,perm1x0", "12x128x64,perm1x0x2", "64x56x56,perm1x2x0"},
                             {"7x33,perm1x0", "3x5x7,perm2x0x1"},
                             MakeTranspose};
  return family;
}

}  // namespace ergo::micro
