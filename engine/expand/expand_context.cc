#include "engine/expand/expand_context.h"

#include "engine/graph/inline.h"
#include "engine/graph/op_schema.h"
#include "engine/graph/scalar_constant.h"
#include "kernels/base/real_access.h"

namespace ergo {

Result<int> ExpandContext::Rank(ValueId id) const {
  const Value& value = graph_.GetValue(id);
  if (!value.shape.RankKnown()) return Unsupported("the rank of '{}' is not known", value.name);
  return value.shape.Rank();
}

Result<int64_t> ExpandContext::Extent(ValueId id, int axis) const {
  ERGO_ASSIGN_OR_RETURN(const int rank, Rank(id));
  ERGO_ASSIGN_OR_RETURN(const int normal, NormalizeAxis(axis, rank));
  const Value& value = graph_.GetValue(id);
  if (!value.shape[normal].Known()) {
    return Unsupported("extent {} of '{}' is not known", normal, value.name);
  }
  return value.shape[normal].value;
}

Result<Tensor> ExpandContext::InputConstant(size_t i) {
  const Tensor* constant = graph_.Constant(Input(i));
  if (constant != nullptr) return *constant;
  missing_.push_back(i);
  return Unsupported("input {} is not known before the run", i);
}

Status ExpandContext::CheckFloat(size_t i) const {
  const DType dtype = InputType(i);
  if (dtype == DType::kUndefined) return Unsupported("the type of input {} is not known", i);
  if (IsFloatingPoint(dtype) && HasRealAccess(dtype)) return {};
  return InvalidArgument("input {} is {}", i, DTypeName(dtype));
}

void ExpandContext::Append(Node node) {
  // Later emissions read what this tells; what it cannot tell yet, folding will.
  (void)InferNode(graph_, node);
  nodes_.push_back(std::move(node));
}

ValueId ExpandContext::Emit(std::string_view op, std::initializer_list<ValueId> inputs,
                            Attributes attributes) {
  return EmitSpan(op, std::span(inputs.begin(), inputs.size()), std::move(attributes));
}

ValueId ExpandContext::EmitSpan(std::string_view op, std::span<const ValueId> inputs,
                                Attributes attributes) {
  const ValueId result = NewValue(op);
  EmitTo("", op, inputs, {result}, std::move(attributes));
  return result;
}

void ExpandContext::EmitTo(std::string_view domain, std::string_view op,
                           std::span<const ValueId> inputs, std::vector<ValueId> outputs,
                           Attributes attributes) {
  Node node;
  node.name = fmt::format("{}/{}", node_.name, op);
  node.domain = domain;
  node.op = op;
  node.opset = domain.empty() ? kExpansionOpset : 1;
  node.inputs.assign(inputs.begin(), inputs.end());
  while (!node.inputs.empty() && node.inputs.back() == kNoValue) node.inputs.pop_back();
  node.outputs = std::move(outputs);
  while (!node.outputs.empty() && node.outputs.back() == kNoValue) node.outputs.pop_back();
  node.attributes = std::move(attributes);
  Append(std::move(node));
}

void ExpandContext::Output(size_t i, ValueId value) {
  if (HasOutput(i)) EmitTo("", "Identity", std::span(&value, 1), {node_.Output(i)});
}

ValueId ExpandContext::NewValue(std::string_view hint) {
  return graph_.AddValue(graph_.UniqueName(fmt::format("{}/{}", node_.name, hint)));
}

ValueId ExpandContext::Constant(Tensor tensor) {
  return graph_.AddConstant(graph_.UniqueName(node_.name + "/constant"), std::move(tensor));
}

ValueId ExpandContext::Ints(std::initializer_list<int64_t> values) {
  return Constant(Tensor::FromValues<int64_t>(Shape{static_cast<int64_t>(values.size())}, values));
}

ValueId ExpandContext::Int(int64_t value) {
  return Constant(Tensor::Scalar<int64_t>(value));
}

ValueId ExpandContext::Scalar(DType dtype, double value) {
  if (HasRealAccess(dtype)) return Constant(ScalarConstant(dtype, value));
  return Cast(Constant(ScalarConstant(DType::kF32, value)), dtype);
}

Result<std::vector<ValueId>> ExpandContext::Inline(std::string_view attribute,
                                                   std::initializer_list<ValueId> arguments) {
  for (const Subgraph& subgraph : node_.subgraphs) {
    if (subgraph.attribute != attribute) continue;
    std::vector<ValueId> all(arguments);
    all.insert(all.end(), subgraph.captures.begin(), subgraph.captures.end());
    if (all.size() != subgraph.graph->inputs.size()) {
      return InvalidArgument("{} has {} inputs, not {}", attribute,
                             subgraph.graph->inputs.size() - subgraph.captures.size(),
                             arguments.size());
    }
    std::vector<Node> inlined;
    std::vector<ValueId> results = InlineGraph(graph_, *subgraph.graph, all, node_.name, inlined);
    for (Node& node : inlined) Append(std::move(node));
    return results;
  }
  return InvalidArgument("has no {}", attribute);
}

ValueId ExpandContext::Cast(ValueId value, DType dtype) {
  if (TypeOf(value) == dtype) return value;
  return Emit("Cast", {value}, {{"to", static_cast<int64_t>(dtype)}});
}

ValueId ExpandContext::Transpose(ValueId value, std::vector<int64_t> perm) {
  return Emit("Transpose", {value}, {{"perm", std::move(perm)}});
}

ValueId ExpandContext::Reshape(ValueId value, std::initializer_list<int64_t> dims) {
  return Emit("Reshape", {value, Ints(dims)});
}

ValueId ExpandContext::ExtentOf(ValueId value, int64_t axis) {
  Attributes attributes = {{"start", axis}};
  if (axis != -1) attributes["end"] = axis + 1;
  return Emit("Shape", {value}, std::move(attributes));
}

}  // namespace ergo
