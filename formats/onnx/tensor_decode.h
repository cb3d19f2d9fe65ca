// TensorProto -> Tensor: raw bytes, typed fields of every element type, and external data.
//
// Thread safety: one thread at a time for each decoder.
#ifndef ERGO_FORMATS_ONNX_TENSOR_DECODE_H_
#define ERGO_FORMATS_ONNX_TENSOR_DECODE_H_

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "engine/graph/tensor.h"
#include "formats/file.h"
#include "formats/onnx/onnx.pb.h"
#include "kernels/base/status.h"

namespace ergo::onnx {

// "COMPLEX64", or "of unknown number 99".
std::string DataTypeName(int data_type);

// The element type of a tensor that Ergo can hold. Unsupported, by name, for strings, complex
// numbers and numbers of a later standard; CorruptData for 0.
Result<DType> ElementType(int data_type);

class TensorDecoder {
 public:
  // `external_folder`: where external data lies; none: it is refused.
  explicit TensorDecoder(std::optional<std::string> external_folder)
      : external_folder_(std::move(external_folder)) {}

  // Bytes inside the message are copied once, into aligned memory, and taken out of the message;
  // external data is mapped and shared where its offset is aligned. Decoding the same message again
  // gives the same tensor. Errors name the field and the element, not the tensor.
  Result<Tensor> Decode(TensorProto& proto);

 private:
  Result<Tensor> DecodeNew(TensorProto& proto);
  Result<Tensor> DecodeExternal(const TensorProto& proto, DType dtype, const Shape& shape);

  std::optional<std::string> external_folder_;
  std::map<std::string, std::shared_ptr<const MappedFile>, std::less<>> files_;
  std::map<const TensorProto*, Tensor> decoded_;
};

}  // namespace ergo::onnx

#endif  // ERGO_FORMATS_ONNX_TENSOR_DECODE_H_
