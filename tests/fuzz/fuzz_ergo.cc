// Fuzz target: the .ergo reader.
//
// Input: an .ergo file. Its checksums are not looked at, and the fields of the preamble that only
// say what follows (magic, version, flags, size of the file, place of the header) are put right:
// otherwise hardly any change would get behind them.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "formats/ergo/ergo_file.h"
#include "formats/ergo/preamble.h"
#include "formats/tensor_bytes.h"

namespace ergo {
namespace {

// Touches every byte of every constant: they must lie where they are said to lie.
uint64_t SumOfConstants(const Graph& graph) {
  uint64_t sum = 0;
  const auto add = [&](const Tensor& tensor) {
    for (const std::byte byte : RawBytes(tensor)) sum += static_cast<uint64_t>(byte);
  };
  for (ValueId id = 0; id < graph.ValueCount(); ++id) {
    if (const Tensor* constant = graph.Constant(id)) add(*constant);
  }
  for (const Node& node : graph.Nodes()) {
    for (const auto& [name, attribute] : node.attributes) {
      if (const auto* tensor = std::get_if<Tensor>(&attribute)) add(*tensor);
    }
    for (const Subgraph& subgraph : node.subgraphs) sum += SumOfConstants(*subgraph.graph);
  }
  return sum;
}

void FuzzOne(std::span<const std::byte> input) {
  auto buffer = std::make_shared<AlignedBuffer>(AlignedBuffer::AllocateOrDie(input.size()));
  if (!input.empty()) std::memcpy(buffer->Data(), input.data(), input.size());
  if (input.size() >= sizeof(ErgoPreamble)) {
    ErgoPreamble preamble;
    std::memcpy(&preamble, buffer->Data(), sizeof(preamble));
    preamble.magic = kErgoMagic;
    preamble.version = kErgoVersion;
    preamble.flags = 0;
    preamble.file_bytes = input.size();
    preamble.header_offset = sizeof(preamble);
    std::memcpy(buffer->Data(), &preamble, sizeof(preamble));
  }
  ErgoReadOptions options;
  options.verify_checksums = false;
  options.verify_header_checksums = false;
  auto graph = ParseErgo(buffer->Bytes().first(input.size()), buffer, options);
  if (!graph.ok()) {
    ERGO_CHECK(!graph.status().message().empty());
    return;
  }
  ERGO_CHECK(graph->Verify().ok());
  ERGO_CHECK(!graph->ToString().empty());
  volatile uint64_t sink = SumOfConstants(*graph);
  (void)sink;
}

}  // namespace
}  // namespace ergo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ergo::FuzzOne(std::as_bytes(std::span(data, size)));
  return 0;
}
