#include "kernels/elementwise/elementwise.h"

#include "kernels/elementwise/broadcast.h"

namespace ergo {
namespace {

// One table a problem: the overloads of `make` are told apart by its type.
template <typename Problem>
std::span<const KernelVariant<Problem>> Variants() {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"elementwise", #name, Device::device, dtypes, layout, needs}, make},
  static constexpr KernelVariant<Problem> kVariants[] = {
#include "kernels/elementwise/elementwise_variants.inc"
  };
#undef ERGO_KERNEL_VARIANT
  return kVariants;
}

Shape BroadcastOrEmpty(std::span<const Shape> shapes) {
  const Result<BroadcastPlan> plan = PlanBroadcast(shapes);
  return plan.ok() ? plan->output : Shape{0};
}

}  // namespace

std::string_view UnaryOpName(UnaryOp op) {
  switch (op) {
#define ERGO_UNARY_OP(name, onnx, kind, formula) \
  case UnaryOp::k##name:                         \
    return #name;
#include "kernels/elementwise/unary_ops.inc"
#undef ERGO_UNARY_OP
  }
  return "?";
}

std::string_view BinaryOpName(BinaryOp op) {
  switch (op) {
#define ERGO_BINARY_OP(name, onnx, kind, result, formula) \
  case BinaryOp::k##name:                                 \
    return #name;
#include "kernels/elementwise/binary_ops.inc"
#undef ERGO_BINARY_OP
    case BinaryOp::kPow: return "Pow";
  }
  return "?";
}

DType OutputType(const UnaryProblem& problem) {
  const bool asks = problem.op == UnaryOp::kIsNaN || problem.op == UnaryOp::kIsInf;
  return asks ? DType::kBool : problem.dtype;
}

DType OutputType(const BinaryProblem& problem) {
  switch (problem.op) {
#define ERGO_BINARY_OP_Same problem.dtype
#define ERGO_BINARY_OP_Bool DType::kBool
#define ERGO_BINARY_OP(name, onnx, kind, result, formula) \
  case BinaryOp::k##name:                                 \
    return ERGO_BINARY_OP_##result;
#include "kernels/elementwise/binary_ops.inc"
#undef ERGO_BINARY_OP
#undef ERGO_BINARY_OP_Same
#undef ERGO_BINARY_OP_Bool
    case BinaryOp::kPow: return problem.dtype;
  }
  return DType::kUndefined;
}

KernelCost CostOf(const UnaryProblem& problem) {
  const int64_t elements = problem.shape.Elements();
  return {elements, DTypeBytes(problem.dtype, elements), DTypeBytes(OutputType(problem), elements)};
}

KernelCost CostOf(const BinaryProblem& problem) {
  const Shape shapes[] = {problem.a, problem.b};
  const int64_t elements = BroadcastOrEmpty(shapes).Elements();
  return {elements,
          DTypeBytes(problem.dtype, problem.a.Elements()) +
              DTypeBytes(problem.b_dtype, problem.b.Elements()),
          DTypeBytes(OutputType(problem), elements)};
}

KernelCost CostOf(const WhereProblem& problem) {
  const Shape shapes[] = {problem.condition, problem.a, problem.b};
  const int64_t elements = BroadcastOrEmpty(shapes).Elements();
  return {elements,
          problem.condition.Elements() + DTypeBytes(problem.dtype, problem.a.Elements()) +
              DTypeBytes(problem.dtype, problem.b.Elements()),
          DTypeBytes(problem.dtype, elements)};
}

KernelCost CostOf(const CastProblem& problem) {
  const int64_t elements = problem.shape.Elements();
  return {elements, DTypeBytes(problem.from, elements), DTypeBytes(problem.to, elements)};
}

std::span<const KernelVariant<UnaryProblem>> UnaryVariants() {
  return Variants<UnaryProblem>();
}
std::span<const KernelVariant<BinaryProblem>> BinaryVariants() {
  return Variants<BinaryProblem>();
}
std::span<const KernelVariant<WhereProblem>> WhereVariants() {
  return Variants<WhereProblem>();
}
std::span<const KernelVariant<CastProblem>> CastVariants() {
  return Variants<CastProblem>();
}

}  // namespace ergo
