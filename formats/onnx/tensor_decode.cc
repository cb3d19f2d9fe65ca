#include "formats/onnx/tensor_decode.h"

#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "formats/limits.h"
#include "formats/tensor_bytes.h"
#include "kernels/base/checked_math.h"

namespace ergo::onnx {
namespace {

enum class Field { kFloat, kDouble, kInt32, kInt64, kUint64 };

// The typed field that holds the elements of a type where raw_data does not.
Field TypedField(DType dtype) {
  switch (dtype) {
    case DType::kF32: return Field::kFloat;
    case DType::kF64: return Field::kDouble;
    case DType::kI64: return Field::kInt64;
    case DType::kU32:
    case DType::kU64: return Field::kUint64;
    default: return Field::kInt32;
  }
}

struct FieldUse {
  std::string_view name;
  int entries;
};

constexpr std::array<Field, 5> kFields = {Field::kFloat, Field::kDouble, Field::kInt32,
                                          Field::kInt64, Field::kUint64};

FieldUse Use(const TensorProto& proto, Field field) {
  switch (field) {
    case Field::kFloat: return {"float_data", proto.float_data_size()};
    case Field::kDouble: return {"double_data", proto.double_data_size()};
    case Field::kInt32: return {"int32_data", proto.int32_data_size()};
    case Field::kInt64: return {"int64_data", proto.int64_data_size()};
    case Field::kUint64: break;
  }
  return {"uint64_data", proto.uint64_data_size()};
}

std::span<const std::byte> AsBytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

template <typename T>
Result<Tensor> Copy(DType dtype, const Shape& shape,
                    const google::protobuf::RepeatedField<T>& values) {
  const std::span<const T> span(values.data(), static_cast<size_t>(values.size()));
  return TensorFromBytes(dtype, shape, std::as_bytes(span), nullptr);
}

// Stores each number in an element of type Out. [low, high]: what a writer may mean by it; types
// kept as bit patterns allow both readings of the top bit.
template <typename Out, typename In>
Result<Tensor> Narrow(DType dtype, const Shape& shape,
                      const google::protobuf::RepeatedField<In>& values, std::string_view field,
                      In low, In high) {
  ERGO_ASSIGN_OR_RETURN(AlignedBuffer buffer,
                        AlignedBuffer::Allocate(static_cast<size_t>(values.size()) * sizeof(Out)));
  for (int i = 0; i < values.size(); ++i) {
    if (values[i] < low || values[i] > high) {
      return CorruptData("{}[{}] is {}, which is no {}", field, i, values[i], DTypeName(dtype));
    }
    buffer.As<Out>()[i] = static_cast<Out>(values[i]);
  }
  return Tensor(dtype, shape, std::move(buffer));
}

template <typename Out>
Result<Tensor> NarrowInt32(const TensorProto& proto, DType dtype, const Shape& shape) {
  return Narrow<Out, int32_t>(dtype, shape, proto.int32_data(), "int32_data",
                              std::numeric_limits<Out>::min(), std::numeric_limits<Out>::max());
}

Result<Tensor> DecodeInt32(const TensorProto& proto, DType dtype, const Shape& shape) {
  const auto& values = proto.int32_data();
  switch (dtype) {
    case DType::kI32: return Copy(dtype, shape, values);
    case DType::kU8: return NarrowInt32<uint8_t>(proto, dtype, shape);
    case DType::kI8: return NarrowInt32<int8_t>(proto, dtype, shape);
    case DType::kU16: return NarrowInt32<uint16_t>(proto, dtype, shape);
    case DType::kI16: return NarrowInt32<int16_t>(proto, dtype, shape);
    case DType::kBool: return Narrow<uint8_t>(dtype, shape, values, "int32_data", 0, 1);
    case DType::kF16:
    case DType::kBF16: return Narrow<uint16_t>(dtype, shape, values, "int32_data", -0x8000, 0xffff);
    default:  // float8, and the packed types: a byte of two or four elements each
      return Narrow<uint8_t>(dtype, shape, values, "int32_data", -0x80, 0xff);
  }
}

Result<Tensor> DecodeTyped(const TensorProto& proto, DType dtype, const Shape& shape) {
  switch (TypedField(dtype)) {
    case Field::kFloat: return Copy(dtype, shape, proto.float_data());
    case Field::kDouble: return Copy(dtype, shape, proto.double_data());
    case Field::kInt64: return Copy(dtype, shape, proto.int64_data());
    case Field::kInt32: return DecodeInt32(proto, dtype, shape);
    case Field::kUint64: break;
  }
  if (dtype == DType::kU64) return Copy(dtype, shape, proto.uint64_data());
  return Narrow<uint32_t, uint64_t>(dtype, shape, proto.uint64_data(), "uint64_data", 0,
                                    std::numeric_limits<uint32_t>::max());
}

// Data in a field that does not belong to the type would be silently lost.
Status CheckFields(const TensorProto& proto, DType dtype, bool raw) {
  if (proto.has_segment()) return Unsupported("a segmented tensor");
  if (proto.string_data_size() > 0) {
    return CorruptData("string_data in a {} tensor", DTypeName(dtype));
  }
  for (const Field field : kFields) {
    const FieldUse use = Use(proto, field);
    if (use.entries == 0 || (!raw && field == TypedField(dtype))) continue;
    if (raw) return CorruptData("{} beside raw_data or external data", use.name);
    return CorruptData("{} in a {} tensor", use.name, DTypeName(dtype));
  }
  return {};
}

Result<int64_t> ParseDecimal(std::string_view key, std::string_view text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < 0) {
    return CorruptData("external_data '{}' is '{}', which is no size in bytes", key, text);
  }
  return value;
}

struct ExternalPlace {
  std::string location;
  int64_t offset = 0;
  std::optional<int64_t> length;
};

Result<ExternalPlace> ReadPlace(const TensorProto& proto) {
  ExternalPlace place;
  for (const StringStringEntryProto& entry : proto.external_data()) {
    if (entry.key() == "location") place.location = entry.value();
    if (entry.key() == "offset") {
      ERGO_ASSIGN_OR_RETURN(place.offset, ParseDecimal(entry.key(), entry.value()));
    }
    if (entry.key() == "length") {
      ERGO_ASSIGN_OR_RETURN(place.length, ParseDecimal(entry.key(), entry.value()));
    }
  }
  if (place.location.empty()) return CorruptData("external data without a location");
  return place;
}

}  // namespace

