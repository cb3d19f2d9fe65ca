// Expansion: operators that are defined by other operators, replaced by them.
//
// What has no kernel of its own has a function in expand_FAMILY.cc that writes the operators it
// consists of. Folding expands such nodes as soon as enough is known of their operands: while a
// model is optimized, so that the passes see what it consists of, else when its input shapes are
// bound.
//
// Thread safety: as the graph's.
#ifndef ERGO_ENGINE_EXPAND_EXPAND_H_
#define ERGO_ENGINE_EXPAND_EXPAND_H_

#include <optional>
#include <string_view>
#include <vector>

#include "engine/graph/graph.h"

namespace ergo {

// The node consists of other operators.
bool IsExpandable(std::string_view domain, std::string_view op);

struct Expansion {
  // What replaces the node, in order; the last of them to define the node's outputs have those
  // values. Empty where the expansion has to wait.
  std::vector<Node> nodes;
  // Inputs whose values would have to be known.
  std::vector<size_t> missing;
  // Why it has to wait: Unsupported, of something that a run or concrete shapes may tell.
  Status waits;
};

// Values of the new nodes are added to the graph. The node, which the graph need not hold, has
// types and shapes inferred. An error says what is wrong with the node, without naming it.
Result<Expansion> Expand(Graph& graph, const Node& node);

}  // namespace ergo

#endif  // ERGO_ENGINE_EXPAND_EXPAND_H_
