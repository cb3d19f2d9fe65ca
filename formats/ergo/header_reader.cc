#include "formats/ergo/header_reader.h"

#include <memory>
#include <utility>

#include "engine/graph/limits.h"
#include "formats/ergo/preamble.h"
#include "formats/limits.h"
#include "formats/tensor_bytes.h"
#include "formats/utf8.h"

namespace ergo {
namespace {

// Room for headers so small that their multiple would be.
constexpr int64_t kMinBudgetBytes = 4096;

// The elements in place. The verifier checks where a vector begins and ends, but not that elements
// of eight bytes are aligned.
template <typename T>
Result<std::span<const T>> SpanOf(const flatbuffers::Vector<T>* vector) {
  if (vector == nullptr || vector->size() == 0) return std::span<const T>();
  if (reinterpret_cast<uintptr_t>(vector->Data()) % alignof(T) != 0) {
    return CorruptData("a list of {} numbers is not aligned", vector->size());
  }
  return std::span<const T>(vector->data(), vector->size());
}

// FlatBuffers' vectors may be absent, which means empty.
template <typename T>
uint32_t SizeOf(const flatbuffers::Vector<T>* vector) {
  return vector == nullptr ? 0 : vector->size();
}

std::string_view ViewOf(const flatbuffers::String* text) {
  return text == nullptr ? std::string_view() : std::string_view(text->c_str(), text->size());
}

}  // namespace

HeaderReader::HeaderReader(std::span<const std::byte> header, std::span<const std::byte> weights,
                           std::shared_ptr<const void> owner)
    : header_(header),
      weights_(weights),
      owner_(std::move(owner)),
      budget_bytes_(static_cast<int64_t>(header.size()) * kMaxErgoHeaderExpansion +
                    kMinBudgetBytes) {}

Result<Graph> HeaderReader::Read(bool verify_checksums) {
  const auto* data = reinterpret_cast<const uint8_t*>(header_.data());
  flatbuffers::Verifier verifier(data, header_.size(), kMaxErgoNesting, kMaxErgoTables);
  if (!fb::VerifyHeaderBuffer(verifier)) {
    return CorruptData("byte {}: the header is no valid FlatBuffer", sizeof(ErgoPreamble));
  }
  const fb::Header& header = *fb::GetHeader(data);
  ERGO_RETURN_IF_ERROR(CheckWeights(header.weights(), verify_checksums));
  ERGO_ASSIGN_OR_RETURN(Graph graph, ReadGraph(header.graph(), 0));
  if (const Status status = graph.Verify(); !status.ok()) {
    return CorruptData("{}", status.message());
  }
  return graph;
}

Status HeaderReader::CheckWeights(const flatbuffers::Vector<const fb::Weight*>* entries,
                                  bool verify_checksums) {
  const uint32_t count = entries == nullptr ? 0 : entries->size();
  if (count > 0 && reinterpret_cast<uintptr_t>(entries->Data()) % alignof(fb::Weight) != 0) {
    return CorruptData("the list of weights is not aligned");
  }
  places_.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const fb::Weight& entry = *entries->Get(i);
    if (entry.offset() % kTensorAlignment != 0 || entry.offset() > weights_.size() ||
        entry.bytes() > weights_.size() - entry.offset()) {
      return CorruptData("weight {}: {} bytes at {} of {}", i, entry.bytes(), entry.offset(),
                         weights_.size());
    }
    places_.push_back({weights_.subspan(entry.offset(), entry.bytes())});
    if (verify_checksums && Xxh3(places_.back().bytes) != entry.xxh3()) {
      return CorruptData("weight {}: wrong checksum of {} bytes at {} of the weights", i,
                         entry.bytes(), entry.offset());
    }
  }
  return {};
}

