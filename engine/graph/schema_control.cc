// Control flow: the rules look into the subgraphs.
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

// The body of a Loop or Scan: types of the formal inputs are given by `formals`, shapes are left
// open since they may change from one iteration to the next.
Status InferBody(Graph& outer, Subgraph& body, const std::vector<DType>& formals,
                 size_t node_outputs, size_t control_outputs) {
  Graph& inner = *body.graph;
  if (inner.inputs.size() != formals.size() + body.captures.size()) {
    return InvalidArgument("{} has {} inputs, expected {}", body.attribute,
                           inner.inputs.size() - body.captures.size(), formals.size());
  }
  for (size_t i = 0; i < formals.size(); ++i) {
    Value& value = inner.GetValue(inner.inputs[i]);
    if (value.dtype == DType::kUndefined) value.dtype = formals[i];
  }
  return InferBranch(outer, body, node_outputs + control_outputs);
}

Status InferLoop(InferContext& context) {
  Node& node = context.MutableNode();
  if (node.subgraphs.size() != 1) return InvalidArgument("needs a body");
  // Trip count and condition may each be absent; what is carried may not.
  if (node.HasInput(0) && context.InputType(0) != DType::kI64) {
    return InvalidArgument("the trip count is {}", DTypeName(context.InputType(0)));
  }
  if (node.HasInput(1) && context.InputType(1) != DType::kBool) {
    return InvalidArgument("the condition is {}", DTypeName(context.InputType(1)));
  }
  for (size_t i = 2; i < node.inputs.size(); ++i) {
    if (!node.HasInput(i)) return InvalidArgument("carried input {} is absent", i);
  }
  const size_t carried = node.inputs.size() > 2 ? node.inputs.size() - 2 : 0;
  std::vector<DType> formals = {DType::kI64, DType::kBool};
  for (size_t i = 0; i < carried; ++i) {
    formals.push_back(context.InputType(2 + i));
    // The first iteration's shape need not be the second's, whatever the body declares.
    Graph& inner = *node.subgraphs[0].graph;
    if (3 + i <= inner.inputs.size()) inner.GetValue(inner.inputs[2 + i]).shape = SymbolicShape();
  }
  ERGO_RETURN_IF_ERROR(
      InferBody(context.GetGraph(), node.subgraphs[0], formals, node.outputs.size(), 1));
  const Graph& body = *node.subgraphs[0].graph;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const DType dtype =
        i < carried ? context.InputType(2 + i) : body.GetValue(body.outputs[1 + i]).dtype;
    ERGO_RETURN_IF_ERROR(context.SetOutput(i, dtype, {}));
  }
  return {};
}

Status InferScan(InferContext& context) {
  Node& node = context.MutableNode();
  if (node.subgraphs.size() != 1) return InvalidArgument("needs a body");
  // Opset 8 has the sequences' lengths in front.
  const size_t first = node.opset < 9 ? 1 : 0;
  const int64_t scans = node.IntAttr("num_scan_inputs", 0);
  if (scans < 1 || scans > static_cast<int64_t>(node.inputs.size() - first)) {
    return InvalidArgument("num_scan_inputs is {}", scans);
  }
  std::vector<DType> formals;
  for (size_t i = first; i < node.inputs.size(); ++i) {
    if (!context.HasInput(i)) return InvalidArgument("input {} is absent", i);
    formals.push_back(context.InputType(i));
  }
  ERGO_RETURN_IF_ERROR(
      InferBody(context.GetGraph(), node.subgraphs[0], formals, node.outputs.size(), 0));
  const Graph& body = *node.subgraphs[0].graph;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    ERGO_RETURN_IF_ERROR(context.SetOutput(i, body.GetValue(body.outputs[i]).dtype, {}));
  }
  return {};
}

constexpr std::array kSchemas = {
    OpSchema{"", "Loop", 1, 0, -1, 1, -1, InferLoop},
    OpSchema{"", "Scan", 8, 0, -1, 1, -1, InferScan},
    OpSchema{"", "Scan", 9, 1, -1, 1, -1, InferScan},
    OpSchema{"", "If", 1, 1, 1, 1, -1, InferIf},
};

}  // namespace

std::span<const OpSchema> ControlSchemas() {
  return kSchemas;
}

}  // namespace ergo
