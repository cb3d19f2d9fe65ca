#include "engine/plan/fused_activation.h"

namespace ergo {

Result<ActivationSpec> ReadFusedActivation(const Node& node, std::string_view prefix) {
  const auto named = [&](std::string_view name) { return fmt::format("{}{}", prefix, name); };
  const std::string name = node.StringAttr(named("activation"), "none");
  const std::optional<Activation> kind = ActivationFromName(name);
  if (!kind) return InvalidArgument("'{}' is not an activation", name);
  return ActivationSpec{*kind, node.FloatAttr(named("alpha"), 0), node.FloatAttr(named("beta"), 0)};
}

}  // namespace ergo