Result<Graph> HeaderReader::ReadGraph(const fb::Graph* in, int depth) {
  if (in == nullptr) return CorruptData("a graph is missing");
  if (depth > kMaxSubgraphDepth) {
    return ResourceExhausted("subgraphs are nested deeper than {}", kMaxSubgraphDepth);
  }
  value_count_ += SizeOf(in->values());
  node_count_ += SizeOf(in->nodes());
  if (value_count_ > kMaxGraphValues || node_count_ > kMaxGraphNodes) {
    return ResourceExhausted("more than {} values or {} nodes", kMaxGraphValues, kMaxGraphNodes);
  }
  Graph graph;
  ERGO_RETURN_IF_ERROR(ReadName(in->name(), graph.name));
  for (uint32_t i = 0; i < SizeOf(in->values()); ++i) {
    Status status = ReadValue(*in->values()->Get(i), graph);
    if (!status.ok()) return std::move(status).WithContext(fmt::format("value {}", i));
  }
  // A subgraph has its captures among its inputs, as many as values of the graph around it.
  const int64_t input_limit = depth == 0 ? kMaxGraphInputs : kMaxGraphValues;
  ERGO_RETURN_IF_ERROR(ReadIds(in->inputs(), graph, input_limit, Absent::kRefused, graph.inputs)
                           .WithContext("graph inputs"));
  ERGO_RETURN_IF_ERROR(
      ReadIds(in->outputs(), graph, kMaxGraphInputs, Absent::kRefused, graph.outputs)
          .WithContext("graph outputs"));
  for (uint32_t i = 0; i < SizeOf(in->nodes()); ++i) {
    const fb::Node& node = *in->nodes()->Get(i);
    Status status = ReadNode(node, depth, graph);
    if (!status.ok()) return std::move(status).WithContext(fmt::format("node {}", i));
  }
  for (uint32_t i = 0; i < SizeOf(in->metadata()); ++i) {
    std::string key, value;
    ERGO_RETURN_IF_ERROR(ReadName(in->metadata()->Get(i)->key(), key).WithContext("metadata"));
    ERGO_RETURN_IF_ERROR(ReadBytes(in->metadata()->Get(i)->value(), value));
    if (!IsUtf8(value)) return CorruptData("metadata '{}': text is not UTF-8", key);
    graph.metadata.insert_or_assign(std::move(key), std::move(value));
  }
  return graph;
}

Status HeaderReader::ReadValue(const fb::Value& in, Graph& graph) {
  std::string name;
  ERGO_RETURN_IF_ERROR(ReadName(in.name(), name));
  const auto dtype = static_cast<DType>(in.dtype());
  if (dtype != DType::kUndefined && !IsTensorDType(dtype)) {
    return Unsupported("'{}': element type {}", name, in.dtype());
  }
  if (in.constant() != nullptr) {
    auto tensor = ReadTensor(in.constant());
    if (!tensor.ok()) {
      return std::move(tensor).status().WithContext(fmt::format("constant '{}'", name));
    }
    if (tensor->Type() != dtype) {
      return CorruptData("'{}' is {}, its constant {}", name, DTypeName(dtype),
                         DTypeName(tensor->Type()));
    }
    graph.AddConstant(std::move(name), std::move(tensor).value());
    return {};
  }
  auto shape = ReadShape(in);
  if (!shape.ok()) return std::move(shape).status().WithContext(fmt::format("'{}'", name));
  graph.AddValue(std::move(name), dtype, std::move(shape).value());
  return {};
}

Result<SymbolicShape> HeaderReader::ReadShape(const fb::Value& in) {
  if (!in.rank_known()) return SymbolicShape();
  ERGO_ASSIGN_OR_RETURN(const std::span<const int64_t> numbers, SpanOf(in.dims()));
  if (numbers.size() > static_cast<size_t>(kMaxRank)) {
    return ResourceExhausted("rank {} is above the limit of {}", numbers.size(), kMaxRank);
  }
  const Strings* symbols = in.symbols();
  if (symbols != nullptr && symbols->size() != numbers.size()) {
    return CorruptData("{} symbols for {} dimensions", symbols->size(), numbers.size());
  }
  std::vector<Dim> dims;
  for (uint32_t i = 0; i < numbers.size(); ++i) {
    std::string symbol;
    if (symbols != nullptr) ERGO_RETURN_IF_ERROR(ReadName(symbols->Get(i), symbol));
    if (numbers[i] < -1 || (numbers[i] >= 0 && !symbol.empty())) {
      return CorruptData("dimension {} is {} and '{}'", i, numbers[i], symbol);
    }
    dims.push_back(numbers[i] >= 0 ? Dim(numbers[i]) : Dim::Symbol(std::move(symbol)));
  }
  return SymbolicShape(std::move(dims));
}

