#include "engine/expand/expand.h"

#include <map>
#include <string>

#include "engine/expand/expand_context.h"

namespace ergo {
namespace {

using FamilyTable = std::span<const Expander> (*)();
constexpr FamilyTable kFamilies[] = {
#define ERGO_EXPAND_FAMILY(name) name##Expanders,
#include "engine/expand/expand_families.inc"
#undef ERGO_EXPAND_FAMILY
};

const Expander* FindExpander(std::string_view domain, std::string_view op) {
  static const auto index = [] {
    std::map<std::pair<std::string_view, std::string_view>, const Expander*> rows;
    for (const FamilyTable family : kFamilies) {
      for (const Expander& row : family()) rows.emplace(std::pair(row.domain, row.op), &row);
    }
    return rows;
  }();
  const auto found = index.find({domain, op});
  return found == index.end() ? nullptr : found->second;
}

}  // namespace

bool IsExpandable(std::string_view domain, std::string_view op) {
  return FindExpander(domain, op) != nullptr;
}

Result<Expansion> Expand(Graph& graph, const Node& node) {
  const Expander* expander = FindExpander(node.domain, node.op);
  ERGO_CHECK_MSG(expander != nullptr, "{} does not expand", node.Label());
  ExpandContext context(graph, node);
  Status status = expander->expand(context);
  Expansion expansion;
  if (status.ok()) {
    expansion.nodes = context.TakeNodes();
  } else if (status.code() == StatusCode::kUnsupported) {
    expansion.missing = context.MissingConstants();
    expansion.waits = std::move(status);
  } else {
    return status;
  }
  return expansion;
}

}  // namespace ergo
