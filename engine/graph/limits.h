// Limits on graphs, kept by every importer.
#ifndef ERGO_ENGINE_GRAPH_LIMITS_H_
#define ERGO_ENGINE_GRAPH_LIMITS_H_

#include <cstdint>

namespace ergo {

inline constexpr int kMaxGraphNodes = 1 << 18;   // all subgraphs together
inline constexpr int kMaxGraphValues = 1 << 20;  // of one graph
inline constexpr int kMaxSubgraphDepth = 8;      // If in Loop in If ...
inline constexpr int kMaxNodeOperands = 4096;    // inputs, or outputs, of one node
inline constexpr int kMaxGraphInputs = 1024;     // inputs, or outputs, of one graph
inline constexpr int kMaxNameBytes = 4096;       // of a node, value, attribute or symbol
inline constexpr int kMaxEinsumLabels = 24;  // of one equation, the axes of its ellipsis included
// What folding may compute ahead of time for one value: above that a constant is cheaper to compute
// than to store.
inline constexpr int64_t kMaxFoldedBytes = int64_t{64} << 20;

// Numbers that one dimension is said to take (dim_range.h).
inline constexpr int64_t kMaxDimValues = 4096;
// What a model may take where nobody says otherwise (budget.h).
inline constexpr int64_t kDefaultMaxMemoryBytes = int64_t{64} << 30;
// What a worker does at least, on the whole, in kernels that are not the reference's: for refusing
// work of years, not for telling how long something takes.
inline constexpr double kExpectedOpsPerSecond = 1e10;

}  // namespace ergo

#endif  // ERGO_ENGINE_GRAPH_LIMITS_H_