Result<Tensor> HeaderReader::ReadTensor(const fb::Tensor* in) {
  if (in == nullptr) return CorruptData("a tensor is missing");
  const auto dtype = static_cast<DType>(in->dtype());
  if (!IsTensorDType(dtype)) return Unsupported("element type {}", in->dtype());
  ERGO_ASSIGN_OR_RETURN(const std::span<const int64_t> dims, SpanOf(in->dims()));
  ERGO_ASSIGN_OR_RETURN(const Shape shape, Shape::Make(dims));
  if (in->weight() >= places_.size()) {
    return CorruptData("weight {} of {}", in->weight(), places_.size());
  }
  WeightPlace& place = places_[in->weight()];
  const int64_t bytes = DTypeBytes(dtype, shape.Elements());
  if (static_cast<int64_t>(place.bytes.size()) != bytes) {
    return CorruptData("{}{} takes {} bytes, weight {} has {}", DTypeName(dtype), shape.ToString(),
                       bytes, in->weight(), place.bytes.size());
  }
  if (dtype == DType::kBool && !place.known_bools) {
    if (!AreBools(place.bytes)) {
      return CorruptData("weight {}: a bool is neither 0 nor 1", in->weight());
    }
    place.known_bools = true;
  }
  return Tensor(dtype, shape, place.bytes.data(), owner_);
}

Status HeaderReader::ReadNode(const fb::Node& in, int depth, Graph& graph) {
  Node node;
  ERGO_RETURN_IF_ERROR(ReadName(in.name(), node.name).WithContext("name"));
  ERGO_RETURN_IF_ERROR(ReadName(in.domain(), node.domain).WithContext("domain"));
  ERGO_RETURN_IF_ERROR(ReadName(in.op(), node.op).WithContext("operator"));
  node.opset = in.opset();
  const auto located = [&node](Status status) {
    return status.ok() ? status : std::move(status).WithContext(node.Label());
  };
  if (node.op.empty() || node.opset < 0) {
    return located(CorruptData("operator '{}' of opset {}", node.op, node.opset));
  }
  ERGO_RETURN_IF_ERROR(
      located(ReadIds(in.inputs(), graph, kMaxNodeOperands, Absent::kAllowed, node.inputs)));
  ERGO_RETURN_IF_ERROR(
      located(ReadIds(in.outputs(), graph, kMaxNodeOperands, Absent::kAllowed, node.outputs)));
  if (SizeOf(in.attributes()) + SizeOf(in.subgraphs()) > kMaxNodeAttributes) {
    return located(ResourceExhausted("more than {} attributes", kMaxNodeAttributes));
  }
  for (uint32_t i = 0; i < SizeOf(in.attributes()); ++i) {
    ERGO_RETURN_IF_ERROR(located(ReadAttribute(*in.attributes()->Get(i), node)));
  }
  for (uint32_t i = 0; i < SizeOf(in.subgraphs()); ++i) {
    const fb::Subgraph& subgraph = *in.subgraphs()->Get(i);
    ERGO_RETURN_IF_ERROR(located(ReadSubgraph(subgraph, depth, node)));
    ERGO_RETURN_IF_ERROR(located(ReadIds(subgraph.captures(), graph, kMaxGraphValues,
                                         Absent::kRefused, node.subgraphs.back().captures)));
  }
  graph.AddNode(std::move(node));
  return {};
}

Status HeaderReader::ReadSubgraph(const fb::Subgraph& in, int depth, Node& node) {
  std::string name;
  ERGO_RETURN_IF_ERROR(ReadName(in.attribute(), name));
  auto graph = ReadGraph(in.graph(), depth + 1);
  if (!graph.ok()) return std::move(graph).status().WithContext(name);
  node.subgraphs.emplace_back(std::move(name), std::make_unique<Graph>(std::move(graph).value()),
                              std::vector<ValueId>());
  return {};
}

