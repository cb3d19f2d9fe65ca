#include "engine/passes/recognize_unary.h"

namespace ergo {
namespace {

bool IsElementwise(const Graph& graph, ValueId x, ValueId y) {
  const Value& from = graph.GetValue(x);
  const Value& to = graph.GetValue(y);
  return IsFloatingPoint(from.dtype) && from.dtype == to.dtype && from.shape.RankKnown() &&
         to.shape.RankKnown() && from.shape.Rank() == to.shape.Rank();
}

}  // namespace

Result<int> RecognizeUnary(Graph& graph, const std::vector<UnaryForm>& forms) {
  Rewriter rewriter(graph);
  Matcher matcher(rewriter);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    for (const UnaryForm& form : forms) {
      if (!matcher.Match(id, form.pattern)) continue;
      const Node& root = graph.GetNode(id);
      const ValueId x = matcher["x"];
      Node node = MakeNode(root, form.op, form.opset, {x});
      if (!IsElementwise(graph, x, root.outputs[0])) continue;
      if (form.finish && !form.finish(matcher, node)) continue;
      matcher.Replace(std::move(node));
      break;
    }
  }
  return rewriter.Finish();
}

}  // namespace ergo
