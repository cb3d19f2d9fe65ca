#include "engine/graph/op_schema.h"

namespace ergo {

std::span<const OpSchema> QuantizeSchemas() {
  return {};
}

}  // namespace ergo