Status HeaderReader::ReadAttribute(const fb::Attribute& in, Node& node) {
  std::string name;
  ERGO_RETURN_IF_ERROR(ReadName(in.name(), name).WithContext("attribute"));
  auto value = ReadAttributeValue(in);
  if (!value.ok()) {
    return std::move(value).status().WithContext(fmt::format("attribute '{}'", name));
  }
  if (name.empty() || node.attributes.contains(name)) {
    return CorruptData("attribute '{}' has no name or stands twice", name);
  }
  node.attributes.emplace(std::move(name), std::move(value).value());
  return {};
}

Result<Attribute> HeaderReader::ReadAttributeValue(const fb::Attribute& in) {
  switch (in.kind()) {
    case fb::AttributeKind_Int: return Attribute(in.i());
    case fb::AttributeKind_Float: return Attribute(in.f().value_or(0.0f));
    case fb::AttributeKind_String: {
      std::string text;
      ERGO_RETURN_IF_ERROR(ReadBytes(in.s(), text));
      return Attribute(std::move(text));
    }
    case fb::AttributeKind_Ints: {
      ERGO_ASSIGN_OR_RETURN(const std::span<const int64_t> ints, SpanOf(in.ints()));
      ERGO_RETURN_IF_ERROR(Spend(ints.size_bytes()));
      return Attribute(std::vector<int64_t>(ints.begin(), ints.end()));
    }
    case fb::AttributeKind_Floats: {
      ERGO_ASSIGN_OR_RETURN(const std::span<const float> floats, SpanOf(in.floats()));
      ERGO_RETURN_IF_ERROR(Spend(floats.size_bytes()));
      return Attribute(std::vector<float>(floats.begin(), floats.end()));
    }
    case fb::AttributeKind_Strings: {
      std::vector<std::string> texts;
      for (uint32_t i = 0; i < SizeOf(in.strings()); ++i) {
        ERGO_RETURN_IF_ERROR(ReadBytes(in.strings()->Get(i), texts.emplace_back()));
      }
      return Attribute(std::move(texts));
    }
    case fb::AttributeKind_Tensor: {
      ERGO_ASSIGN_OR_RETURN(Tensor tensor, ReadTensor(in.tensor()));
      return Attribute(std::move(tensor));
    }
    default: return CorruptData("kind {} is not known", static_cast<int>(in.kind()));
  }
}

Status HeaderReader::ReadIds(const flatbuffers::Vector<int32_t>* in, const Graph& graph,
                             int64_t limit, Absent absent, std::vector<ValueId>& out) {
  ERGO_ASSIGN_OR_RETURN(const std::span<const int32_t> ids, SpanOf(in));
  if (static_cast<int64_t>(ids.size()) > limit) {
    return ResourceExhausted("a list of {} values is longer than {}", ids.size(), limit);
  }
  ERGO_RETURN_IF_ERROR(Spend(ids.size_bytes()));
  for (const int32_t id : ids) {
    const bool none = id == kNoValue && absent == Absent::kAllowed;
    if (!none && (id < 0 || id >= graph.ValueCount())) {
      return CorruptData("value {} of {}", id, graph.ValueCount());
    }
  }
  out.assign(ids.begin(), ids.end());
  return {};
}

Status HeaderReader::ReadName(const flatbuffers::String* in, std::string& out) {
  const std::string_view text = ViewOf(in);
  if (text.size() > static_cast<size_t>(kMaxNameBytes)) {
    return ResourceExhausted("a name of {} bytes is above the limit of {}", text.size(),
                             kMaxNameBytes);
  }
  if (!IsUtf8(text)) return CorruptData("a name is not UTF-8");
  return ReadBytes(in, out);
}

Status HeaderReader::ReadBytes(const flatbuffers::String* in, std::string& out) {
  const std::string_view text = ViewOf(in);
  // An empty string takes as much beside the header as in it.
  ERGO_RETURN_IF_ERROR(Spend(sizeof(uint32_t) + text.size()));
  out = text;
  return {};
}

Status HeaderReader::Spend(size_t bytes) {
  budget_bytes_ -= static_cast<int64_t>(bytes);
  if (budget_bytes_ < 0) {
    return ResourceExhausted("the header stands for more than {} times its bytes",
                             kMaxErgoHeaderExpansion);
  }
  return {};
}

}  // namespace ergo
