#include "formats/onnx/importer.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <climits>
#include <memory>
#include <unordered_set>
#include <utility>

#include "engine/graph/limits.h"
#include "engine/graph/upgrade.h"
#include "formats/limits.h"

namespace ergo::onnx {
namespace {

// The newest version of the format whose additions are known. 14 adds element types only, which are
// refused by their numbers.
constexpr int64_t kMaxIrVersion = 14;
// From this version on a model states the operator sets it uses.
constexpr int64_t kOpsetIrVersion = 3;

void CompactAll(Graph& graph) {
  graph.Compact();
  for (Node& node : graph.Nodes()) {
    for (Subgraph& subgraph : node.subgraphs) CompactAll(*subgraph.graph);
  }
}

Dim ReadDim(const TensorShapeProto::Dimension& proto) {
  if (proto.has_dim_value()) return proto.dim_value() >= 0 ? Dim(proto.dim_value()) : Dim();
  // What exporters write for "unknown" is no symbol: it does not mean the same number everywhere.
  const std::string& symbol = proto.dim_param();
  if (symbol.empty() || symbol == "?" || symbol == "None" || symbol == "-1") return Dim();
  return Dim::Symbol(symbol);
}

Result<SymbolicShape> ReadShape(const TensorShapeProto& proto) {
  if (proto.dim_size() > kMaxRank) {
    return ResourceExhausted("rank {} is above the limit of {}", proto.dim_size(), kMaxRank);
  }
  std::vector<Dim> dims;
  for (const auto& dim : proto.dim()) {
    dims.push_back(ReadDim(dim));
    ERGO_RETURN_IF_ERROR(CheckName(dims.back().symbol));
  }
  return SymbolicShape(std::move(dims));
}

// Unsupported for everything but tensors.
Status CheckIsTensor(const TypeProto& type) {
  switch (type.value_case()) {
    case TypeProto::kSequenceType: return Unsupported("a sequence");
    case TypeProto::kMapType: return Unsupported("a map");
    case TypeProto::kOpaqueType: return Unsupported("an opaque value");
    case TypeProto::kSparseTensorType: return Unsupported("a sparse tensor");
    case TypeProto::kOptionalType: return Unsupported("an optional value");
    default: return {};
  }
}

}  // namespace

std::string NormalizedDomain(const std::string& domain) {
  return domain == "ai.onnx" ? "" : domain;
}

Status CheckName(std::string_view name) {
  if (name.size() > static_cast<size_t>(kMaxNameBytes)) {
    return ResourceExhausted("a name of {} bytes ('{}...') is above the limit of {}", name.size(),
                             name.substr(0, 32), kMaxNameBytes);
  }
  return {};
}

Result<Graph> Importer::Run() {
  ERGO_RETURN_IF_ERROR(CheckModel());
  ERGO_RETURN_IF_ERROR(IndexFunctions());
  Graph graph;
  AddMetadata(graph);
  Target target{graph, {}, {}};
  Scope scope{target, opsets_};
  ERGO_RETURN_IF_ERROR(ImportGraph(scope, *model_.mutable_graph()));
  if (refusal_count_ > 0) {
    const auto unlisted = refusal_count_ - static_cast<int64_t>(refusals_.size());
    return Unsupported("{}{}", fmt::join(refusals_, "\n"),
                       unlisted > 0 ? fmt::format("\nand {} more", unlisted) : "");
  }
  CompactAll(graph);
  ERGO_RETURN_IF_ERROR(UpgradeLegacyOperators(graph));
  ERGO_RETURN_IF_ERROR(graph.Verify());
  return graph;
}

Status Importer::CheckModel() {
  if (model_.ir_version() <= 0) return CorruptData("no IR version: not an ONNX model");
  if (model_.ir_version() > kMaxIrVersion) {
    return Unsupported("IR version {} is newer than {}", model_.ir_version(), kMaxIrVersion);
  }
  if (!model_.has_graph()) return CorruptData("the model has no graph");
  ERGO_ASSIGN_OR_RETURN(opsets_, ReadOpsets(model_.opset_import()));
  if (model_.ir_version() < kOpsetIrVersion) opsets_.emplace("", 1);
  return {};
}

Result<Importer::Opsets> Importer::ReadOpsets(
    const google::protobuf::RepeatedPtrField<OperatorSetIdProto>& imports) const {
  Opsets opsets;
  for (const OperatorSetIdProto& entry : imports) {
    const std::string domain = NormalizedDomain(entry.domain());
    if (entry.version() < 1 || entry.version() > INT_MAX) {
      return CorruptData("operator set '{}' of version {}", entry.domain(), entry.version());
    }
    const int version = static_cast<int>(entry.version());
    if (!opsets.emplace(domain, version).second && opsets[domain] != version) {
      return CorruptData("operator set '{}' is imported in versions {} and {}", entry.domain(),
                         opsets[domain], version);
    }
  }
  return opsets;
}

void Importer::AddMetadata(Graph& graph) const {
  auto& metadata = graph.metadata;
  for (const StringStringEntryProto& entry : model_.metadata_props()) {
    metadata[entry.key()] = entry.value();
  }
  metadata["ir_version"] = fmt::format("{}", model_.ir_version());
  std::vector<std::string> imports;
  for (const auto& [domain, version] : opsets_) {
    imports.push_back(fmt::format("{} {}", domain.empty() ? "ai.onnx" : domain, version));
  }
  metadata["opset_import"] = fmt::format("{}", fmt::join(imports, ", "));
  if (!model_.producer_name().empty()) {
    metadata["producer"] = model_.producer_version().empty()
                               ? model_.producer_name()
                               : model_.producer_name() + " " + model_.producer_version();
  }
  if (!model_.domain().empty()) metadata["domain"] = model_.domain();
  if (model_.model_version() != 0) {
    metadata["model_version"] = fmt::format("{}", model_.model_version());
  }
}

Status Importer::ImportGraph(Scope& scope, GraphProto& proto) {
  ERGO_RETURN_IF_ERROR(CheckName(proto.name()));
  scope.target.graph.name = proto.name();
  if (proto.sparse_initializer_size() > 0) {
    ERGO_RETURN_IF_ERROR(
        Refuse(Unsupported("{} sparse tensors", proto.sparse_initializer_size()), "initializers"));
  }
  ReserveNames(scope, proto);
  ERGO_RETURN_IF_ERROR(ImportInitializers(scope, proto));
  ERGO_RETURN_IF_ERROR(ImportInputs(scope, proto));
  ERGO_RETURN_IF_ERROR(ImportNodes(scope, *proto.mutable_node()));
  return ImportOutputs(scope, proto);
}

// What the file names keeps its name, whatever names are made up before it is reached.
void Importer::ReserveNames(Scope& scope, const GraphProto& proto) {
  NameSet& names = scope.target.value_names;
  for (const TensorProto& initializer : proto.initializer()) names.Insert(initializer.name());
  for (const ValueInfoProto& input : proto.input()) names.Insert(input.name());
  for (const NodeProto& node : proto.node()) {
    for (const std::string& output : node.output()) names.Insert(output);
  }
}

Status Importer::ImportInitializers(Scope& scope, GraphProto& proto) {
  for (int i = 0; i < proto.initializer_size(); ++i) {
    TensorProto& initializer = *proto.mutable_initializer(i);
    const auto place = [&] { return fmt::format("initializer[{}] '{}'", i, initializer.name()); };
    auto tensor = tensors_.Decode(initializer);
    if (!tensor.ok()) {
      ERGO_RETURN_IF_ERROR(Refuse(std::move(tensor).status(), place()));
      tensor = Tensor();
    }
    auto id = Define(scope, initializer.name(), &*tensor);
    if (!id.ok()) return std::move(id).status().WithContext(place());
  }
  return {};
}

Status Importer::ImportInputs(Scope& scope, const GraphProto& proto) {
  for (int i = 0; i < proto.input_size(); ++i) {
    const ValueInfoProto& input = proto.input(i);
    const auto place = [&] { return fmt::format("input[{}] '{}'", i, input.name()); };
    if (scope.values.contains(input.name()) &&
        scope.target.graph.Constant(scope.values[input.name()]) != nullptr) {
      if (scope.target.depth == 0) continue;
      return InvalidArgument("{}: an input of a subgraph cannot be an initializer", place());
    }
    if (Status status = ImportInput(scope, input); !status.ok()) {
      ERGO_RETURN_IF_ERROR(Refuse(std::move(status), place()));
    }
  }
  const auto count = scope.target.graph.inputs.size();
  if (count > static_cast<size_t>(kMaxGraphInputs)) {
    return ResourceExhausted("{} graph inputs are above the limit of {}", count, kMaxGraphInputs);
  }
  return {};
}

Status Importer::ImportInput(Scope& scope, const ValueInfoProto& proto) {
  ERGO_ASSIGN_OR_RETURN(const ValueId id, Define(scope, proto.name()));
  scope.target.graph.inputs.push_back(id);
  ERGO_RETURN_IF_ERROR(CheckIsTensor(proto.type()));
  const TypeProto::Tensor& type = proto.type().tensor_type();
  Value& value = scope.target.graph.GetValue(id);
  // The inputs of a subgraph may leave their types to inference.
  if (type.elem_type() != TensorProto::UNDEFINED || scope.target.depth == 0) {
    ERGO_ASSIGN_OR_RETURN(value.dtype, ElementType(type.elem_type()));
  }
  if (type.has_shape()) {
    ERGO_ASSIGN_OR_RETURN(value.shape, ReadShape(type.shape()));
  }
  return {};
}

Status Importer::ImportOutputs(Scope& scope, const GraphProto& proto) {
  if (proto.output_size() > kMaxGraphInputs) {
    return ResourceExhausted("{} graph outputs are above the limit of {}", proto.output_size(),
                             kMaxGraphInputs);
  }
  for (int i = 0; i < proto.output_size(); ++i) {
    const ValueInfoProto& output = proto.output(i);
    const auto place = [&] { return fmt::format("output[{}] '{}'", i, output.name()); };
    const auto id = Use(scope, output.name());
    if (!id.ok()) return Status(id.status()).WithContext(place());
    if (*id == kNoValue) return InvalidArgument("{}: nothing computes it", place());
    scope.target.graph.outputs.push_back(*id);
    if (Status status = CheckIsTensor(output.type()); !status.ok()) {
      ERGO_RETURN_IF_ERROR(Refuse(std::move(status), place()));
    }
    Value& value = scope.target.graph.GetValue(*id);
    const int declared = output.type().tensor_type().elem_type();
    if (value.dtype != DType::kUndefined || declared == TensorProto::UNDEFINED) continue;
    const auto dtype = ElementType(declared);
    if (dtype.ok()) value.dtype = *dtype;
    if (!dtype.ok()) ERGO_RETURN_IF_ERROR(Refuse(dtype.status(), place()));
  }
  return {};
}

Status Importer::ImportNodes(Scope& scope, NodeList& nodes) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int> order, TopologicalOrder(nodes));
  for (const int index : order) {
    Status status = ImportNode(scope, nodes[index]);
    if (!status.ok()) return std::move(status).WithContext(NodeLabel(index, nodes[index]));
  }
  return {};
}

