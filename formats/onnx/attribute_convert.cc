#include "formats/onnx/attribute_convert.h"

#include <string>
#include <utility>
#include <vector>

namespace ergo::onnx {
namespace {

std::string TypeName(AttributeProto::AttributeType type) {
  const std::string& name = AttributeProto::AttributeType_Name(type);
  return name.empty() ? fmt::format("number {}", static_cast<int>(type)) : name;
}

template <typename T>
Tensor Vector(const google::protobuf::RepeatedField<T>& values) {
  return Tensor::FromValues<T>(Shape({values.size()}),
                               {values.data(), static_cast<size_t>(values.size())});
}

}  // namespace

AttributeProto::AttributeType TypeOf(const AttributeProto& proto) {
  if (proto.type() != AttributeProto::UNDEFINED) return proto.type();
  if (proto.has_f()) return AttributeProto::FLOAT;
  if (proto.has_i()) return AttributeProto::INT;
  if (proto.has_s()) return AttributeProto::STRING;
  if (proto.has_t()) return AttributeProto::TENSOR;
  if (proto.has_g()) return AttributeProto::GRAPH;
  if (proto.floats_size() > 0) return AttributeProto::FLOATS;
  if (proto.ints_size() > 0) return AttributeProto::INTS;
  if (proto.strings_size() > 0) return AttributeProto::STRINGS;
  return AttributeProto::UNDEFINED;
}

Result<Attribute> ConvertAttribute(AttributeProto& proto, TensorDecoder& tensors) {
  const AttributeProto::AttributeType type = TypeOf(proto);
  switch (type) {
    case AttributeProto::FLOAT: return Attribute(proto.f());
    case AttributeProto::INT: return Attribute(int64_t{proto.i()});
    case AttributeProto::STRING: return Attribute(proto.s());
    case AttributeProto::FLOATS:
      return Attribute(std::vector<float>(proto.floats().begin(), proto.floats().end()));
    case AttributeProto::INTS:
      return Attribute(std::vector<int64_t>(proto.ints().begin(), proto.ints().end()));
    case AttributeProto::STRINGS:
      return Attribute(std::vector<std::string>(proto.strings().begin(), proto.strings().end()));
    case AttributeProto::TENSOR: {
      if (!proto.has_t()) return CorruptData("type TENSOR without a tensor");
      ERGO_ASSIGN_OR_RETURN(Tensor tensor, tensors.Decode(*proto.mutable_t()));
      return Attribute(std::move(tensor));
    }
    case AttributeProto::UNDEFINED: return CorruptData("neither type nor value");
    default: return Unsupported("values of type {}", TypeName(type));
  }
}

Result<Tensor> ConvertConstant(std::string_view name, AttributeProto& proto,
                               TensorDecoder& tensors) {
  const AttributeProto::AttributeType type = TypeOf(proto);
  const auto is = [&](std::string_view wanted, AttributeProto::AttributeType wanted_type) {
    return name == wanted && type == wanted_type;
  };
  if (is("value", AttributeProto::TENSOR)) {
    if (!proto.has_t()) return CorruptData("type TENSOR without a tensor");
    return tensors.Decode(*proto.mutable_t());
  }
  if (is("value_float", AttributeProto::FLOAT)) return Tensor::Scalar<float>(proto.f());
  if (is("value_int", AttributeProto::INT)) return Tensor::Scalar<int64_t>(proto.i());
  if (is("value_floats", AttributeProto::FLOATS)) return Vector(proto.floats());
  if (is("value_ints", AttributeProto::INTS)) return Vector(proto.ints());
  if (name == "sparse_value" || name == "value_string" || name == "value_strings") {
    return Unsupported("constants of strings and sparse constants");
  }
  return CorruptData("a Constant has no attribute of this name and type {}", TypeName(type));
}

int64_t CopiedBytes(const AttributeProto& proto) {
  int64_t bytes = static_cast<int64_t>(proto.name().size() + proto.s().size());
  bytes += int64_t{proto.floats_size()} * 4 + int64_t{proto.ints_size()} * 8;
  for (const std::string& text : proto.strings()) {
    bytes += static_cast<int64_t>(sizeof(std::string) + text.size());
  }
  return bytes;
}

}  // namespace ergo::onnx
