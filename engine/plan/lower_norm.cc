#include "engine/plan/lowering.h"

namespace ergo {

std::span<const Lowering> NormLowerings() {
  return {};
}

}  // namespace ergo