Result<Subgraph> Importer::ImportSubgraph(Scope& scope, std::string_view attribute,
                                          GraphProto& proto) {
  const int depth = scope.target.depth + 1;
  if (depth > kMaxSubgraphDepth) {
    return ResourceExhausted("subgraphs are nested deeper than {}", kMaxSubgraphDepth);
  }
  auto graph = std::make_unique<Graph>();
  std::vector<ValueId> captures;
  Target target{*graph, {}, {}, depth};
  Scope inner{target, scope.opsets, scope.call, false, &scope, &captures};
  ERGO_RETURN_IF_ERROR(ImportGraph(inner, proto));
  return Subgraph(std::string(attribute), std::move(graph), std::move(captures));
}

std::optional<ValueId> Importer::Find(Scope& scope, std::string_view name) {
  const auto found = scope.values.find(name);
  if (found != scope.values.end()) return found->second;
  if (scope.outer == nullptr) return std::nullopt;
  const std::optional<ValueId> outer = Find(*scope.outer, name);
  if (!outer || *outer == kNoValue) return outer;
  const Value& value = scope.outer->target.graph.GetValue(*outer);
  Target& target = scope.target;
  std::string inner_name = target.value_names.MakeUnique(value.name);
  ++value_count_;  // compared with its limit by ImportNode
  ValueId inner;
  if (value.constant) {
    inner = target.graph.AddConstant(std::move(inner_name), *value.constant);
  } else {
    inner = target.graph.AddValue(std::move(inner_name), value.dtype, value.shape);
    target.graph.inputs.push_back(inner);
    scope.captures->push_back(*outer);
  }
  scope.values.emplace(name, inner);
  return inner;
}

