// Fuzz target: the ONNX reader, from bytes to a verified Graph, and TensorProto files.
//
// Input: a model. External data is looked for in a folder that does not exist.
#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/onnx/onnx_reader.h"
#include "formats/onnx/tensor_proto.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  ergo::OnnxReadOptions options;
  options.external_folder = "/nonexistent";
  auto graph = ergo::ParseOnnx(bytes, options);
  if (graph.ok()) {
    ERGO_CHECK(graph->Verify().ok());
    ERGO_CHECK(!graph->ToString().empty());
  } else {
    ERGO_CHECK(!graph.status().message().empty());
    // What the importer makes must keep the graph's invariants by itself.
    ERGO_CHECK_MSG(graph.status().code() != ergo::StatusCode::kInternal, "{}",
                   graph.status().ToString());
  }
  const auto tensor = ergo::ParseTensorProto(bytes);
  ERGO_CHECK(tensor.ok() || !tensor.status().message().empty());
  return 0;
}
