#include "formats/model_file.h"

#include <filesystem>
#include <utility>

#include "formats/ergo/ergo_file.h"
#include "formats/file.h"
#include "formats/npy/npy.h"
#include "formats/onnx/onnx_reader.h"

namespace ergo {

Result<Graph> ReadModel(const std::string& path, const Budget& budget) {
  ERGO_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path, kMaxModelFileBytes));
  if (!IsErgo(file->Bytes())) {
    OnnxReadOptions options;
    options.budget = budget;
    return ReadOnnx(path, options);
  }
  ErgoReadOptions options;
  options.budget = budget;
  return ReadErgo(path, options);
}

Result<NamedTensor> ReadTensorFile(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension == ".pb") return ReadTensorProto(path);
  if (extension == ".npy") {
    ERGO_ASSIGN_OR_RETURN(Tensor tensor, ReadNpy(path));
    return NamedTensor{"", std::move(tensor)};
  }
  return InvalidArgument("{}: tensors are read from .npy and .pb files", path);
}

}  // namespace ergo
