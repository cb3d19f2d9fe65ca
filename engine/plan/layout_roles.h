// What an operator does when the channels of its operands move innermost (choose_layout.h).
#ifndef ERGO_ENGINE_PLAN_LAYOUT_ROLES_H_
#define ERGO_ENGINE_PLAN_LAYOUT_ROLES_H_

#include <cstdint>

#include "engine/graph/graph.h"

namespace ergo {

enum class LayoutRole : uint8_t {
  kFixed,     // stays as it is
  kConv,      // wants channels innermost
  kFollower,  // works in either layout
};

// Of a node whose values have concrete shapes; any other is fixed.
LayoutRole LayoutRoleOf(const Graph& graph, const Node& node);

// A float32 value of four dimensions, all known.
bool IsImage(const Graph& graph, ValueId value);

// A convolution that reads a few planes as they are: what models are given.
bool ReadsPlanes(const Graph& graph, const Node& conv);

// The node for channels innermost: operator, attributes and inputs other than images. Constants of
// up to four dimensions become permuted ones.
Node WithChannelsInnermost(Graph& graph, Node node);

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_LAYOUT_ROLES_H_
