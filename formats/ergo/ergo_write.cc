#include <cstring>
#include <unordered_map>
#include <utility>
#include <vector>

#include "formats/ergo/ergo_file.h"
#include "formats/ergo/ergo_generated.h"
#include "formats/ergo/preamble.h"
#include "formats/limits.h"
#include "formats/tensor_bytes.h"
#include "kernels/base/checked_math.h"

namespace ergo {
namespace {

using flatbuffers::Offset;

// The weights in the order of their first use, equal ones once.
class WeightTable {
 public:
  uint32_t Add(const Tensor& tensor) {
    const std::span<const std::byte> bytes = RawBytes(tensor);
    const uint64_t xxh3 = Xxh3(bytes);
    const auto [begin, end] = by_hash_.equal_range(xxh3);
    for (auto it = begin; it != end; ++it) {
      const std::span<const std::byte> other = RawBytes(tensors_[it->second]);
      if (other.size() == bytes.size() &&
          (bytes.empty() || std::memcmp(other.data(), bytes.data(), bytes.size()) == 0)) {
        return it->second;
      }
    }
    const auto index = static_cast<uint32_t>(tensors_.size());
    by_hash_.emplace(xxh3, index);
    end_ = RoundUp<uint64_t>(end_, kTensorAlignment);
    entries_.emplace_back(end_, bytes.size(), xxh3);
    end_ += bytes.size();
    tensors_.push_back(tensor);
    return index;
  }

  const std::vector<fb::Weight>& Entries() const { return entries_; }
  const std::vector<Tensor>& Tensors() const { return tensors_; }
  uint64_t Bytes() const { return end_; }

 private:
  std::unordered_multimap<uint64_t, uint32_t> by_hash_;
  std::vector<fb::Weight> entries_;
  std::vector<Tensor> tensors_;
  uint64_t end_ = 0;
};

class HeaderBuilder {
 public:
  // The header's bytes, valid as long as the builder. ResourceExhausted above the reader's limit.
  Result<std::span<const std::byte>> Build(const Graph& graph) {
    const auto root = BuildGraph(graph);
    if (static_cast<int64_t>(builder_.GetSize()) < kMaxErgoHeaderBytes && !too_large_) {
      const auto weights = builder_.CreateVectorOfStructs(weights_.Entries());
      builder_.Finish(fb::CreateHeader(builder_, root, weights), fb::HeaderIdentifier());
    }
    if (static_cast<int64_t>(builder_.GetSize()) > kMaxErgoHeaderBytes || too_large_) {
      return ResourceExhausted("the graph takes more than {} bytes without its weights",
                               kMaxErgoHeaderBytes);
    }
    const std::span<const uint8_t> bytes(builder_.GetBufferPointer(), builder_.GetSize());
    return std::as_bytes(bytes);
  }

  const WeightTable& Weights() const { return weights_; }

 private:
  // FlatBuffers aborts at 2 GiB: nothing is added any more when the limit is in sight.
  bool Fits(size_t bytes) {
    const auto end = static_cast<int64_t>(builder_.GetSize()) + static_cast<int64_t>(bytes);
    too_large_ |= end > kMaxErgoHeaderBytes;
    return !too_large_;
  }

  Offset<flatbuffers::String> Text(const std::string& text) {
    return Fits(text.size()) ? builder_.CreateString(text) : Offset<flatbuffers::String>();
  }

  template <typename T>
  Offset<flatbuffers::Vector<T>> Numbers(std::span<const T> values) {
    if (!Fits(values.size_bytes())) return {};
    return builder_.CreateVector(values.data(), values.size());
  }

  Offset<flatbuffers::Vector<Offset<flatbuffers::String>>> Texts(
      const std::vector<std::string>& texts) {
    std::vector<Offset<flatbuffers::String>> offsets;
    for (const std::string& text : texts) offsets.push_back(Text(text));
    return builder_.CreateVector(offsets);
  }

