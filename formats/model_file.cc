#include "formats/model_file.h"

#include <filesystem>

#include "formats/onnx/onnx_reader.h"

namespace ergo {

Result<Graph> ReadModel(const std::string& path) {
  return ReadOnnx(path);
}

Result<NamedTensor> ReadTensorFile(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension == ".pb") return ReadTensorProto(path);
  return InvalidArgument("{}: tensors are read from .pb and .npy files", path);
}

}  // namespace ergo
