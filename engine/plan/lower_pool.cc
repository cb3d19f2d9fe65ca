#include "engine/plan/lowering.h"

namespace ergo {

std::span<const Lowering> PoolLowerings() {
  return {};
}

}  // namespace ergo
