// TensorProto files: one tensor with a name, as ONNX test data keeps it (input_0.pb).
//
// Thread safety: pure functions.
#ifndef ERGO_FORMATS_ONNX_TENSOR_PROTO_H_
#define ERGO_FORMATS_ONNX_TENSOR_PROTO_H_

#include <cstddef>
#include <span>
#include <string>

#include "engine/graph/tensor.h"
#include "kernels/base/status.h"

namespace ergo {

struct NamedTensor {
  std::string name;  // "" where the file gives none
  Tensor tensor;
};

// CorruptData with the place for bytes that are not a tensor, Unsupported by name for strings,
// complex numbers and segments. External data is refused.
Result<NamedTensor> ReadTensorProto(const std::string& path);
Result<NamedTensor> ParseTensorProto(std::span<const std::byte> bytes);

// As raw_data. ResourceExhausted above protobuf's limit of 2 GiB.
Status WriteTensorProto(const std::string& path, const std::string& name, const Tensor& tensor);

}  // namespace ergo

#endif  // ERGO_FORMATS_ONNX_TENSOR_PROTO_H_
