// Pairs of convolutions with channels innermost (choose_layout.h) that are worth one kernel: a
// pointwise one whose result is large and read by nothing but a depthwise one.
//
// Operator of the domain "ergo" that this makes (opset 1):
//   ExpandDepthwise  inputs X, W1, B1?, W2, B2?   Y = act(Conv(expand_act(Conv(X, W1) + B1), W2) +
//                    B2), where the second convolution has a channel a group. Attributes: those of
//                    the second NhwcConv, and expand_activation, expand_alpha, expand_beta.
//
// It is a matter of planning and not a pass, since it depends on the batch, and other passes know
// nothing of the operator.
#ifndef ERGO_ENGINE_PLAN_FUSE_EXPAND_DEPTHWISE_H_
#define ERGO_ENGINE_PLAN_FUSE_EXPAND_DEPTHWISE_H_

#include "engine/graph/graph.h"

namespace ergo {

// Rewrites the graph, whose shapes are known as far as they can be; subgraphs are left alone.
// Returns the number of pairs.
int FuseExpandDepthwise(Graph& graph);

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_FUSE_EXPAND_DEPTHWISE_H_
