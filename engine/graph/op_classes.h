// Which operators of ai.onnx treat elements alike, for rewrites that move axes around them.
//
// Thread safety: pure functions.
#ifndef ERGO_ENGINE_GRAPH_OP_CLASSES_H_
#define ERGO_ENGINE_GRAPH_OP_CLASSES_H_

#include <vector>

#include "engine/graph/graph.h"

namespace ergo {

// Each element of the result is made of the same one of input 0; other inputs are scalars.
bool IsElementwiseUnary(const Node& node);

// Each element of the result is made of one of each operand, which broadcast.
bool IsElementwiseBinary(const Node& node);

// ReduceMax, ReduceMean, ReduceMin or ReduceSum.
bool IsPlainReduction(const Node& node);

// The axes that a reduction of a tensor of this rank reduces, in order; empty where they are not
// known or not named.
std::vector<int64_t> ReducedAxes(const Graph& graph, const Node& node, int rank);

}  // namespace ergo

#endif  // ERGO_ENGINE_GRAPH_OP_CLASSES_H_
