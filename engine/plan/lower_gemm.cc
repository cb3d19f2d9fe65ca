// MatMul, Gemm, MatMulInteger, Einsum and ergo.FusedGemm.
#include <utility>

#include "engine/plan/fused_activation.h"
#include "engine/plan/lower_einsum.h"
#include "engine/plan/lowering.h"
#include "kernels/gemm/gemm.h"
#include "kernels/qgemm/qgemm.h"

namespace ergo {
namespace {

// An operand of numpy.matmul as matrices: its batch, its last two axes; vectors are one row (a) or
// one column (b).
struct Matrices {
  Shape batch;
  int64_t rows = 1, columns = 1;
};

Result<Matrices> AsMatrices(const Shape& shape, bool vector_is_row, bool transposed) {
  const int rank = shape.Rank();
  if (rank == 0) return InvalidArgument("a scalar operand");
  Matrices matrices;
  if (rank == 1) {
    (vector_is_row ? matrices.columns : matrices.rows) = shape[0];
    return matrices;
  }
  matrices.batch = Shape(shape.Dims().first(static_cast<size_t>(rank - 2)));
  matrices.rows = shape[rank - 2];
  matrices.columns = shape[rank - 1];
  if (transposed) std::swap(matrices.rows, matrices.columns);
  return matrices;
}

// Sizes, batches, dtype and constants of the product of inputs 0 and 1.
Result<GemmProblem> ProductProblem(const LowerContext& context, bool trans_a, bool trans_b) {
  ERGO_ASSIGN_OR_RETURN(const Matrices a, AsMatrices(context.InputShape(0), true, trans_a));
  ERGO_ASSIGN_OR_RETURN(const Matrices b, AsMatrices(context.InputShape(1), false, trans_b));
  if (a.columns != b.rows) {
    return InvalidArgument("{} columns against {} rows", a.columns, b.rows);
  }
  GemmProblem problem;
  problem.dtype = context.InputType(0);
  problem.m = a.rows;
  problem.n = b.columns;
  problem.k = a.columns;
  problem.trans_a = trans_a && context.InputShape(0).Rank() >= 2;
  problem.trans_b = trans_b && context.InputShape(1).Rank() >= 2;
  ERGO_RETURN_IF_ERROR(problem.SetBatches(a.batch, b.batch));
  if (const Tensor* constant = context.InputConstant(0)) problem.constant_a = constant->Data();
  if (const Tensor* constant = context.InputConstant(1)) problem.constant_b = constant->Data();
  return problem;
}

// How a tensor that broadcasts to m x n lies on it.
Result<GemmBias> BiasKind(const Shape& shape, int64_t m, int64_t n) {
  const int rank = shape.Rank();
  const int64_t rows = rank < 2 ? 1 : shape[rank - 2];
  const int64_t columns = rank < 1 ? 1 : shape[rank - 1];
  const bool fits = (rows == 1 || rows == m) && (columns == 1 || columns == n);
  if (!fits || shape.Elements() != rows * columns) {
    return InvalidArgument("C of shape {} for a result of {} x {}", shape.ToString(), m, n);
  }
  if (rows == 1 && columns == 1) return GemmBias::kScalar;
  if (rows == 1) return GemmBias::kPerColumn;
  return columns == 1 ? GemmBias::kPerRow : GemmBias::kFull;
}

Status LowerMatMul(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(const GemmProblem problem, ProductProblem(context, false, false));
  return context.Emit(GemmVariants(), problem, {In(0), In(1)}, {Out(0)});
}

Status LowerGemm(LowerContext& context) {
  const Node& node = context.GetNode();
  ERGO_ASSIGN_OR_RETURN(GemmProblem problem, ProductProblem(context, node.IntAttr("transA", 0) != 0,
                                                            node.IntAttr("transB", 0) != 0));
  problem.alpha = node.FloatAttr("alpha", 1);
  problem.beta = node.FloatAttr("beta", 1);
  if (context.HasInput(2) && problem.beta != 0) {
    ERGO_ASSIGN_OR_RETURN(problem.bias, BiasKind(context.InputShape(2), problem.m, problem.n));
  }
  const Operand bias = problem.bias == GemmBias::kNone ? Absent() : In(2);
  return context.Emit(GemmVariants(), problem, {In(0), In(1), bias}, {Out(0)});
}

Status LowerFusedGemm(LowerContext& context) {
  const Node& node = context.GetNode();
  ERGO_ASSIGN_OR_RETURN(
      GemmProblem problem,
      ProductProblem(context, node.IntAttr("trans_a", 0) != 0, node.IntAttr("trans_b", 0) != 0));
  if (context.HasInput(2)) {
    ERGO_ASSIGN_OR_RETURN(problem.bias, BiasKind(context.InputShape(2), problem.m, problem.n));
  }
  if (context.HasInput(3)) {
    if (!(context.InputShape(3) == context.OutputShape(0))) {
      return InvalidArgument("a residual of shape {} for a result of shape {}",
                             context.InputShape(3).ToString(), context.OutputShape(0).ToString());
    }
    problem.residual = true;
  }
  ERGO_ASSIGN_OR_RETURN(problem.activation, ReadFusedActivation(node));
  return context.Emit(GemmVariants(), problem, {In(0), In(1), In(2), In(3)}, {Out(0)});
}

// A zero point of one number, or of one for each of `count` rows or columns along `axis` (from the
// end) of a matrix.
Result<ZeroPoint> ZeroPointKind(const LowerContext& context, int input, int64_t count, int axis) {
  if (!context.HasInput(input)) return ZeroPoint::kNone;
  const Shape& shape = context.InputShape(input);
  if (shape.Elements() == 1) return ZeroPoint::kScalar;
  const int64_t along = shape.Rank() == 1      ? shape[0]
                        : shape.Rank() >= axis ? shape[shape.Rank() - axis]
                                               : 0;
  if (shape.Elements() != count || along != count) {
    return Unsupported("zero points of shape {}", shape.ToString());
  }
  return ZeroPoint::kVector;
}

Status LowerMatMulInteger(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(const Matrices a, AsMatrices(context.InputShape(0), true, false));
  ERGO_ASSIGN_OR_RETURN(const Matrices b, AsMatrices(context.InputShape(1), false, false));
  if (a.columns != b.rows) {
    return InvalidArgument("{} columns against {} rows", a.columns, b.rows);
  }
  QGemmProblem problem;
  problem.a_dtype = context.InputType(0);
  problem.b_dtype = context.InputType(1);
  problem.m = a.rows;
  problem.n = b.columns;
  problem.k = a.columns;
  problem.a_batch = a.batch;
  problem.b_batch = b.batch;
  ERGO_ASSIGN_OR_RETURN(problem.a_zero, ZeroPointKind(context, 2, a.rows, 2));
  ERGO_ASSIGN_OR_RETURN(problem.b_zero, ZeroPointKind(context, 3, b.columns, 1));
  if (const Tensor* constant = context.InputConstant(1)) problem.constant_b = constant->Data();
  return context.Emit(QGemmVariants(), problem, {In(0), In(1), In(2), In(3)}, {Out(0)});
}

constexpr Lowering kLowerings[] = {
    {"", "MatMul", LowerMatMul},
    {"", "Gemm", LowerGemm},
    {"", "MatMulInteger", LowerMatMulInteger},
    {"", "Einsum", LowerEinsum},
    {"ergo", "FusedGemm", LowerFusedGemm},
};

}  // namespace

std::span<const Lowering> GemmLowerings() {
  return kLowerings;
}

}  // namespace ergo
