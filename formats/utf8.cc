#include "formats/utf8.h"

#include <cstddef>
#include <cstdint>

namespace ergo {

bool IsUtf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const auto in = [](uint8_t value, int low, int high) { return value >= low && value <= high; };
  for (size_t i = 0; i < text.size();) {
    const uint8_t lead = byte(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const size_t length = in(lead, 0xc2, 0xdf)   ? 2
                          : in(lead, 0xe0, 0xef) ? 3
                          : in(lead, 0xf0, 0xf4) ? 4
                                                 : 0;
    if (length == 0 || text.size() - i < length) return false;
    // The second byte rules out overlong forms, surrogates and what is above U+10FFFF.
    const int low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const int high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (!in(byte(i + 1), low, high)) return false;
    for (size_t k = 2; k < length; ++k) {
      if (!in(byte(i + k), 0x80, 0xbf)) return false;
    }
    i += length;
  }
  return true;
}

}  // namespace ergo
