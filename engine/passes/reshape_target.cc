#include "engine/passes/reshape_target.h"

namespace ergo {

std::optional<std::vector<int64_t>> ReshapeTarget(const SymbolicShape& from,
                                                  const SymbolicShape& to) {
  if (!to.RankKnown()) return std::nullopt;
  std::vector<int64_t> target;
  bool left = false;
  for (int axis = 0; axis < to.Rank(); ++axis) {
    const Dim& dim = to[axis];
    // An empty tensor leaves -1 undefined, and 0 means something else.
    if (dim.Known() && dim.value == 0) return std::nullopt;
    if (dim.Known()) {
      target.push_back(dim.value);
    } else if (from.RankKnown() && axis < from.Rank() && from[axis].SameAs(dim)) {
      target.push_back(0);
    } else if (!left) {
      target.push_back(-1);
      left = true;
    } else {
      return std::nullopt;
    }
  }
  return target;
}

std::optional<Node> MakeReshape(Graph& graph, const Node& origin, ValueId x, ValueId like) {
  const auto target = ReshapeTarget(graph.GetValue(x).shape, graph.GetValue(like).shape);
  if (!target) return std::nullopt;
  const ValueId shape =
      graph.AddConstant(graph.UniqueName(origin.name + "/shape"),
                        Tensor::FromValues<int64_t>(Shape{static_cast<int64_t>(target->size())},
                                                    std::span<const int64_t>(*target)));
  return MakeNode(origin, "Reshape", 14, {x, shape});
}

}  // namespace ergo
