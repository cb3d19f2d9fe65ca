#include "engine/graph/op_schema.h"

namespace ergo {

std::span<const OpSchema> PoolSchemas() {
  return {};
}

}  // namespace ergo
