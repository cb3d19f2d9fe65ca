// Reshape's second operand from the shapes before and after.
#ifndef ERGO_ENGINE_PASSES_RESHAPE_TARGET_H_
#define ERGO_ENGINE_PASSES_RESHAPE_TARGET_H_

#include <optional>
#include <vector>

#include "engine/passes/rewriter.h"

namespace ergo {

// A target that makes `to` of `from`: numbers where they are known, 0 where a dimension keeps its
// place, -1 for one that is left; nullopt where that does not say everything.
std::optional<std::vector<int64_t>> ReshapeTarget(const SymbolicShape& from,
                                                  const SymbolicShape& to);

// A Reshape of `x` to the shape of `like`, named after `origin`; nullopt likewise.
std::optional<Node> MakeReshape(Graph& graph, const Node& origin, ValueId x, ValueId like);

}  // namespace ergo

#endif  // ERGO_ENGINE_PASSES_RESHAPE_TARGET_H_
