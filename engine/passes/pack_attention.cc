// Attention reads and writes heads side by side, [batch, len, heads * width], as well as apart: a
// Transpose that only takes the heads of an operand apart is not needed, and the result is written
// so that the Transpose that joins them has nothing to do.
#include "engine/passes/passes.h"
#include "engine/passes/permutation.h"

namespace ergo {
namespace {

const Permutation kSwapHeads = {0, 2, 1, 3};

// [batch, len, heads, width], the operand of the Transpose that computes `id`, if its heads and
// width are numbers.
ValueId BeforeHeadSwap(const Rewriter& rewriter, ValueId id) {
  const Node* transpose = rewriter.Producer(id);
  if (PermutationOf(rewriter.GetGraph(), transpose) != kSwapHeads) return kNoValue;
  const SymbolicShape& shape = rewriter.GetGraph().GetValue(transpose->inputs[0]).shape;
  return shape[2].Known() && shape[3].Known() ? transpose->inputs[0] : kNoValue;
}

ValueId InsertReshape(Rewriter& rewriter, NodeId before, ValueId x, std::vector<int64_t> target) {
  Graph& graph = rewriter.GetGraph();
  const Node origin = graph.GetNode(before);
  const ValueId shape =
      graph.AddConstant(graph.UniqueName(origin.name + "/shape"),
                        Tensor::FromValues<int64_t>(Shape{static_cast<int64_t>(target.size())},
                                                    std::span<const int64_t>(target)));
  return rewriter.Insert(before, MakeNode(origin, "Reshape", 14, {x, shape}));
}

// The operand with its heads side by side.
ValueId Pack(Rewriter& rewriter, NodeId id, ValueId apart) {
  const SymbolicShape& shape = rewriter.GetGraph().GetValue(apart).shape;
  return InsertReshape(rewriter, id, apart, {0, 0, shape[2].value * shape[3].value});
}

// Packs what can be packed of the node's operands.
void PackOperands(Rewriter& rewriter, NodeId id) {
  Graph& graph = rewriter.GetGraph();
  Node node = graph.GetNode(id);
  const ValueId query = BeforeHeadSwap(rewriter, node.inputs[0]);
  const SymbolicShape result = graph.GetValue(node.outputs[0]).shape;
  const bool packs_query = query != kNoValue && result.RankKnown() && result[3].Known();
  bool changed = packs_query;
  for (size_t i = 1; i < 3; ++i) {
    const ValueId apart = BeforeHeadSwap(rewriter, node.inputs[i]);
    if (apart == kNoValue) continue;
    node.attributes["kv_num_heads"] = graph.GetValue(apart).shape[2].value;
    node.inputs[i] = Pack(rewriter, id, apart);
    changed = true;
  }
  if (!changed) return;
  if (!packs_query) {
    rewriter.Replace(id, std::move(node));
    return;
  }
  const int64_t heads = graph.GetValue(query).shape[2].value;
  node.attributes["q_num_heads"] = heads;
  node.inputs[0] = Pack(rewriter, id, query);
  const ValueId packed = rewriter.Insert(id, std::move(node));
  const ValueId apart = InsertReshape(rewriter, id, packed, {0, 0, heads, result[3].value});
  rewriter.Replace(id, MakeTranspose(graph.GetNode(id), apart, kSwapHeads));
}

}  // namespace

Result<int> PackAttention(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, PackAttention));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const Node& node = graph.GetNode(id);
    // With caches and scores the layout of other results hangs on it.
    if (node.Is("Attention") && node.inputs.size() <= 4 && node.outputs.size() == 1) {
      PackOperands(rewriter, id);
    }
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
