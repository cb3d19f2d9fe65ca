#include "formats/onnx/tensor_proto.h"

#include <optional>
#include <utility>

#include "formats/file.h"
#include "formats/limits.h"
#include "formats/onnx/onnx.pb.h"
#include "formats/onnx/tensor_decode.h"
#include "formats/onnx/wire_scan.h"

namespace ergo {
namespace {

// Room for name, dimensions and field tags beside the bytes of the tensor.
constexpr int64_t kMessageOverheadBytes = 1 << 16;

}  // namespace

Result<NamedTensor> ParseTensorProto(std::span<const std::byte> bytes) {
  onnx::TensorProto proto;
  ERGO_RETURN_IF_ERROR(onnx::ParseMessage(bytes, proto));
  auto tensor = onnx::TensorDecoder(std::nullopt).Decode(proto);
  if (!tensor.ok()) {
    return std::move(tensor).status().WithContext(fmt::format("tensor '{}'", proto.name()));
  }
  return NamedTensor{proto.name(), std::move(tensor).value()};
}

Result<NamedTensor> ReadTensorProto(const std::string& path) {
  ERGO_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path, kMaxProtobufBytes));
  auto tensor = ParseTensorProto(file->Bytes());
  if (!tensor.ok()) return std::move(tensor).status().WithContext(path);
  return tensor;
}

Status WriteTensorProto(const std::string& path, const std::string& name, const Tensor& tensor) {
  if (tensor.Bytes() > kMaxProtobufBytes - kMessageOverheadBytes) {
    return ResourceExhausted("{}: {} bytes are too many for a protobuf file", path, tensor.Bytes());
  }
  onnx::TensorProto proto;
  proto.set_name(name);
  proto.set_data_type(static_cast<int>(tensor.Type()));
  for (const int64_t dim : tensor.GetShape().Dims()) proto.add_dims(dim);
  proto.set_raw_data(tensor.Data(), static_cast<size_t>(tensor.Bytes()));
  ERGO_ASSIGN_OR_RETURN(FileWriter writer, FileWriter::Create(path));
  ERGO_RETURN_IF_ERROR(writer.Write(proto.SerializeAsString()));
  return writer.Commit();
}

}  // namespace ergo
