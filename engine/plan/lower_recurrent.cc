#include "engine/plan/lowering.h"

namespace ergo {

std::span<const Lowering> RecurrentLowerings() {
  return {};
}

}  // namespace ergo
