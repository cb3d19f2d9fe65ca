// The FlatBuffers header of an .ergo file -> Graph, believing nothing.
#ifndef ERGO_FORMATS_ERGO_HEADER_READER_H_
#define ERGO_FORMATS_ERGO_HEADER_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/graph/graph.h"
#include "formats/ergo/ergo_generated.h"
#include "kernels/base/status.h"

namespace ergo {

class HeaderReader {
 public:
  // `header` and `weights` are parts of the file, 64-byte aligned; `owner` keeps them.
  HeaderReader(std::span<const std::byte> header, std::span<const std::byte> weights,
               std::shared_ptr<const void> owner);

  Result<Graph> Read(bool verify_checksums);

 private:
  using Strings = flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>;
  enum class Absent { kRefused, kAllowed };

  Status CheckWeights(const flatbuffers::Vector<const fb::Weight*>* entries, bool verify_checksums);
  Result<Graph> ReadGraph(const fb::Graph* graph, int depth);
  Status ReadValue(const fb::Value& in, Graph& graph);
  Result<SymbolicShape> ReadShape(const fb::Value& in);
  Result<Tensor> ReadTensor(const fb::Tensor* in);
  Status ReadNode(const fb::Node& in, int depth, Graph& graph);
  Status ReadAttribute(const fb::Attribute& in, Node& node);
  Result<Attribute> ReadAttributeValue(const fb::Attribute& in);
  Status ReadSubgraph(const fb::Subgraph& in, int depth, Node& node);

  // A list of values of `graph`, kNoValue among them only where `absent` allows it.
  Status ReadIds(const flatbuffers::Vector<int32_t>* in, const Graph& graph, int64_t limit,
                 Absent absent, std::vector<ValueId>& out);
  // UTF-8 of at most kMaxNameBytes; "" where the field is absent.
  Status ReadName(const flatbuffers::String* in, std::string& out);
  // Any bytes.
  Status ReadBytes(const flatbuffers::String* in, std::string& out);
  // Counts what is about to be copied out of the header.
  Status Spend(size_t bytes);

  std::span<const std::byte> header_;
  std::span<const std::byte> weights_;
  std::shared_ptr<const void> owner_;
  struct WeightPlace {
    std::span<const std::byte> bytes;
    bool known_bools = false;  // looked at once, however many tensors share it
  };
  std::vector<WeightPlace> places_;
  int64_t budget_bytes_;
  int64_t node_count_ = 0, value_count_ = 0;  // of all graphs together
};

}  // namespace ergo

#endif  // ERGO_FORMATS_ERGO_HEADER_READER_H_
