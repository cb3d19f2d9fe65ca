#include "formats/npy/npy_header.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/limits.h"
#include "kernels/base/checked_math.h"

namespace ergo {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct TypeRow {
  DType dtype;
  std::string_view descr;
};
constexpr std::array<TypeRow, 12> kTypes = {{
    {DType::kBool, "|b1"},
    {DType::kI8, "|i1"},
    {DType::kU8, "|u1"},
    {DType::kI16, "<i2"},
    {DType::kU16, "<u2"},
    {DType::kI32, "<i4"},
    {DType::kU32, "<u4"},
    {DType::kI64, "<i8"},
    {DType::kU64, "<u8"},
    {DType::kF16, "<f2"},
    {DType::kF32, "<f4"},
    {DType::kF64, "<f8"},
}};

Result<DType> TypeOf(std::string_view descr) {
  for (const TypeRow& row : kTypes) {
    // Byte order means nothing for single bytes, and some writers give one all the same.
    const bool single = row.descr.front() == '|' && descr.size() == row.descr.size() &&
                        descr.substr(1) == row.descr.substr(1) && descr.front() != '>';
    if (single || descr == row.descr) return row.dtype;
  }
  const std::string_view kind = descr.size() > 1 ? descr.substr(1, 1) : "";
  const std::string_view what = descr.starts_with('>')       ? "big-endian numbers"
                                : kind == "O"                ? "Python objects"
                                : kind == "V"                ? "raw bytes (bfloat16, for one)"
                                : kind == "U" || kind == "S" ? "strings"
                                : kind == "c"                ? "complex numbers"
                                                             : "this type";
  return Unsupported(
      "elements of type '{}': {} are not read; convert with .astype('<f4') or another", descr,
      what);
}

// Just as much Python as NumPy writes.
class DictParser {
 public:
  DictParser(std::string_view text, size_t offset) : text_(text), offset_(offset) {}

  Status Parse(NpyHeader& header) {
    bool descr = false, order = false, shape = false;
    if (!Take('{')) return Bad("'{'");
    while (!Take('}')) {
      ERGO_ASSIGN_OR_RETURN(const std::string_view key, String());
      if (!Take(':')) return Bad("':'");
      bool* seen = key == "descr" ? &descr : key == "fortran_order" ? &order : &shape;
      if (*seen || (seen == &shape && key != "shape")) return Bad("each of three keys once");
      *seen = true;
      if (seen == &descr) ERGO_RETURN_IF_ERROR(Descr(header.dtype));
      if (seen == &order) ERGO_RETURN_IF_ERROR(Bool(header.fortran_order));
      if (seen == &shape) ERGO_RETURN_IF_ERROR(Tuple(header.shape));
      if (!Take(',') && Peek() != '}') return Bad("',' or '}'");
    }
    if (Peek() != '\0') return Bad("nothing behind '}'");
    if (!descr || !order || !shape) return Bad("descr, fortran_order and shape");
    return {};
  }

 private:
  Status Descr(DType& dtype) {
    if (Peek() == '[') return Unsupported("records (structured arrays)");
    ERGO_ASSIGN_OR_RETURN(const std::string_view descr, String());
    ERGO_ASSIGN_OR_RETURN(dtype, TypeOf(descr));
    return {};
  }

  Status Bool(bool& out) {
    SkipSpace();
    out = text_.substr(position_).starts_with("True");
    if (!out && !text_.substr(position_).starts_with("False")) return Bad("True or False");
    position_ += out ? 4 : 5;
    return {};
  }

  Status Tuple(Shape& shape) {
    if (!Take('(')) return Bad("'('");
    std::vector<int64_t> dims;
    while (!Take(')')) {
      SkipSpace();
      int64_t dim = 0;
      const char* begin = text_.data() + position_;
      const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), dim);
      if (error != std::errc() || dim < 0) return Bad("a dimension");
      position_ += static_cast<size_t>(end - begin);
      Take('L');  // Python 2
      dims.push_back(dim);
      if (!Take(',') && Peek() != ')') return Bad("',' or ')'");
    }
    ERGO_ASSIGN_OR_RETURN(shape, Shape::Make(dims));
    return {};
  }

  Result<std::string_view> String() {
    const char quote = Peek();
    if (quote != '\'' && quote != '"') return Bad("a string");
    const size_t end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos) return Bad("the end of a string");
    const std::string_view inner = text_.substr(position_ + 1, end - position_ - 1);
    position_ = end + 1;
    return inner;
  }

  // The next character that is not space; '\0' at the end.
  char Peek() {
    SkipSpace();
    return position_ < text_.size() ? text_[position_] : '\0';
  }
  bool Take(char wanted) {
    if (Peek() != wanted) return false;
    ++position_;
    return true;
  }
  void SkipSpace() {
    position_ = std::min(text_.find_first_not_of(" \n\t", position_), text_.size());
  }
  Status Bad(std::string_view wanted) const {
    return CorruptData("byte {}: the header should have {} here", offset_ + position_, wanted);
  }

  std::string_view text_;
  size_t offset_;
  size_t position_ = 0;
};

}  // namespace

Result<NpyHeader> ParseNpyHeader(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(kMagic)) return CorruptData("byte 0: not an .npy file");
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const size_t length_size = text.size() > kMagic.size() && byte(6) >= 2 ? 4 : 2;
  const size_t start = kMagic.size() + 2 + length_size;
  if (text.size() < start) return CorruptData("byte {}: the file ends here", text.size());
  if (byte(6) < 1 || byte(6) > 3) {
    return Unsupported("byte 6: version {}.{} of the format", byte(6), byte(7));
  }
  size_t length = 0;
  for (size_t i = 0; i < length_size; ++i) length |= size_t{byte(8 + i)} << (8 * i);
  if (static_cast<int64_t>(length) > kMaxNpyHeaderBytes || length > text.size() - start) {
    return CorruptData("byte 8: a header of {} bytes", length);
  }
  NpyHeader header;
  header.data_offset = start + length;
  ERGO_RETURN_IF_ERROR(DictParser(text.substr(start, length), start).Parse(header));
  return header;
}

Result<std::string> FormatNpyHeader(DType dtype, const Shape& shape) {
  for (const TypeRow& row : kTypes) {
    if (row.dtype != dtype) continue;
    std::string dims;
    for (const int64_t dim : shape.Dims()) {
      dims += fmt::format("{}{}{}", dims.empty() ? "" : " ", dim, ',');
    }
    if (shape.Rank() > 1) dims.pop_back();
    std::string dict =
        fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", row.descr, dims);
    const size_t start = kMagic.size() + 4;
    const size_t end = RoundUp(start + dict.size() + 1, kTensorAlignment);
    dict.append(end - start - dict.size() - 1, ' ');
    dict += '\n';
    std::string text(kMagic);
    text += std::string_view("\x01\x00", 2);
    text += static_cast<char>(dict.size() & 0xff);
    text += static_cast<char>(dict.size() >> 8);
    return text + dict;
  }
  return Unsupported("NumPy has no type for {}: cast it first", DTypeName(dtype));
}

}  // namespace ergo
