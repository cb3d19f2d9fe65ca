#include "engine/passes/passes.h"
#include "engine/plan/fold.h"

namespace ergo {

Result<int> FoldConstantsPass(Graph& graph) {
  return FoldConstantsWithin(graph, Budget());
}

Result<int> FoldConstantsWithin(Graph& graph, const Budget& budget) {
  return FoldConstants(graph, NarrowConstants::kKeep, budget);
}

}  // namespace ergo