  Offset<fb::Tensor> BuildTensor(const Tensor& tensor) {
    const uint32_t weight = weights_.Add(tensor);
    const auto dims = Numbers(tensor.GetShape().Dims());
    return fb::CreateTensor(builder_, static_cast<uint8_t>(tensor.Type()), dims, weight);
  }

  Offset<fb::Value> BuildValue(const Value& value) {
    const auto name = Text(value.name);
    const auto dtype = static_cast<uint8_t>(value.dtype);
    if (value.constant) {
      return fb::CreateValue(builder_, name, dtype, true, 0, 0, BuildTensor(*value.constant));
    }
    if (!value.shape.RankKnown()) return fb::CreateValue(builder_, name, dtype);
    std::vector<int64_t> dims;
    std::vector<std::string> symbols;
    bool any_symbol = false;
    for (const Dim& dim : value.shape.Dims()) {
      dims.push_back(dim.Known() ? dim.value : -1);
      symbols.push_back(dim.Known() ? "" : dim.symbol);
      any_symbol |= !symbols.back().empty();
    }
    const auto dims_offset = Numbers<int64_t>(dims);
    const auto symbols_offset = any_symbol ? Texts(symbols) : 0;
    return fb::CreateValue(builder_, name, dtype, true, dims_offset, symbols_offset);
  }

  Offset<fb::Attribute> BuildAttribute(const std::string& name, const Attribute& attribute);
  Offset<fb::Node> BuildNode(const Node& node);
  Offset<fb::Graph> BuildGraph(const Graph& graph);

