#include "kernels/reduce/reduce.h"

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

KernelCost CostOf(const CumSumProblem& problem) {
  const int64_t elements = problem.input.Elements();
  const int64_t bytes = DTypeBytes(problem.dtype, elements);
  return {elements, bytes, bytes};
}

std::span<const KernelVariant<ReduceProblem>> ReduceVariants() {
  return Variants<ReduceProblem>();
}
std::span<const KernelVariant<ArgReduceProblem>> ArgReduceVariants() {
  return Variants<ArgReduceProblem>();
}
std::span<const KernelVariant<CumSumProblem>> CumSumVariants() {
  return Variants<CumSumProblem>();
}

}  // namespace ergo
