// Bytes written by hand: "e7 45 52 47 | 00*48" with any blanks and bars, N*count for repetitions.
#ifndef ERGO_TESTS_SERVER_NATIVE_HEX_H_
#define ERGO_TESTS_SERVER_NATIVE_HEX_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ergo::native {

std::vector<std::byte> FromHex(std::string_view text);
// 16 bytes a line, for failure messages.
std::string ToHex(std::span<const std::byte> bytes);

// A header written out: magic, version 1, then the arguments' fields.
std::string HexHeader(int type, int flags, int request_id, int body_bytes);

}  // namespace ergo::native

#endif  // ERGO_TESTS_SERVER_NATIVE_HEX_H_
