// Reading and writing little-endian fields at offsets. Internal to the codec.
#ifndef ERGO_SERVER_PROTOCOL_NATIVE_BYTES_H_
#define ERGO_SERVER_PROTOCOL_NATIVE_BYTES_H_

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "kernels/base/status.h"

namespace ergo::native {

static_assert(std::endian::native == std::endian::little, "fields are copied as they are");

// The caller has checked that the field lies within `bytes`.
template <typename T>
T Load(std::span<const std::byte> bytes, size_t offset) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

template <typename T>
void Store(std::span<std::byte> bytes, size_t offset, T value) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

inline void StoreText(std::span<std::byte> bytes, size_t offset, std::string_view text) {
  if (!text.empty()) std::memcpy(bytes.data() + offset, text.data(), text.size());
}

inline bool AllZero(std::span<const std::byte> bytes) {
  for (std::byte b : bytes) {
    if (b != std::byte{0}) return false;
  }
  return true;
}

// Walks through a body whose parts have lengths that come from outside. Every read is checked; the
// first that does not fit makes ok() false, and everything after it reads as 0 or "".
class BodyReader {
 public:
  explicit BodyReader(std::span<const std::byte> body) : body_(body) {}

  template <typename T>
  T Read() {
    if (!Need(sizeof(T))) return T{};
    const T value = Load<T>(body_, offset_);
    offset_ += sizeof(T);
    return value;
  }
  std::string_view Text(size_t bytes) {
    if (!Need(bytes)) return {};
    const auto* text = reinterpret_cast<const char*>(body_.data() + offset_);
    offset_ += bytes;
    return {text, bytes};
  }
  // `count` bytes that must be 0.
  void Reserved(size_t count) {
    if (!Need(count)) return;
    if (!AllZero(body_.subspan(offset_, count))) reserved_ok_ = false;
    offset_ += count;
  }
  // Padding up to the next multiple of 8.
  void Align8() {
    const size_t padding = (8 - offset_ % 8) % 8;
    if (Need(padding)) offset_ += padding;
  }

  size_t Offset() const { return offset_; }
  size_t Left() const { return body_.size() - offset_; }
  bool ok() const { return fits_ && reserved_ok_; }

  // OK when everything fitted, reserved bytes were 0, and the whole body was read.
  Status Finish(std::string_view what) const {
    if (!fits_) return CorruptData("{}: ends in the middle of a field", what);
    if (!reserved_ok_) return CorruptData("{}: a reserved field is not 0", what);
    if (Left() > 0) return CorruptData("{}: {} bytes too many", what, Left());
    return {};
  }

 private:
  bool Need(size_t bytes) {
    if (fits_ && bytes <= body_.size() - offset_) return true;
    fits_ = false;
    return false;
  }

  std::span<const std::byte> body_;
  size_t offset_ = 0;
  bool fits_ = true;
  bool reserved_ok_ = true;
};

// A field that must be one of those a message knows.
inline Status BadField(std::string_view message, std::string_view field, uint64_t value) {
  return CorruptData("{}: {} is {}", message, field, value);
}

}  // namespace ergo::native

#endif  // ERGO_SERVER_PROTOCOL_NATIVE_BYTES_H_
