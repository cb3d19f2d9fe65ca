#include "engine/graph/op_schema.h"

namespace ergo {

std::span<const OpSchema> GemmSchemas() {
  return {};
}

}  // namespace ergo
