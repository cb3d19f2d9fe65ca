// ConvInteger, QLinearConv, QLinearMatMul, and what passes make of quantized operators.
#include "engine/graph/op_schema.h"
#include "engine/graph/window_attributes.h"

namespace ergo {
namespace {

// The shape of a convolution of x with weights w.
Result<SymbolicShape> ConvShape(const Node& node, const SymbolicShape& x, const SymbolicShape& w) {
  if (!x.RankKnown() || !w.RankKnown()) return SymbolicShape();
  if (x.Rank() < 3 || w.Rank() != x.Rank()) {
    return InvalidArgument("input {} and weights {}", x.ToString(), w.ToString());
  }
  std::vector<int64_t> kernel;
  for (int axis = 2; axis < w.Rank(); ++axis) kernel.push_back(w[axis].value);
  ERGO_ASSIGN_OR_RETURN(const WindowAttributes attributes,
                        ReadWindowAttributes(node, x.Rank() - 2, kernel));
  std::vector<Dim> dims = {x[0], w[0]};
  for (int i = 0; i < x.Rank() - 2; ++i) {
    ERGO_ASSIGN_OR_RETURN(Dim dim, WindowOutputDim(attributes, i, x[2 + i]));
    dims.push_back(std::move(dim));
  }
  return SymbolicShape(std::move(dims));
}

Status InferConvInteger(InferContext& context) {
  ERGO_ASSIGN_OR_RETURN(const SymbolicShape y,
                        ConvShape(context.GetNode(), context.InputShape(0), context.InputShape(1)));
  return context.SetOutput(0, DType::kI32, y);
}

// The output has the type of its zero point; ergo.QuantizedConv and QuantizedGemm may do without
// one, and give float32.
DType QLinearOutputType(const InferContext& context) {
  return context.HasInput(7) ? context.InputType(7) : DType::kF32;
}

Status InferQLinearConv(InferContext& context) {
  ERGO_ASSIGN_OR_RETURN(const SymbolicShape y,
                        ConvShape(context.GetNode(), context.InputShape(0), context.InputShape(3)));
  return context.SetOutput(0, QLinearOutputType(context), y);
}

Status InferQLinearMatMul(InferContext& context) {
  const SymbolicShape& a = context.InputShape(0);
  const SymbolicShape& b = context.InputShape(3);
  SymbolicShape y;
  if (a.RankKnown() && b.RankKnown()) {
    if (a.Rank() < 2 || b.Rank() < 2) return Unsupported("operands of rank below 2");
    const auto lead = [](const SymbolicShape& shape) {
      return SymbolicShape(std::vector<Dim>(shape.Dims().begin(), shape.Dims().end() - 2));
    };
    ERGO_ASSIGN_OR_RETURN(const SymbolicShape batch, BroadcastSymbolic(lead(a), lead(b)));
    std::vector<Dim> dims = batch.Dims();
    dims.push_back(a[a.Rank() - 2]);
    dims.push_back(b[b.Rank() - 1]);
    y = SymbolicShape(std::move(dims));
  }
  return context.SetOutput(0, QLinearOutputType(context), y);
}

Status InferQuantizedAdd(InferContext& context) {
  return context.SetOutput(0, context.InputType(7), context.InputShape(0));
}

constexpr OpSchema kSchemas[] = {
    {"", "ConvInteger", 10, 2, 4, 1, 1, InferConvInteger},
    {"", "QLinearConv", 10, 8, 9, 1, 1, InferQLinearConv},
    {"", "QLinearMatMul", 10, 8, 8, 1, 1, InferQLinearMatMul},
    {"ergo", "QuantizedAdd", 1, 8, 8, 1, 1, InferQuantizedAdd},
    {"ergo", "QuantizedConv", 1, 5, 12, 1, 1, InferQLinearConv},
    {"ergo", "QuantizedGemm", 1, 5, 12, 1, 1, InferQLinearMatMul},
};

}  // namespace

std::span<const OpSchema> QLinearSchemas() {
  return kSchemas;
}

}  // namespace ergo
