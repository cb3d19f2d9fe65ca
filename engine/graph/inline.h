// Putting the nodes of one graph into another.
#ifndef ERGO_ENGINE_GRAPH_INLINE_H_
#define ERGO_ENGINE_GRAPH_INLINE_H_

#include <span>
#include <string_view>
#include <vector>

#include "engine/graph/graph.h"

namespace ergo {

// Appends copies of all nodes of `inner` to `nodes` (not to `outer`, whose order the caller knows),
// with their values and constants added to `outer` under names that begin with `prefix` where the
// inner name is taken. inner.inputs[i] becomes `arguments[i]`, a value of `outer`. Returns what
// inner.outputs have become.
std::vector<ValueId> InlineGraph(Graph& outer, const Graph& inner,
                                 std::span<const ValueId> arguments, std::string_view prefix,
                                 std::vector<Node>& nodes);

}  // namespace ergo

#endif  // ERGO_ENGINE_GRAPH_INLINE_H_
