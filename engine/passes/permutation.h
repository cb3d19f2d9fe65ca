// Transposes and their permutations: result axis i is the operand's axis perm[i].
#ifndef ERGO_ENGINE_PASSES_PERMUTATION_H_
#define ERGO_ENGINE_PASSES_PERMUTATION_H_

#include <optional>
#include <vector>

#include "engine/passes/rewriter.h"

namespace ergo {

using Permutation = std::vector<int64_t>;

// The permutation of a Transpose; nullopt for null and for any other node, or when the rank is not
// known.
std::optional<Permutation> PermutationOf(const Graph& graph, const Node* node);

// The permutation of `second` after `first`.
Permutation Compose(const Permutation& first, const Permutation& second);
Permutation Inverse(const Permutation& perm);

// All axes but the last two stay, and those change places.
Permutation SwapOfLastTwo(int rank);
bool SwapsLastTwo(const Permutation& perm);

Node MakeTranspose(const Node& origin, ValueId x, Permutation perm);

}  // namespace ergo

#endif  // ERGO_ENGINE_PASSES_PERMUTATION_H_
