#include "engine/plan/lowering.h"

namespace ergo {

std::span<const Lowering> ConvLowerings() {
  return {};
}

}  // namespace ergo
