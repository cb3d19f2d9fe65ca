#include "formats/ergo/preamble.h"

#include <xxhash.h>

namespace ergo {

uint64_t Xxh3(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

uint64_t PreambleXxh3(const ErgoPreamble& preamble) {
  return Xxh3(std::as_bytes(std::span(&preamble, 1)).first(offsetof(ErgoPreamble, preamble_xxh3)));
}

}  // namespace ergo
