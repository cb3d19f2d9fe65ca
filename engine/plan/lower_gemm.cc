#include "engine/plan/lowering.h"

namespace ergo {

std::span<const Lowering> GemmLowerings() {
  return {};
}

}  // namespace ergo
