#include "engine/plan/data_dependent.h"

#include <algorithm>
#include <array>

namespace ergo {

bool IsDataDependent(std::string_view domain, std::string_view op) {
  constexpr std::array<std::string_view, 6> kOps = {
      "Compress", "Loop", "NonMaxSuppression", "NonZero", "Scan", "Unique",
  };
  return domain.empty() && std::ranges::binary_search(kOps, op);
}

}  // namespace ergo
