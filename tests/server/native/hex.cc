#include "tests/server/native/hex.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace ergo::native {

std::vector<std::byte> FromHex(std::string_view text) {
  std::vector<std::byte> bytes;
  std::string blanked(text);
  std::replace(blanked.begin(), blanked.end(), '|', ' ');
  std::istringstream words(blanked);
  for (std::string word; words >> word;) {
    const size_t star = word.find('*');
    const size_t count = star == std::string::npos ? 1 : std::stoul(word.substr(star + 1));
    const auto value = static_cast<std::byte>(std::stoul(word.substr(0, star), nullptr, 16));
    bytes.insert(bytes.end(), count, value);
  }
  return bytes;
}

std::string ToHex(std::span<const std::byte> bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i % 16 == 0) text += fmt::format("\n{:4}: ", i);
    text += fmt::format("{:02x} ", static_cast<int>(bytes[i]));
  }
  return text;
}

std::string HexHeader(int type, int flags, int request_id, int body_bytes) {
  return fmt::format(
      "e7 45 52 47  01 {:02x} {:02x} 00 | {:02x} 00*7 | {:02x} {:02x} 00 00 | 00*12 ", type, flags,
      request_id, body_bytes & 0xff, body_bytes >> 8);
}

}  // namespace ergo::native
