#include "engine/graph/op_schema.h"

namespace ergo {

std::span<const OpSchema> NormSchemas() {
  return {};
}

}  // namespace ergo
