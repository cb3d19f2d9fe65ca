// A chain of operators that only write the same elements under other shapes becomes its last link.
#include <algorithm>
#include <array>

#include "engine/passes/passes.h"
#include "engine/passes/reshape_target.h"

namespace ergo {
namespace {

bool IsReshaping(const Node& node) {
  constexpr std::array<std::string_view, 4> kOps = {"Flatten", "Reshape", "Squeeze", "Unsqueeze"};
  return node.domain.empty() && std::ranges::find(kOps, node.op) != kOps.end();
}

}  // namespace

Result<int> MergeReshapes(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, MergeReshapes));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const Node& node = graph.GetNode(id);
    if (!IsReshaping(node)) continue;
    const Node* before = rewriter.Producer(node.inputs[0]);
    if (before == nullptr || !IsReshaping(*before)) continue;
    std::optional<Node> merged = MakeReshape(graph, node, before->inputs[0], node.outputs[0]);
    if (merged) rewriter.Replace(id, std::move(*merged));
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
