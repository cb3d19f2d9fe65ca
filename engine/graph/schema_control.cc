// Control flow: the rule of If looks into both branches.
#include <array>

#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

// What is certain of a result that is either of two.
SymbolicShape Merge(const SymbolicShape& a, const SymbolicShape& b) {
  if (!a.RankKnown() || !b.RankKnown() || a.Rank() != b.Rank()) return {};
  std::vector<Dim> dims;
  for (int axis = 0; axis < a.Rank(); ++axis) {
    dims.push_back(a[axis].SameAs(b[axis]) ? a[axis] : Dim());
  }
  return SymbolicShape(std::move(dims));
}

Status InferBranch(Graph& outer, Subgraph& branch, size_t outputs) {
  Graph& inner = *branch.graph;
  if (inner.outputs.size() < outputs) {
    return InvalidArgument("{} has {} outputs, the node {}", branch.attribute, inner.outputs.size(),
                           outputs);
  }
  const size_t formal = inner.inputs.size() - branch.captures.size();
  for (size_t i = 0; i < branch.captures.size(); ++i) {
    const Value& from = outer.GetValue(branch.captures[i]);
    Value& to = inner.GetValue(inner.inputs[formal + i]);
    to.dtype = from.dtype;
    to.shape = from.shape;
  }
  return InferShapes(inner).WithContext(branch.attribute);
}

Status InferIf(InferContext& context) {
  Node& node = context.MutableNode();
  if (node.subgraphs.size() != 2) return InvalidArgument("needs then_branch and else_branch");
  for (Subgraph& branch : node.subgraphs) {
    ERGO_RETURN_IF_ERROR(InferBranch(context.GetGraph(), branch, node.outputs.size()));
  }
  const Graph& first = *node.subgraphs[0].graph;
  const Graph& second = *node.subgraphs[1].graph;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const Value& a = first.GetValue(first.outputs[i]);
    const Value& b = second.GetValue(second.outputs[i]);
    if (a.dtype != b.dtype) {
      return InvalidArgument("output {} is {} in one branch and {} in the other", i,
                             DTypeName(a.dtype), DTypeName(b.dtype));
    }
    ERGO_RETURN_IF_ERROR(context.SetOutput(i, a.dtype, Merge(a.shape, b.shape)));
  }
  return {};
}

constexpr std::array kSchemas = {
    OpSchema{"", "If", 1, 1, 1, 1, -1, InferIf},
};

}  // namespace

std::span<const OpSchema> ControlSchemas() {
  return kSchemas;
}

}  // namespace ergo
