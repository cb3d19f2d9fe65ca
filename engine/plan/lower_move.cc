#include "engine/plan/lowering.h"

namespace ergo {

std::span<const Lowering> MoveLowerings() {
  return {};
}

}  // namespace ergo
