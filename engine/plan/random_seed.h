// The seed of a node that draws random numbers.
#ifndef ERGO_ENGINE_PLAN_RANDOM_SEED_H_
#define ERGO_ENGINE_PLAN_RANDOM_SEED_H_

#include <cstdint>

#include "engine/graph/graph.h"

namespace ergo {

// The seed attribute, or one of the node's own: the standard leaves the default to the runtime, and
// a fixed one keeps runs reproducible.
uint64_t SeedOf(const Node& node);

// The node draws random numbers: what it gives is another in each run, and is never a constant.
bool IsRandom(const Node& node);

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_RANDOM_SEED_H_
