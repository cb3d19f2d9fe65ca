// The activation attributes of the fused operators (engine/passes/passes.h lists them).
#ifndef ERGO_ENGINE_PLAN_FUSED_ACTIVATION_H_
#define ERGO_ENGINE_PLAN_FUSED_ACTIVATION_H_

#include <string_view>

#include "engine/graph/graph.h"
#include "kernels/base/activation.h"

namespace ergo {

// `activation`, `alpha` and `beta` of the node, `prefix` before each name; none when absent.
// InvalidArgument for a name that is no activation.
Result<ActivationSpec> ReadFusedActivation(const Node& node, std::string_view prefix = "");

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_FUSED_ACTIVATION_H_
