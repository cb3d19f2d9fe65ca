#include "engine/graph/op_schema.h"

namespace ergo {

std::span<const OpSchema> MoveSchemas() {
  return {};
}

}  // namespace ergo