std::string DataTypeName(int data_type) {
  if (!TensorProto::DataType_IsValid(data_type)) {
    return fmt::format("of unknown number {}", data_type);
  }
  return TensorProto::DataType_Name(static_cast<TensorProto::DataType>(data_type));
}

Result<DType> ElementType(int data_type) {
  if (data_type == TensorProto::UNDEFINED) return CorruptData("no element type");
  if (data_type > 0 && data_type <= UINT8_MAX && IsTensorDType(static_cast<DType>(data_type))) {
    return static_cast<DType>(data_type);
  }
  return Unsupported("elements of type {}", DataTypeName(data_type));
}

Result<Tensor> TensorDecoder::Decode(TensorProto& proto) {
  const auto found = decoded_.find(&proto);
  if (found != decoded_.end()) return found->second;
  ERGO_ASSIGN_OR_RETURN(Tensor tensor, DecodeNew(proto));
  decoded_.emplace(&proto, tensor);
  return tensor;
}

Result<Tensor> TensorDecoder::DecodeNew(TensorProto& proto) {
  ERGO_ASSIGN_OR_RETURN(const DType dtype, ElementType(proto.data_type()));
  auto shape = Shape::Make({proto.dims().data(), static_cast<size_t>(proto.dims_size())});
  if (!shape.ok()) return std::move(shape).status().WithContext("dims");
  const bool external = proto.data_location() == TensorProto::EXTERNAL;
  if (!external && proto.data_location() != TensorProto::DEFAULT) {
    return CorruptData("data_location {}", static_cast<int>(proto.data_location()));
  }
  ERGO_RETURN_IF_ERROR(CheckFields(proto, dtype, external || proto.has_raw_data()));
  const int64_t bytes = DTypeBytes(dtype, shape->Elements());
  if (external) {
    if (proto.has_raw_data()) return CorruptData("raw_data beside external data");
    return DecodeExternal(proto, dtype, *shape);
  }
  if (proto.has_raw_data()) {
    if (static_cast<int64_t>(proto.raw_data().size()) != bytes) {
      return CorruptData("raw_data has {} bytes where {}{} takes {}", proto.raw_data().size(),
                         DTypeName(dtype), shape->ToString(), bytes);
    }
    auto tensor = TensorFromBytes(dtype, *shape, AsBytes(proto.raw_data()), nullptr);
    if (tensor.ok()) std::string().swap(*proto.mutable_raw_data());
    return tensor;
  }
  const FieldUse use = Use(proto, TypedField(dtype));
  const int64_t entries = DTypeBits(dtype) < 8 ? bytes : shape->Elements();
  if (use.entries != entries) {
    return CorruptData("{} has {} entries where {}{} takes {}", use.name, use.entries,
                       DTypeName(dtype), shape->ToString(), entries);
  }
  return DecodeTyped(proto, dtype, *shape);
}

Result<Tensor> TensorDecoder::DecodeExternal(const TensorProto& proto, DType dtype,
                                             const Shape& shape) {
  ERGO_ASSIGN_OR_RETURN(const ExternalPlace place, ReadPlace(proto));
  if (!external_folder_) {
    return InvalidArgument("external data in '{}', but the model was given without a folder",
                           place.location);
  }
  auto found = files_.find(place.location);
  if (found == files_.end()) {
    auto opened = MappedFile::OpenBeneath(*external_folder_, place.location, kMaxModelFileBytes);
    if (!opened.ok()) return std::move(opened).status().WithContext("external data");
    found = files_.emplace(place.location, std::move(opened).value()).first;
  }
  const std::shared_ptr<const MappedFile>& file = found->second;
  const int64_t bytes = DTypeBytes(dtype, shape.Elements());
  if (place.length && *place.length != bytes) {
    return CorruptData("external data of {} bytes where {}{} takes {}", *place.length,
                       DTypeName(dtype), shape.ToString(), bytes);
  }
  const auto end = CheckedAdd(place.offset, bytes);
  const auto size = static_cast<int64_t>(file->Bytes().size());
  if (!end || *end > size) {
    return CorruptData("external data at offset {} of {} bytes ends behind '{}', which has {}",
                       place.offset, bytes, place.location, size);
  }
  const auto span =
      file->Bytes().subspan(static_cast<size_t>(place.offset), static_cast<size_t>(bytes));
  return TensorFromBytes(dtype, shape, span, file);
}

}  // namespace ergo::onnx
