// The first 64 bytes of an .ergo file (FORMAT.md, "Preamble").
#ifndef ERGO_FORMATS_ERGO_PREAMBLE_H_
#define ERGO_FORMATS_ERGO_PREAMBLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace ergo {

// As PNG's: a byte that is no text, and line ends that a transfer in text mode would change.
inline constexpr std::array<uint8_t, 8> kErgoMagic = {0x89, 'E', 'R', 'G', 'O', '\r', '\n', 0x1a};
inline constexpr uint32_t kErgoVersion = 1;

struct ErgoPreamble {
  std::array<uint8_t, 8> magic = kErgoMagic;
  uint32_t version = kErgoVersion;
  uint32_t flags = 0;
  uint64_t file_bytes = 0;
  uint64_t header_offset = 0;
  uint64_t header_bytes = 0;
  uint64_t header_xxh3 = 0;
  uint64_t weights_offset = 0;
  uint64_t preamble_xxh3 = 0;  // of the 56 bytes before it
};
static_assert(sizeof(ErgoPreamble) == 64 && offsetof(ErgoPreamble, preamble_xxh3) == 56);
static_assert(std::is_trivially_copyable_v<ErgoPreamble>);

// XXH3, 64 bits, seed 0.
uint64_t Xxh3(std::span<const std::byte> bytes);

// Of everything before the field preamble_xxh3.
uint64_t PreambleXxh3(const ErgoPreamble& preamble);

}  // namespace ergo

#endif  // ERGO_FORMATS_ERGO_PREAMBLE_H_
