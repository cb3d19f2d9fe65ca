// Softmax and LogSoftmax from exponentials and their sums, with or without the largest element
// taken off first.
#include "engine/passes/passes.h"
#include "engine/passes/pattern.h"

namespace ergo {
namespace {

// x, or x less its maximum along the axes of "max".
Pattern Shifted() {
  const Pattern x = Any("x");
  return OneOf({Op("Sub", {x, Named("max", Reduction("ReduceMax", x))}), x});
}

const Pattern& SoftmaxPattern() {
  static const Pattern kPattern = [] {
    const Pattern exponential = Named("exp", Op("Exp", {Shifted()}));
    const Pattern sum = Named("sum", Reduction("ReduceSum", Any("exp")));
    return OneOf(
        {Op("Div", {exponential, sum}), Op("Mul", {exponential, Op("Reciprocal", {sum})})});
  }();
  return kPattern;
}

const Pattern& LogSoftmaxPattern() {
  static const Pattern kPattern = [] {
    const Pattern sum = Named("sum", Reduction("ReduceSum", Op("Exp", {Any("shifted")})));
    return OneOf({Op("Sub", {Named("shifted", Shifted()), Op("Log", {sum})}),
                  Op("Sub", {Any("x"), Named("sum", Reduction("ReduceLogSumExp", Any("x")))})});
  }();
  return kPattern;
}

// The one axis along which the match sums, and from which it takes the maximum.
std::optional<int> SoftmaxAxis(const Graph& graph, const Matcher& match) {
  const auto axes = ReducedAxes(graph, match.NodeOf("sum"));
  if (!axes || axes->size() != 1) return std::nullopt;
  if (match.Find("max") != kNoValue && ReducedAxes(graph, match.NodeOf("max")) != axes) {
    return std::nullopt;
  }
  return axes->front();
}

// Log of Softmax, which loses small probabilities, as LogSoftmax, which does not.
bool TakesLogOfSoftmax(Matcher& matcher, NodeId id) {
  static const Pattern kPattern = Op("Log", {Named("softmax", Op("Softmax", {Any("x")}))});
  if (!matcher.Match(id, kPattern)) return false;
  Node node = matcher.NodeOf("softmax");
  node.op = "LogSoftmax";
  matcher.Replace(std::move(node));
  return true;
}

}  // namespace

Result<int> RecognizeSoftmax(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, RecognizeSoftmax));
  Rewriter rewriter(graph);
  Matcher matcher(rewriter);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    if (TakesLogOfSoftmax(matcher, id)) continue;
    for (const bool log : {false, true}) {
      if (!matcher.Match(id, log ? LogSoftmaxPattern() : SoftmaxPattern())) continue;
      const std::optional<int> axis = SoftmaxAxis(graph, matcher);
      if (!axis || !IsFloatingPoint(graph.GetValue(matcher["x"]).dtype)) continue;
      Node node = MakeNode(graph.GetNode(id), log ? "LogSoftmax" : "Softmax", 13, {matcher["x"]});
      node.attributes["axis"] = int64_t{*axis};
      matcher.Replace(std::move(node));
      break;
    }
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
