// MatMul, Gemm, MatMulInteger, Einsum and ergo.FusedGemm.
#include <utility>

#include "engine/graph/einsum_equation.h"
#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

Status CheckInner(const Dim& a, const Dim& b) {
  if (a.Known() && b.Known() && a.value != b.value) {
    return InvalidArgument("{} columns against {} rows", a.value, b.value);
  }
  return {};
}

void SwapLastAxes(SymbolicShape& shape) {
  if (shape.Rank() >= 2) std::swap(shape[shape.Rank() - 1], shape[shape.Rank() - 2]);
}

SymbolicShape BatchOf(const SymbolicShape& shape) {
  const auto axes = std::max(shape.Rank() - 2, 0);
  return SymbolicShape(std::vector<Dim>(shape.Dims().begin(), shape.Dims().begin() + axes));
}

// numpy.matmul: vectors count as one row (a) or one column (b), and lose that axis again.
Result<SymbolicShape> ProductShape(const SymbolicShape& a, const SymbolicShape& b) {
  if (!a.RankKnown() || !b.RankKnown()) return SymbolicShape();
  if (a.Rank() == 0 || b.Rank() == 0) return InvalidArgument("a scalar operand");
  const int b_rows = b.Rank() == 1 ? 0 : b.Rank() - 2;
  ERGO_RETURN_IF_ERROR(CheckInner(a[a.Rank() - 1], b[b_rows]));
  ERGO_ASSIGN_OR_RETURN(SymbolicShape shape, BroadcastSymbolic(BatchOf(a), BatchOf(b)));
  std::vector<Dim> dims = shape.Dims();
  if (a.Rank() > 1) dims.push_back(a[a.Rank() - 2]);
  if (b.Rank() > 1) dims.push_back(b[b.Rank() - 1]);
  return SymbolicShape(std::move(dims));
}

Status InferMatMul(InferContext& context) {
  ERGO_ASSIGN_OR_RETURN(const SymbolicShape shape,
                        ProductShape(context.InputShape(0), context.InputShape(1)));
  return context.SetOutput(0, context.InputType(0), shape);
}

Status InferMatMulInteger(InferContext& context) {
  ERGO_ASSIGN_OR_RETURN(const SymbolicShape shape,
                        ProductShape(context.InputShape(0), context.InputShape(1)));
  return context.SetOutput(0, DType::kI32, shape);
}

Status InferFusedGemm(InferContext& context) {
  SymbolicShape a = context.InputShape(0);
  SymbolicShape b = context.InputShape(1);
  const Node& node = context.GetNode();
  if (a.RankKnown() && node.IntAttr("trans_a", 0) != 0) SwapLastAxes(a);
  if (b.RankKnown() && node.IntAttr("trans_b", 0) != 0) SwapLastAxes(b);
  ERGO_ASSIGN_OR_RETURN(const SymbolicShape shape, ProductShape(a, b));
  return context.SetOutput(0, context.InputType(0), shape);
}

Status InferGemm(InferContext& context) {
  const Node& node = context.GetNode();
  std::vector<Dim> dims(2);
  std::vector<Dim> inner(2);
  for (size_t i = 0; i < 2; ++i) {
    const SymbolicShape& shape = context.InputShape(i);
    if (!shape.RankKnown()) continue;
    if (shape.Rank() != 2) return InvalidArgument("input {} of rank {}", i, shape.Rank());
    const bool transposed = node.IntAttr(i == 0 ? "transA" : "transB", 0) != 0;
    const int outer_axis = (i == 0) == transposed ? 1 : 0;
    dims[i] = shape[outer_axis];
    inner[i] = shape[1 - outer_axis];
  }
  ERGO_RETURN_IF_ERROR(CheckInner(inner[0], inner[1]));
  const SymbolicShape result(std::move(dims));
  if (context.HasInput(2) && context.InputShape(2).RankKnown()) {
    // C broadcasts to the result, and must not widen it.
    const SymbolicShape& c = context.InputShape(2);
    ERGO_ASSIGN_OR_RETURN(const SymbolicShape both, BroadcastSymbolic(c, result));
    const std::optional<Shape> concrete = result.Concrete();
    if (both.Rank() > 2 || (concrete && both.Concrete() != concrete)) {
      return InvalidArgument("C of shape {} for a result of shape {}", c.ToString(),
                             result.ToString());
    }
  }
  return context.SetOutput(0, context.InputType(0), result);
}

Status InferEinsum(InferContext& context) {
  std::vector<int> ranks;
  std::vector<SymbolicShape> shapes;
  for (size_t i = 0; i < context.InputCount(); ++i) {
    if (!context.HasInput(i)) return InvalidArgument("operand {} is absent", i);
    const SymbolicShape& shape = context.InputShape(i);
    if (!shape.RankKnown()) {
      return context.SetOutput(0, context.InputType(0), SymbolicShape());
    }
    ranks.push_back(shape.Rank());
    shapes.push_back(shape);
  }
  const std::string equation_text = context.GetNode().StringAttr("equation", "");
  ERGO_ASSIGN_OR_RETURN(const EinsumEquation equation, ParseEinsum(equation_text, ranks));
  ERGO_ASSIGN_OR_RETURN(const std::vector<Dim> dims, EinsumLabelDims(equation, shapes));
  std::vector<Dim> out;
  for (const int label : equation.output) out.push_back(dims[static_cast<size_t>(label)]);
  return context.SetOutput(0, context.InputType(0), SymbolicShape(std::move(out)));
}

constexpr OpSchema kSchemas[] = {
    {"", "MatMul", 1, 2, 2, 1, 1, InferMatMul},
    {"", "Gemm", 7, 2, 3, 1, 1, InferGemm},
    {"", "MatMulInteger", 10, 2, 4, 1, 1, InferMatMulInteger},
    {"", "Einsum", 12, 1, -1, 1, 1, InferEinsum},
    {"ergo", "FusedGemm", 1, 2, 4, 1, 1, InferFusedGemm},
};

}  // namespace

std::span<const OpSchema> GemmSchemas() {
  return kSchemas;
}

}  // namespace ergo
