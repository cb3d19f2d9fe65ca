#include "formats/onnx/onnx_reader.h"

#include <filesystem>
#include <utility>

#include "formats/file.h"
#include "formats/onnx/importer.h"
#include "formats/onnx/onnx.pb.h"
#include "formats/onnx/wire_scan.h"

namespace ergo {

Result<Graph> ParseOnnx(std::span<const std::byte> bytes, const OnnxReadOptions& options) {
  if (static_cast<int64_t>(bytes.size()) > options.max_bytes) {
    return ResourceExhausted("{} bytes are above the limit of {}", bytes.size(), options.max_bytes);
  }
  onnx::ModelProto model;
  ERGO_RETURN_IF_ERROR(
      onnx::ParseMessage(bytes, model, options.budget).WithContext("not an ONNX model"));
  return onnx::Importer(model, options.external_folder).Run();
}

Result<Graph> ReadOnnx(const std::string& path, const OnnxReadOptions& options) {
  ERGO_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path, kMaxModelFileBytes));
  OnnxReadOptions with_folder = options;
  if (!with_folder.external_folder) {
    const std::string folder = std::filesystem::path(path).parent_path().string();
    with_folder.external_folder = folder.empty() ? "." : folder;
  }
  auto graph = ParseOnnx(file->Bytes(), with_folder);
  if (!graph.ok()) return std::move(graph).status().WithContext(path);
  return graph;
}

}  // namespace ergo