  flatbuffers::FlatBufferBuilder builder_;
  WeightTable weights_;
  bool too_large_ = false;
};

Offset<fb::Attribute> HeaderBuilder::BuildAttribute(const std::string& name,
                                                    const Attribute& attribute) {
  const auto name_offset = Text(name);
  if (const auto* i = std::get_if<int64_t>(&attribute)) {
    return fb::CreateAttribute(builder_, name_offset, fb::AttributeKind_Int, *i);
  }
  if (const auto* f = std::get_if<float>(&attribute)) {
    return fb::CreateAttribute(builder_, name_offset, fb::AttributeKind_Float, 0, *f);
  }
  const auto none = flatbuffers::nullopt;
  if (const auto* s = std::get_if<std::string>(&attribute)) {
    const auto text = Text(*s);
    return fb::CreateAttribute(builder_, name_offset, fb::AttributeKind_String, 0, none, text);
  }
  if (const auto* ints = std::get_if<std::vector<int64_t>>(&attribute)) {
    const auto numbers = Numbers<int64_t>(*ints);
    return fb::CreateAttribute(builder_, name_offset, fb::AttributeKind_Ints, 0, none, 0, numbers);
  }
  if (const auto* floats = std::get_if<std::vector<float>>(&attribute)) {
    const auto numbers = Numbers<float>(*floats);
    return fb::CreateAttribute(builder_, name_offset, fb::AttributeKind_Floats, 0, none, 0, 0,
                               numbers);
  }
  if (const auto* strings = std::get_if<std::vector<std::string>>(&attribute)) {
    const auto texts = Texts(*strings);
    return fb::CreateAttribute(builder_, name_offset, fb::AttributeKind_Strings, 0, none, 0, 0, 0,
                               texts);
  }
  const auto tensor = BuildTensor(std::get<Tensor>(attribute));
  return fb::CreateAttribute(builder_, name_offset, fb::AttributeKind_Tensor, 0, none, 0, 0, 0, 0,
                             tensor);
}

Offset<fb::Node> HeaderBuilder::BuildNode(const Node& node) {
  std::vector<Offset<fb::Attribute>> attributes;
  for (const auto& [name, attribute] : node.attributes) {
    attributes.push_back(BuildAttribute(name, attribute));
  }
  std::vector<Offset<fb::Subgraph>> subgraphs;
  for (const Subgraph& subgraph : node.subgraphs) {
    const auto attribute = Text(subgraph.attribute);
    const auto graph = BuildGraph(*subgraph.graph);
    const auto captures = Numbers<int32_t>(subgraph.captures);
    subgraphs.push_back(fb::CreateSubgraph(builder_, attribute, graph, captures));
  }
  const auto name = Text(node.name);
  const auto domain = Text(node.domain);
  const auto op = Text(node.op);
  const auto inputs = Numbers<int32_t>(node.inputs);
  const auto outputs = Numbers<int32_t>(node.outputs);
  const auto attributes_offset = attributes.empty() ? 0 : builder_.CreateVector(attributes);
  const auto subgraphs_offset = subgraphs.empty() ? 0 : builder_.CreateVector(subgraphs);
  return fb::CreateNode(builder_, name, domain, op, node.opset, inputs, outputs, attributes_offset,
                        subgraphs_offset);
}

Offset<fb::Graph> HeaderBuilder::BuildGraph(const Graph& graph) {
  std::vector<Offset<fb::Value>> values;
  for (ValueId id = 0; id < graph.ValueCount(); ++id) {
    values.push_back(BuildValue(graph.GetValue(id)));
  }
  std::vector<Offset<fb::Node>> nodes;
  for (const Node& node : graph.Nodes()) nodes.push_back(BuildNode(node));
  std::vector<Offset<fb::Entry>> metadata;
  for (const auto& [key, value] : graph.metadata) {
    const auto key_offset = Text(key);
    metadata.push_back(fb::CreateEntry(builder_, key_offset, Text(value)));
  }
  const auto name = Text(graph.name);
  const auto values_offset = builder_.CreateVector(values);
  const auto nodes_offset = builder_.CreateVector(nodes);
  const auto inputs = Numbers<int32_t>(graph.inputs);
  const auto outputs = Numbers<int32_t>(graph.outputs);
  const auto metadata_offset = metadata.empty() ? 0 : builder_.CreateVector(metadata);
  return fb::CreateGraph(builder_, name, values_offset, nodes_offset, inputs, outputs,
                         metadata_offset);
}

Status WriteParts(FileWriter& writer, const ErgoPreamble& preamble,
                  std::span<const std::byte> header, const WeightTable& weights) {
  ERGO_RETURN_IF_ERROR(writer.Write(std::as_bytes(std::span(&preamble, 1))));
  ERGO_RETURN_IF_ERROR(writer.Write(header));
  for (const Tensor& tensor : weights.Tensors()) {
    ERGO_RETURN_IF_ERROR(writer.Align(kTensorAlignment));
    ERGO_RETURN_IF_ERROR(writer.Write(RawBytes(tensor)));
  }
  return writer.Align(kTensorAlignment);
}

}  // namespace

Status WriteErgo(const Graph& graph, const std::string& path,
                 const std::map<std::string, std::string>& metadata) {
  ERGO_RETURN_IF_ERROR(graph.Verify().WithContext(path));
  Graph annotated = graph;
  for (const auto& [key, value] : metadata) annotated.metadata[key] = value;
  HeaderBuilder builder;
  auto header = builder.Build(annotated);
  if (!header.ok()) return std::move(header).status().WithContext(path);

  ErgoPreamble preamble;
  preamble.header_offset = sizeof(ErgoPreamble);
  preamble.header_bytes = header->size();
  preamble.header_xxh3 = Xxh3(*header);
  preamble.weights_offset =
      RoundUp<uint64_t>(preamble.header_offset + preamble.header_bytes, kTensorAlignment);
  preamble.file_bytes =
      RoundUp<uint64_t>(preamble.weights_offset + builder.Weights().Bytes(), kTensorAlignment);
  preamble.preamble_xxh3 = PreambleXxh3(preamble);

  ERGO_ASSIGN_OR_RETURN(FileWriter writer, FileWriter::Create(path));
  ERGO_RETURN_IF_ERROR(WriteParts(writer, preamble, *header, builder.Weights()));
  ERGO_CHECK(static_cast<uint64_t>(writer.Offset()) == preamble.file_bytes);
  return writer.Commit();
}

}  // namespace ergo
