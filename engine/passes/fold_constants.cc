#include "engine/passes/passes.h"
#include "engine/plan/fold.h"

namespace ergo {

Result<int> FoldConstantsPass(Graph& graph) {
  return FoldConstants(graph, NarrowConstants::kKeep);
}

}  // namespace ergo
