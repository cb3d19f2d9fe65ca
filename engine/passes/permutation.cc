#include "engine/passes/permutation.h"

#include <algorithm>
#include <utility>

#include "engine/graph/move_params.h"

namespace ergo {

std::optional<Permutation> PermutationOf(const Graph& graph, const Node* node) {
  if (node == nullptr || !node->Is("Transpose")) return std::nullopt;
  const SymbolicShape& shape = graph.GetValue(node->inputs[0]).shape;
  const std::vector<int64_t>* attribute = node->IntsAttr("perm");
  if (!shape.RankKnown()) return std::nullopt;
  const Result<std::vector<int>> perm = TransposePermutation(attribute, shape.Rank());
  if (!perm.ok()) return std::nullopt;
  return Permutation(perm->begin(), perm->end());
}

Permutation Compose(const Permutation& first, const Permutation& second) {
  Permutation perm;
  for (const int64_t axis : second) perm.push_back(first[static_cast<size_t>(axis)]);
  return perm;
}

Permutation Inverse(const Permutation& perm) {
  Permutation inverse(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) {
    inverse[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  }
  return inverse;
}

Permutation SwapOfLastTwo(int rank) {
  Permutation perm;
  for (int axis = 0; axis < rank; ++axis) perm.push_back(axis);
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return perm;
}

bool SwapsLastTwo(const Permutation& perm) {
  return perm.size() >= 2 && perm == SwapOfLastTwo(static_cast<int>(perm.size()));
}

Node MakeTranspose(const Node& origin, ValueId x, Permutation perm) {
  Node node = MakeNode(origin, "Transpose", 13, {x});
  node.attributes["perm"] = std::move(perm);
  return node;
}

}  // namespace ergo
