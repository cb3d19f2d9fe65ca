#include "engine/plan/random_seed.h"

#include <bit>
#include <variant>

namespace ergo {

uint64_t SeedOf(const Node& node) {
  if (const auto found = node.attributes.find("seed"); found != node.attributes.end()) {
    // A float of the generators, an integer of Dropout.
    if (const auto* real = std::get_if<float>(&found->second))
      return std::bit_cast<uint32_t>(*real);
    if (const auto* whole = std::get_if<int64_t>(&found->second)) {
      return static_cast<uint64_t>(*whole);
    }
  }
  uint64_t hash = 14695981039346656037u;  // FNV-1a, since std::hash differs between libraries
  for (const char c : node.name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

bool IsRandom(const Node& node) {
  if (!node.domain.empty()) return false;
  return node.op.starts_with("Random") || node.op == "Multinomial" || node.op == "Bernoulli" ||
         (node.op == "Dropout" && node.HasInput(2));
}

}  // namespace ergo
