#include <utility>

#include "engine/graph/limits.h"
#include "formats/limits.h"
#include "formats/onnx/attribute_convert.h"
#include "formats/onnx/importer.h"

namespace ergo::onnx {

Status Importer::ImportNode(Scope& scope, NodeProto& proto) {
  ERGO_RETURN_IF_ERROR(Count(node_count_, kMaxGraphNodes, "nodes"));
  operand_count_ += proto.input_size() + proto.output_size();
  if (operand_count_ > kMaxOnnxObjects || value_count_ > kMaxGraphValues) {
    return ResourceExhausted("the model has too many values when its functions are expanded");
  }
  if (proto.input_size() > kMaxNodeOperands || proto.output_size() > kMaxNodeOperands) {
    return ResourceExhausted("{} inputs and {} outputs: more than {}", proto.input_size(),
                             proto.output_size(), kMaxNodeOperands);
  }
  if (proto.attribute_size() > kMaxNodeAttributes) {
    return ResourceExhausted("{} attributes are above the limit of {}", proto.attribute_size(),
                             kMaxNodeAttributes);
  }
  if (proto.op_type().empty()) return CorruptData("no operator");
  for (const std::string* name : {&proto.name(), &proto.op_type(), &proto.domain()}) {
    ERGO_RETURN_IF_ERROR(CheckName(*name));
  }
  const std::string domain = NormalizedDomain(proto.domain());
  if (FunctionProto* function = FindFunction(domain, proto)) {
    return ImportCall(scope, proto, *function);
  }
  if (domain.empty() && proto.op_type() == "Constant") return ImportConstant(scope, proto);
  return ImportOperator(scope, proto, domain);
}

Status Importer::ImportConstant(Scope& scope, NodeProto& proto) {
  AttributeProto* attribute = nullptr;
  std::string_view name;
  for (AttributeProto& candidate : *proto.mutable_attribute()) {
    ERGO_ASSIGN_OR_RETURN(AttributeProto * resolved, Resolve(scope, candidate));
    if (resolved == nullptr) continue;
    if (attribute != nullptr) return CorruptData("a Constant with more than one value");
    attribute = resolved;
    name = candidate.name();
  }
  if (attribute == nullptr) return CorruptData("a Constant without a value");
  if (proto.input_size() != 0 || proto.output_size() != 1) {
    return CorruptData("a Constant has no input and one output");
  }
  auto tensor = ConvertConstant(name, *attribute, tensors_);
  if (!tensor.ok()) {
    const std::string place = fmt::format("Constant '{}': attribute '{}'", proto.output(0), name);
    ERGO_RETURN_IF_ERROR(Refuse(std::move(tensor).status(), place));
    tensor = Tensor();
  }
  return Define(scope, proto.output(0), &*tensor).status();
}

Status Importer::ImportOperator(Scope& scope, NodeProto& proto, const std::string& domain) {
  Node node;
  node.name = NodeName(scope, proto);
  node.domain = domain;
  node.op = proto.op_type();
  ERGO_ASSIGN_OR_RETURN(node.opset, OpsetOf(scope, domain));
  for (const std::string& input : proto.input()) {
    if (input.empty()) {
      node.inputs.push_back(kNoValue);
      continue;
    }
    ERGO_ASSIGN_OR_RETURN(const ValueId id, Use(scope, input));
    node.inputs.push_back(id);
  }
  for (AttributeProto& attribute : *proto.mutable_attribute()) {
    Status status = ImportAttribute(scope, attribute, node);
    if (status.ok()) continue;
    const std::string place = fmt::format("attribute '{}'", attribute.name());
    if (status.code() != StatusCode::kUnsupported) return std::move(status).WithContext(place);
    ERGO_RETURN_IF_ERROR(Refuse(std::move(status), fmt::format("{}: {}", node.Label(), place)));
  }
  for (const std::string& output : proto.output()) {
    if (output.empty()) {
      node.outputs.push_back(kNoValue);
      continue;
    }
    ERGO_ASSIGN_OR_RETURN(const ValueId id, Define(scope, output));
    node.outputs.push_back(id);
  }
  while (!node.outputs.empty() && node.outputs.back() == kNoValue) node.outputs.pop_back();
  scope.target.graph.AddNode(std::move(node));
  return {};
}

Status Importer::ImportAttribute(Scope& scope, AttributeProto& proto, Node& node) {
  ERGO_RETURN_IF_ERROR(CheckName(proto.name()));
  if (proto.name().empty()) return CorruptData("no name");
  ERGO_ASSIGN_OR_RETURN(AttributeProto * resolved, Resolve(scope, proto));
  if (resolved == nullptr) return {};
  bool repeated = node.attributes.contains(proto.name());
  for (const Subgraph& subgraph : node.subgraphs) repeated |= subgraph.attribute == proto.name();
  if (repeated) return CorruptData("stands twice");
  if (TypeOf(*resolved) == AttributeProto::GRAPH) {
    if (resolved != &proto) return Unsupported("a graph as an attribute of a function");
    if (!proto.has_g()) return CorruptData("type GRAPH without a graph");
    ERGO_ASSIGN_OR_RETURN(Subgraph subgraph,
                          ImportSubgraph(scope, proto.name(), *proto.mutable_g()));
    node.subgraphs.push_back(std::move(subgraph));
    return {};
  }
  if (scope.call != nullptr) {
    inlined_bytes_ += CopiedBytes(*resolved);
    if (inlined_bytes_ > kMaxInlinedAttributeBytes) {
      return ResourceExhausted("expanding functions takes more than {} bytes of attributes",
                               kMaxInlinedAttributeBytes);
    }
  }
  ERGO_ASSIGN_OR_RETURN(Attribute attribute, ConvertAttribute(*resolved, tensors_));
  node.attributes.emplace(proto.name(), std::move(attribute));
  return {};
}

Result<AttributeProto*> Importer::Resolve(const Scope& scope, AttributeProto& proto) const {
  if (proto.ref_attr_name().empty()) return &proto;
  if (scope.call == nullptr) {
    return CorruptData("refers to attribute '{}' of a function, but is in none",
                       proto.ref_attr_name());
  }
  const auto found = scope.call->attributes.find(proto.ref_attr_name());
  AttributeProto* none = nullptr;
  return found == scope.call->attributes.end() ? none : found->second;
}

Result<int> Importer::OpsetOf(const Scope& scope, const std::string& domain) const {
  auto found = scope.opsets.find(domain);
  if (found != scope.opsets.end()) return found->second;
  found = opsets_.find(domain);
  if (found != opsets_.end()) return found->second;
  if (domain.empty()) {
    return CorruptData("the model does not say which version of ONNX's operators it uses");
  }
  return 0;
}

std::string Importer::NodeName(Scope& scope, const NodeProto& proto) {
  std::string name = proto.name();
  if (name.empty()) name = fmt::format("{}_{}", proto.op_type(), scope.target.graph.NodeCount());
  if (scope.is_body) name = scope.call->prefix + name;
  if (name.size() > static_cast<size_t>(kMaxMadeUpNameBytes) && scope.is_body) {
    name = proto.op_type().substr(0, static_cast<size_t>(kMaxMadeUpNameBytes));
  }
  return scope.target.node_names.MakeUnique(name);
}

}  // namespace ergo::onnx
