#include <string>
#include <utility>
#include <vector>

#include "engine/graph/limits.h"
#include "formats/limits.h"
#include "formats/onnx/importer.h"

namespace ergo::onnx {

Status Importer::IndexFunctions() {
  for (int i = 0; i < model_.functions_size(); ++i) {
    FunctionProto& function = *model_.mutable_functions(i);
    const auto place = [&] { return fmt::format("functions[{}] '{}'", i, function.name()); };
    const std::tuple key(NormalizedDomain(function.domain()), function.name(), function.overload());
    if (function.name().empty()) return CorruptData("{}: no name", place());
    if (!functions_.emplace(key, &function).second) {
      return CorruptData("{}: defined twice", place());
    }
    auto opsets = ReadOpsets(function.opset_import());
    if (!opsets.ok()) return std::move(opsets).status().WithContext(place());
    function_opsets_[&function] = std::move(opsets).value();
  }
  return {};
}

FunctionProto* Importer::FindFunction(const std::string& domain, const NodeProto& proto) const {
  if (functions_.empty()) return nullptr;
  const auto found = functions_.find({domain, proto.op_type(), proto.overload()});
  return found == functions_.end() ? nullptr : found->second;
}

Status Importer::ImportCall(Scope& scope, NodeProto& proto, FunctionProto& function) {
  Call call;
  call.depth = scope.call == nullptr ? 1 : scope.call->depth + 1;
  if (call.depth > kMaxFunctionDepth) {
    return ResourceExhausted("functions call each other deeper than {}: recursion?",
                             kMaxFunctionDepth);
  }
  if (proto.input_size() > function.input_size() || proto.output_size() > function.output_size()) {
    return InvalidArgument("{} inputs and {} outputs for a function of {} and {}",
                           proto.input_size(), proto.output_size(), function.input_size(),
                           function.output_size());
  }
  call.prefix = NodeName(scope, proto) + "/";
  ERGO_RETURN_IF_ERROR(BindAttributes(scope, proto, function, call));
  Scope body{scope.target, function_opsets_[&function], &call, true};
  for (int i = 0; i < function.input_size(); ++i) {
    ValueId id = kNoValue;
    if (i < proto.input_size() && !proto.input(i).empty()) {
      ERGO_ASSIGN_OR_RETURN(id, Use(scope, proto.input(i)));
    }
    if (!body.values.emplace(function.input(i), id).second) {
      return CorruptData("the function has two inputs '{}'", function.input(i));
    }
  }
  std::vector<std::string> result_names;
  for (int i = 0; i < proto.output_size(); ++i) {
    const std::string& output = proto.output(i);
    result_names.push_back(output.empty() ? "" : FullName(scope, output));
    if (!output.empty()) call.results.emplace(function.output(i), result_names.back());
  }
  Status status = ImportNodes(body, *function.mutable_node());
  if (!status.ok()) {
    return std::move(status).WithContext(fmt::format("function '{}'", function.name()));
  }
  return BindResults(scope, body, proto, function, result_names);
}

// What the body's attribute references mean: the call's attributes, else the function's defaults.
Status Importer::BindAttributes(const Scope& scope, NodeProto& proto, FunctionProto& function,
                                Call& call) {
  for (AttributeProto& attribute : *proto.mutable_attribute()) {
    ERGO_ASSIGN_OR_RETURN(AttributeProto * resolved, Resolve(scope, attribute));
    if (resolved != nullptr && !call.attributes.emplace(attribute.name(), resolved).second) {
      return CorruptData("attribute '{}' stands twice", attribute.name());
    }
  }
  for (AttributeProto& attribute : *function.mutable_attribute_proto()) {
    call.attributes.emplace(attribute.name(), &attribute);
  }
  return {};
}

// The call's outputs become names of the values that the body computed for them. Where that is no
// value of its own (an input handed through, one result under two names), an Identity makes one.
Status Importer::BindResults(Scope& scope, Scope& body, const NodeProto& proto,
                             const FunctionProto& function,
                             const std::vector<std::string>& result_names) {
  Graph& graph = scope.target.graph;
  for (int i = 0; i < proto.output_size(); ++i) {
    const std::string& result_name = result_names[static_cast<size_t>(i)];
    if (result_name.empty()) continue;
    auto found = Use(body, function.output(i));
    if (!found.ok()) {
      return std::move(found).status().WithContext(fmt::format("function '{}'", function.name()));
    }
    ValueId id = *found;
    if (id != kNoValue && graph.GetValue(id).name != result_name) {
      ERGO_RETURN_IF_ERROR(Count(value_count_, kMaxGraphValues, "values"));
      const ValueId copy = graph.AddValue(result_name);
      const auto opset = OpsetOf(body, "");
      Node identity;
      identity.name = scope.target.node_names.MakeUnique(body.call->prefix + "Identity");
      identity.op = "Identity";
      identity.opset = opset.ok() ? *opset : 1;
      identity.inputs = {id};
      identity.outputs = {copy};
      graph.AddNode(std::move(identity));
      id = copy;
    }
    if (!scope.values.emplace(proto.output(i), id).second) {
      return InvalidArgument("'{}' is defined twice", proto.output(i));
    }
  }
  return {};
}

}  // namespace ergo::onnx
