// Narrow constants: weights that a model stores in fewer bits than it computes with, as a constant
// and the Cast or DequantizeLinear behind it. Folding such a node while a model is optimized would
// put the wide form into the file, and would hide integers from the passes that look for them; so
// it stays in the graph until the model is loaded, which widens each constant once for all plans.
//
// Thread safety: as the graph's.
#ifndef ERGO_ENGINE_PLAN_WIDEN_H_
#define ERGO_ENGINE_PLAN_WIDEN_H_

#include "engine/graph/budget.h"
#include "engine/graph/graph.h"

namespace ergo {

// Casts of constants with fewer elements than this are folded like any other node.
inline constexpr int64_t kMinNarrowElements = 64;

// True for DequantizeLinear of constants, and for a Cast of a constant of at least
// kMinNarrowElements elements from a type of 16 bits and less to a floating-point type of more.
bool IsWidening(const Graph& graph, const Node& node);

// Replaces every such node, in subgraphs too, by the constant that it computes, whose types and
// shapes must have been inferred. Returns their number. A node that no kernel can compute stays.
// ResourceExhausted where all of them together take more than the budget.
Result<int> WidenConstants(Graph& graph, const Budget& budget = {});

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_WIDEN_H_
