#include "engine/plan/lowering.h"

namespace ergo {

std::span<const Lowering> ReduceLowerings() {
  return {};
}

}  // namespace ergo
