#include "kernels/reduce/reduce.h"

#include <cmath>

#include "kernels/base/sum_error.h"
#include "kernels/reduce/reduce_plan.h"

namespace ergo {
namespace {

template <typename Problem>
std::span<const KernelVariant<Problem>> Variants() {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"reduce", #name, Device::device, dtypes, layout, needs}, make},
  static constexpr KernelVariant<Problem> kVariants[] = {
#include "kernels/reduce/reduce_variants.inc"
  };
#undef ERGO_KERNEL_VARIANT
  return kVariants;
}

}  // namespace

std::string_view ReduceOpName(ReduceOp op) {
  switch (op) {
    case ReduceOp::kSum: return "Sum";
    case ReduceOp::kMean: return "Mean";
    case ReduceOp::kMax: return "Max";
    case ReduceOp::kMin: return "Min";
    case ReduceOp::kProd: return "Prod";
    case ReduceOp::kL1: return "L1";
    case ReduceOp::kL2: return "L2";
    case ReduceOp::kLogSum: return "LogSum";
    case ReduceOp::kLogSumExp: return "LogSumExp";
    case ReduceOp::kSumSquare: return "SumSquare";
  }
  return "?";
}

KernelCost CostOf(const ReduceProblem& problem) {
  const bool squares = problem.op == ReduceOp::kL2 || problem.op == ReduceOp::kSumSquare;
  const int64_t elements = problem.input.Elements();
  return {squares ? 2 * elements : elements, DTypeBytes(problem.dtype, elements),
          DTypeBytes(problem.dtype, PlanReduce(problem.input, problem.axes).kept.count)};
}

KernelCost CostOf(const ArgReduceProblem& problem) {
  const int64_t elements = problem.input.Elements();
  const int64_t outputs = PlanReduce(problem.input, uint32_t{1} << problem.axis).kept.count;
  return {elements, DTypeBytes(problem.dtype, elements), DTypeBytes(DType::kI64, outputs)};
}

KernelCost CostOf(const CumulativeProblem& problem) {
  const int64_t elements = problem.input.Elements();
  const int64_t bytes = DTypeBytes(problem.dtype, elements);
  return {elements, bytes, bytes};
}

Status CheckReduce(const ReduceProblem& problem) {
  if (problem.axes >> problem.input.Rank() == 0) return {};
  return InvalidArgument("axes {:#x} of a tensor of rank {}", problem.axes, problem.input.Rank());
}

double ReduceErrorBound(ReduceOp op, int64_t count, double exact, double sum, double magnitude) {
  const double terms = SumTerms(count) + 2;
  const double rounding = 0x1p-24 * std::fabs(exact);
  const double of_sum = 0x1p-24 * terms * magnitude;
  switch (op) {
    case ReduceOp::kMax:
    case ReduceOp::kMin: return 0;
    case ReduceOp::kProd: return rounding;
    case ReduceOp::kMean: return of_sum / static_cast<double>(count) + rounding;
    case ReduceOp::kL2: return 0x1p-24 * terms * exact + rounding;
    case ReduceOp::kLogSum: return of_sum / std::fabs(sum) + rounding;
    case ReduceOp::kLogSumExp: return 0x1p-24 * (terms + 10) + rounding;
    case ReduceOp::kSum:
    case ReduceOp::kL1:
    case ReduceOp::kSumSquare: return of_sum + rounding;
  }
  return 0;
}

std::span<const KernelVariant<ReduceProblem>> ReduceVariants() {
  return Variants<ReduceProblem>();
}
std::span<const KernelVariant<ArgReduceProblem>> ArgReduceVariants() {
  return Variants<ArgReduceProblem>();
}
std::span<const KernelVariant<CumulativeProblem>> CumulativeVariants() {
  return Variants<CumulativeProblem>();
}

}  // namespace ergo
