// BatchNormalization, and constants that scale or shift channels, behind or in front of a
// convolution or product with constant weights go into weights and bias (computed in double).
//
// In front of a convolution that pads, only scales do: the padding would have been shifted too.
#include <algorithm>

#include "engine/passes/affine.h"
#include "engine/passes/passes.h"

namespace ergo {
namespace {

bool PadsNothing(const Node& node) {
  const std::string automatic = node.StringAttr("auto_pad", "NOTSET");
  const std::vector<int64_t>* pads = node.IntsAttr("pads");
  const bool none =
      pads == nullptr || std::ranges::all_of(*pads, [](int64_t pad) { return pad == 0; });
  return automatic == "VALID" || (automatic == "NOTSET" && none);
}

// Every result of the operator sees every shifted operand that its weights are for.
bool MayShiftOperand(const Node& node) {
  return node.op == "FusedGemm" || (node.op == "FusedConv" && PadsNothing(node));
}

// The node is an affine map of what a linear node has just computed for it.
bool FoldsIntoProducer(Rewriter& rewriter, NodeId id) {
  Graph& graph = rewriter.GetGraph();
  for (const ValueId operand : graph.GetNode(id).inputs) {
    const Node* producer = rewriter.SoleProducer(operand);
    const auto linear = producer == nullptr ? std::nullopt : LinearNode::Of(graph, *producer);
    if (!linear) continue;
    const auto map = AsAffine(graph, graph.GetNode(id), linear->OutputAxis(), linear->Outputs());
    if (!map || map->operand != operand) continue;
    rewriter.FuseForward(id, operand, linear->After(graph, map->affine));
    return true;
  }
  return false;
}

// The node is linear in what an affine map has just computed for it.
bool TakesFromProducer(Rewriter& rewriter, NodeId id) {
  Graph& graph = rewriter.GetGraph();
  const auto linear = LinearNode::Of(graph, graph.GetNode(id));
  if (!linear) return false;
  const ValueId operand = graph.GetNode(id).inputs[0];
  const Node* producer = rewriter.SoleProducer(operand);
  if (producer == nullptr) return false;
  const auto map = AsAffine(graph, *producer, linear->InputAxis(), linear->Inputs());
  if (!map || (map->affine.Shifts() && !MayShiftOperand(graph.GetNode(id)))) return false;
  Node scaled = linear->Before(graph, map->affine);
  scaled.inputs[0] = map->operand;
  rewriter.FuseForward(id, operand, std::move(scaled));
  return true;
}

}  // namespace

Result<int> FoldAffine(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, FoldAffine));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    if (!FoldsIntoProducer(rewriter, id)) TakesFromProducer(rewriter, id);
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
