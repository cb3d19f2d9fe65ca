#include "engine/plan/lowering.h"

namespace ergo {

std::span<const Lowering> ElementwiseLowerings() {
  return {};
}

}  // namespace ergo
