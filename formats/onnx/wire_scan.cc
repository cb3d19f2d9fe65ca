#include "formats/onnx/wire_scan.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "formats/limits.h"
#include "formats/utf8.h"

namespace ergo::onnx {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

class Scanner {
 public:
  explicit Scanner(std::span<const std::byte> bytes) : bytes_(bytes) {}

  Status Message(size_t end, const Descriptor& type, int depth) {
    if (depth > kMaxOnnxNesting) {
      return ResourceExhausted("byte {}: messages are nested deeper than {}", position_,
                               kMaxOnnxNesting);
    }
    std::map<int, int64_t> counts;  // of repeated fields, for the path in messages
    while (position_ < end) {
      const size_t start = position_;
      const auto tag = Varint(end);
      if (!tag || *tag >> 3 == 0 || *tag > UINT32_MAX) return Bad(start, "no field tag");
      const FieldDescriptor* field = type.FindFieldByNumber(static_cast<int>(*tag >> 3));
      const auto wire = static_cast<WireType>(*tag & 7);
      const Status status = Field(start, end, wire, field, depth);
      if (!status.ok()) return Located(status, *tag >> 3, field, counts);
      if (field != nullptr && field->is_repeated()) ++counts[field->number()];
    }
    return {};
  }

  int64_t ParsedBytes() const { return parsed_bytes_; }

 private:
  // A message of onnx.proto with its presence bits and empty fields, or a std::string.
  static constexpr int64_t kBytesPerObject = 128;

  Status Field(size_t start, size_t end, WireType wire, const FieldDescriptor* field, int depth) {
    if (field != nullptr && !Fits(wire, *field)) {
      return Bad(start, fmt::format("wire type {} for a {}", static_cast<uint32_t>(wire),
                                    field->type_name()));
    }
    switch (wire) {
      case kVarint:
        if (!Varint(end)) return Bad(start, "truncated or oversized number");
        return {};
      case kFixed64: return Skip(start, end, 8);
      case kFixed32: return Skip(start, end, 4);
      case kBytes: break;
      default: return Bad(start, fmt::format("unknown wire type {}", static_cast<uint32_t>(wire)));
    }
    const auto length = Varint(end);
    if (!length) return Bad(start, "truncated length");
    if (*length > end - position_) {
      return Bad(start, fmt::format("{} bytes long where {} are left", *length, end - position_));
    }
    return Content(position_ + static_cast<size_t>(*length), field, depth);
  }

  // The bytes of a length-delimited field, up to `end`.
  Status Content(size_t end, const FieldDescriptor* field, int depth) {
    const size_t start = position_;
    const bool message = field != nullptr && field->message_type() != nullptr;
    if (message || field == nullptr || (field->is_repeated() && !field->is_packable())) {
      if (++objects_ > kMaxOnnxObjects) {
        return ResourceExhausted("byte {}: more than {} messages and strings", start,
                                 kMaxOnnxObjects);
      }
      parsed_bytes_ += kBytesPerObject;
    }
    if (message) return Message(end, *field->message_type(), depth + 1);
    if (field != nullptr && field->is_packable()) return Packed(end, *field);
    const char* text = reinterpret_cast<const char*>(bytes_.data() + start);
    if (field != nullptr && field->type() == FieldDescriptor::TYPE_STRING &&
        !IsUtf8({text, end - start})) {
      return Bad(start, "text is not UTF-8");
    }
    parsed_bytes_ += static_cast<int64_t>(end - start);
    position_ = end;
    return {};
  }

  Status Packed(size_t end, const FieldDescriptor& field) {
    const size_t start = position_;
    const int size = FixedSize(field);
    if (size > 0) {
      if ((end - start) % static_cast<size_t>(size) != 0) {
        return Bad(start, fmt::format("{} bytes are no whole number of {}s", end - start,
                                      field.type_name()));
      }
      position_ = end;
      parsed_bytes_ += static_cast<int64_t>(end - start);
    }
    while (position_ < end) {
      if (!Varint(end)) return Bad(position_, "truncated or oversized number");
      parsed_bytes_ += sizeof(int64_t);
    }
    return {};
  }

  Status Skip(size_t start, size_t end, size_t size) {
    if (end - position_ < size) return Bad(start, "truncated number");
    position_ += size;
    return {};
  }

  // Moves past a base-128 number of at most 64 bits.
  std::optional<uint64_t> Varint(size_t end) {
    uint64_t value = 0;
    for (int shift = 0; shift < 70 && position_ < end; shift += 7) {
      const auto byte = static_cast<uint64_t>(bytes_[position_++]);
      if (shift == 63 && byte > 1) return std::nullopt;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  // 0 for numbers of variable length.
  static int FixedSize(const FieldDescriptor& field) {
    switch (field.type()) {
      case FieldDescriptor::TYPE_FLOAT: return 4;
      case FieldDescriptor::TYPE_DOUBLE: return 8;
      default: return 0;
    }
  }

  static bool Fits(WireType wire, const FieldDescriptor& field) {
    if (!IsNumber(field)) return wire == kBytes;
    if (wire == kBytes) return field.is_packable();
    const int size = FixedSize(field);
    return wire == (size == 4 ? kFixed32 : size == 8 ? kFixed64 : kVarint);
  }

  static bool IsNumber(const FieldDescriptor& field) {
    return field.cpp_type() != FieldDescriptor::CPPTYPE_STRING &&
           field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE;
  }

  // Errors begin as "byte N: what"; the path of fields is put between the two on the way up.
  Status Bad(size_t offset, std::string_view what) {
    return CorruptData("byte {}: {}", offset, what);
  }

  Status Located(const Status& status, uint64_t number, const FieldDescriptor* field,
                 const std::map<int, int64_t>& counts) {
    std::string name = field != nullptr ? field->name() : fmt::format("field {}", number);
    if (field != nullptr && field->is_repeated()) {
      const auto found = counts.find(field->number());
      name += fmt::format("[{}]", found == counts.end() ? 0 : found->second);
    }
    const std::string_view message = status.message();
    const size_t colon = message.find(": ");
    const std::string_view rest = message.substr(colon + 2);
    const bool inner = path_started_;
    path_started_ = true;
    return Status(status.code(), fmt::format("{}: {}{}{}", message.substr(0, colon), name,
                                             inner ? "." : ": ", rest));
  }

  std::span<const std::byte> bytes_;
  size_t position_ = 0;
  int64_t objects_ = 0, parsed_bytes_ = 0;
  bool path_started_ = false;
};

}  // namespace

Result<int64_t> ScanWire(std::span<const std::byte> bytes, const Descriptor& type) {
  Scanner scanner(bytes);
  ERGO_RETURN_IF_ERROR(scanner.Message(bytes.size(), type, 0));
  return scanner.ParsedBytes();
}

Status ParseMessage(std::span<const std::byte> bytes, google::protobuf::Message& message,
                    const Budget& budget) {
  if (static_cast<int64_t>(bytes.size()) > kMaxProtobufBytes) {
    return ResourceExhausted(
        "{} bytes are above protobuf's limit of {}: save the model with external data",
        bytes.size(), kMaxProtobufBytes);
  }
  ERGO_ASSIGN_OR_RETURN(const int64_t parsed_bytes, ScanWire(bytes, *message.GetDescriptor()));
  ERGO_RETURN_IF_ERROR(budget.CheckBytes(2 * parsed_bytes, "reading"));
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return CorruptData("not a {} message", message.GetDescriptor()->name());
  }
  return {};
}

}  // namespace ergo::onnx
