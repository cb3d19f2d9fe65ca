#include "engine/plan/fused_activation.h"

namespace ergo {

Result<ActivationSpec> ReadFusedActivation(const Node& node) {
  const std::string name = node.StringAttr("activation", "none");
  const std::optional<Activation> kind = ActivationFromName(name);
  if (!kind) return InvalidArgument("'{}' is not an activation", name);
  return ActivationSpec{*kind, node.FloatAttr("alpha", 0), node.FloatAttr("beta", 0)};
}

}  // namespace ergo
