#include "kernels/elementwise/elementwise.h"

#include <algorithm>
#include <cmath>

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

// |error| <= ulp units in the last place of the result + of_x |x|; the second part for operators
// that lose digits where a sum cancels.
struct UnaryAccuracy {
  double ulp = 0.5;
  double of_x = 0;
};

UnaryAccuracy AccuracyOf(UnaryOp op) {
  switch (op) {
    case UnaryOp::kLeakyRelu: return {1, 0};
    case UnaryOp::kElu:
    case UnaryOp::kSelu:
    case UnaryOp::kCelu: return {12, 0x1p-23};
    case UnaryOp::kSigmoid: return {4, 0};
    case UnaryOp::kHardSigmoid: return {1, 0x1p-23};
    case UnaryOp::kHardSwish: return {2, 0x1p-22};
    case UnaryOp::kSwish: return {5, 0x1p-22};
    case UnaryOp::kMish: return {8, 0x1p-147};
    case UnaryOp::kGelu:
    case UnaryOp::kGeluTanh: return {8, 0x1p-21};
    case UnaryOp::kSoftplus: return {5, 0};
    case UnaryOp::kSoftsign: return {1.5, 0};
    case UnaryOp::kTanh: return {6, 0};
    case UnaryOp::kErf: return {10, 0};
    case UnaryOp::kExp: return {2, 0};
    case UnaryOp::kLog: return {3, 0};
    default: return {0.501, 0};
  }
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

double UnaryErrorBound(UnaryOp op, float x, double exact) {
  const UnaryAccuracy accuracy = AccuracyOf(op);
  const double magnitude = std::max(std::fabs(exact), 0x1p-126);
  const double ulp = std::ldexp(1.0, std::ilogb(magnitude) - 23);
  const double cancelled = std::isfinite(x) ? accuracy.of_x * std::fabs(double{x}) : 0;
  return accuracy.ulp * ulp + cancelled;
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
