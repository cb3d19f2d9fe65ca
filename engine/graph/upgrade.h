// Upgrades of operators from before opset 7, when broadcasting was an attribute, to their later
// forms, so that everything behind the importer knows only those.
#ifndef ERGO_ENGINE_GRAPH_UPGRADE_H_
#define ERGO_ENGINE_GRAPH_UPGRADE_H_

#include "engine/graph/graph.h"

namespace ergo {

// Rewrites nodes of ai.onnx below opset 7 in place, subgraphs included: binary operators with
// broadcast and axis, Gemm, PRelu and BatchNormalization. They then have opset 7. Nodes of other
// operators stay as they are. Unsupported, naming the node, where the form depends on a rank that
// is not known.
Status UpgradeLegacyOperators(Graph& graph);

}  // namespace ergo

#endif  // ERGO_ENGINE_GRAPH_UPGRADE_H_
