#include "engine/graph/inline.h"

#include <string>
#include <unordered_set>

namespace ergo {
namespace {

// Names of a graph's values, so that making new ones does not search the graph each time.
class NameSet {
 public:
  explicit NameSet(const Graph& graph) {
    for (ValueId id = 0; id < graph.ValueCount(); ++id) names_.insert(graph.GetValue(id).name);
  }
  std::string Unique(std::string_view prefix, const std::string& name) {
    if (names_.insert(name).second) return name;
    std::string candidate = fmt::format("{}/{}", prefix, name);
    for (int i = 1; !names_.insert(candidate).second; ++i) {
      candidate = fmt::format("{}/{}_{}", prefix, name, i);
    }
    return candidate;
  }

 private:
  std::unordered_set<std::string> names_;
};

}  // namespace

std::vector<ValueId> InlineGraph(Graph& outer, const Graph& inner,
                                 std::span<const ValueId> arguments, std::string_view prefix,
                                 std::vector<Node>& nodes) {
  ERGO_CHECK(arguments.size() == inner.inputs.size());
  NameSet names(outer);
  std::vector<ValueId> renamed(static_cast<size_t>(inner.ValueCount()), kNoValue);
  for (size_t i = 0; i < arguments.size(); ++i) {
    renamed[static_cast<size_t>(inner.inputs[i])] = arguments[i];
  }
  const auto rename = [&](ValueId id) {
    if (id == kNoValue) return kNoValue;
    ValueId& to = renamed[static_cast<size_t>(id)];
    if (to == kNoValue) {
      const Value& value = inner.GetValue(id);
      to = outer.AddValue(names.Unique(prefix, value.name), value.dtype, value.shape);
      outer.GetValue(to).constant = value.constant;
    }
    return to;
  };
  for (const Node& original : inner.Nodes()) {
    Node node = original;
    for (ValueId& id : node.inputs) id = rename(id);
    for (ValueId& id : node.outputs) id = rename(id);
    for (Subgraph& subgraph : node.subgraphs) {
      for (ValueId& id : subgraph.captures) id = rename(id);
    }
    nodes.push_back(std::move(node));
  }
  std::vector<ValueId> outputs;
  for (const ValueId id : inner.outputs) outputs.push_back(rename(id));
  return outputs;
}

}  // namespace ergo