Result<ValueId> Importer::Use(Scope& scope, std::string_view name) {
  const std::optional<ValueId> id = Find(scope, name);
  if (!id) return InvalidArgument("nothing computes '{}'", name);
  return *id;
}

Result<ValueId> Importer::Define(Scope& scope, std::string_view name, const Tensor* constant) {
  if (name.empty()) return InvalidArgument("a value without a name");
  ERGO_RETURN_IF_ERROR(CheckName(name));
  ERGO_RETURN_IF_ERROR(Count(value_count_, kMaxGraphValues, "values"));
  if (scope.values.contains(name)) return InvalidArgument("'{}' is defined twice", name);
  std::string full = FullName(scope, name);
  const ValueId id = constant != nullptr
                         ? scope.target.graph.AddConstant(std::move(full), *constant)
                         : scope.target.graph.AddValue(std::move(full));
  scope.values.emplace(name, id);
  return id;
}

std::string Importer::FullName(Scope& scope, std::string_view name) {
  if (!scope.is_body) return std::string(name);
  const auto result = scope.call->results.find(name);
  if (result != scope.call->results.end()) return result->second;
  std::string full = scope.call->prefix + std::string(name);
  if (full.size() > static_cast<size_t>(kMaxMadeUpNameBytes)) full = "value";
  return scope.target.value_names.MakeUnique(full);
}

Status Importer::Count(int64_t& count, int64_t limit, std::string_view what) const {
  if (++count > limit) return ResourceExhausted("more than {} {}", limit, what);
  return {};
}

Status Importer::Refuse(Status status, std::string_view place) {
  status = std::move(status).WithContext(place);
  if (status.code() != StatusCode::kUnsupported) return status;
  ++refusal_count_;
  if (refusals_.size() < static_cast<size_t>(kMaxRefusalLines)) {
    refusals_.emplace_back(status.message());
  }
  return {};
}

}  // namespace ergo::onnx
