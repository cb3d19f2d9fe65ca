// Runs one node at plan time.
#ifndef ERGO_ENGINE_PLAN_EVALUATE_H_
#define ERGO_ENGINE_PLAN_EVALUATE_H_

#include <vector>

#include "engine/graph/budget.h"
#include "engine/graph/graph.h"

namespace ergo {

// The results of a node all of whose inputs are constants of `graph` and whose output types and
// shapes have been inferred. An entry for each output, undefined for unwanted ones. Unsupported as
// lowering says, ResourceExhausted where memory or work are above the budget.
Result<std::vector<Tensor>> EvaluateNode(const Graph& graph, const Node& node,
                                         const Budget& budget);

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_EVALUATE_H_
