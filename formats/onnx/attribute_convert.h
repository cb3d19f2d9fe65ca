// AttributeProto -> Attribute, for every kind but graphs.
#ifndef ERGO_FORMATS_ONNX_ATTRIBUTE_CONVERT_H_
#define ERGO_FORMATS_ONNX_ATTRIBUTE_CONVERT_H_

#include "engine/graph/graph.h"
#include "formats/onnx/onnx.pb.h"
#include "formats/onnx/tensor_decode.h"
#include "kernels/base/status.h"

namespace ergo::onnx {

// The declared type; where there is none (IR version < 3), that of the field that is set.
AttributeProto::AttributeType TypeOf(const AttributeProto& proto);

// Unsupported, by name, for kinds that a Graph cannot hold. Not for graphs, which need a scope.
Result<Attribute> ConvertAttribute(AttributeProto& proto, TensorDecoder& tensors);

// The tensor that a Constant node stands for, from its one attribute: value, value_float,
// value_floats, value_int or value_ints. `name` is the attribute's; that of `proto` differs where
// it comes from the call of a function.
Result<Tensor> ConvertConstant(std::string_view name, AttributeProto& proto,
                               TensorDecoder& tensors);

// Bytes that ConvertAttribute copies, without those of tensors.
int64_t CopiedBytes(const AttributeProto& proto);

}  // namespace ergo::onnx

#endif  // ERGO_FORMATS_ONNX_ATTRIBUTE_CONVERT_H_
