// Constant folding: computing ahead of time what does not depend on the model's inputs.
#ifndef ERGO_ENGINE_PLAN_FOLD_H_
#define ERGO_ENGINE_PLAN_FOLD_H_

#include "engine/graph/budget.h"
#include "engine/graph/graph.h"

namespace ergo {

// What becomes of constants that are stored in fewer bits than the model computes with, as
// IsWidening (engine/plan/widen.h) tells.
enum class NarrowConstants : uint8_t {
  kWiden,  // they are folded like everything else
  kKeep,
};

// Infers types and shapes of every node in order and replaces each node whose results are known by
// constants: all inputs constant (computed with the family's kernels, results up to
// kMaxFoldedBytes), or a question about shapes that are known (Shape, Size). An If whose condition
// is constant is replaced by the nodes of the branch taken, an operator that consists of others by
// those (engine/expand/expand.h). Then removes dead nodes and values.
// Returns the number of nodes folded away. With `input_shapes` of the graph's inputs concrete, all
// shape arithmetic goes. ResourceExhausted where that takes more than the budget.
Result<int> FoldConstants(Graph& graph, NarrowConstants narrow = NarrowConstants::kWiden,
                          const Budget& budget = {});

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_FOLD_H_
