// Operators with channels innermost (engine/plan/choose_layout.h).
#include "engine/graph/op_schema.h"
#include "engine/graph/window_attributes.h"

namespace ergo {
namespace {

Status CheckRank(const SymbolicShape& shape, std::string_view what) {
  if (shape.RankKnown() && shape.Rank() == 4) return {};
  return InvalidArgument("{} {} where four dimensions are needed", what, shape.ToString());
}

// [N, OH, OW, `channels`] for planes whose first axis is `axis` of x.
Status SetPlanes(InferContext& context, const WindowAttributes& attributes, int axis,
                 const Dim& channels) {
  const SymbolicShape& x = context.InputShape(0);
  std::vector<Dim> dims = {x[0], Dim(), Dim(), channels};
  for (int i = 0; i < 2; ++i) {
    ERGO_ASSIGN_OR_RETURN(dims[static_cast<size_t>(i + 1)],
                          WindowOutputDim(attributes, i, x[axis + i]));
  }
  return context.SetOutput(0, context.InputType(0), SymbolicShape(std::move(dims)));
}

Status InferNhwcConv(InferContext& context) {
  const Node& node = context.GetNode();
  const SymbolicShape& w = context.InputShape(1);
  ERGO_RETURN_IF_ERROR(CheckRank(context.InputShape(0), "input"));
  ERGO_RETURN_IF_ERROR(CheckRank(w, "weights"));
  const std::vector<int64_t> kernel = {w[2].value, w[3].value};
  ERGO_ASSIGN_OR_RETURN(const WindowAttributes attributes, ReadWindowAttributes(node, 2, kernel));
  return SetPlanes(context, attributes, node.IntAttr("planar_input", 0) != 0 ? 2 : 1, w[0]);
}

// X, W1, B1, W2, B2: the attributes are those of the second convolution, which has a channel a
// group; the first is pointwise.
Status InferExpandDepthwise(InferContext& context) {
  const SymbolicShape& w = context.InputShape(3);
  ERGO_RETURN_IF_ERROR(CheckRank(context.InputShape(0), "input"));
  ERGO_RETURN_IF_ERROR(CheckRank(w, "weights"));
  const std::vector<int64_t> kernel = {w[2].value, w[3].value};
  ERGO_ASSIGN_OR_RETURN(const WindowAttributes attributes,
                        ReadWindowAttributes(context.GetNode(), 2, kernel));
  return SetPlanes(context, attributes, 1, w[0]);
}

Status InferNhwcPool(InferContext& context) {
  const SymbolicShape& x = context.InputShape(0);
  ERGO_RETURN_IF_ERROR(CheckRank(x, "input"));
  ERGO_ASSIGN_OR_RETURN(const WindowAttributes attributes,
                        ReadWindowAttributes(context.GetNode(), 2, {}));
  return SetPlanes(context, attributes, 1, x[3]);
}

constexpr OpSchema kSchemas[] = {
    {"ergo", "NhwcConv", 1, 2, 4, 1, 1, InferNhwcConv},
    {"ergo", "ExpandDepthwise", 1, 4, 5, 1, 1, InferExpandDepthwise},
    {"ergo", "NhwcMaxPool", 1, 1, 1, 1, 1, InferNhwcPool},
    {"ergo", "NhwcAveragePool", 1, 1, 1, 1, 1, InferNhwcPool},
};

}  // namespace

std::span<const OpSchema> NhwcSchemas() {
  return kSchemas;
}

}  // namespace ergo
