// Attention reads and writes heads side by side, [batch, len, heads * width], as well as apart: a
// Transpose that only takes the heads of an operand apart is not needed, and the result is written
// so that the Transpose that joins them has nothing to do. Keys and values that several query heads
// share need not be repeated for each.
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

// [batch, kv_heads, len, width] of an operand that Unsqueeze, Expand and Reshape repeat for each
// head of a group; kNoValue for any other.
ValueId BeforeRepeat(const Rewriter& rewriter, ValueId id) {
  const Graph& graph = rewriter.GetGraph();
  const Node* join = rewriter.Producer(id);
  const Node* expand = join == nullptr ? nullptr : rewriter.Producer(join->inputs[0]);
  const Node* apart = expand == nullptr ? nullptr : rewriter.Producer(expand->inputs[0]);
  if (apart == nullptr || !join->Is("Reshape") || !expand->Is("Expand") ||
      !(apart->Is("Unsqueeze") || apart->Is("Reshape"))) {
    return kNoValue;
  }
  const SymbolicShape& from = graph.GetValue(apart->inputs[0]).shape;
  const SymbolicShape& one = graph.GetValue(apart->outputs[0]).shape;
  const SymbolicShape& many = graph.GetValue(expand->outputs[0]).shape;
  const SymbolicShape& to = graph.GetValue(id).shape;
  if (!from.RankKnown() || from.Rank() != 4 || !one.RankKnown() || one.Rank() != 5 ||
      !many.RankKnown() || many.Rank() != 5 || !to.RankKnown() || to.Rank() != 4) {
    return kNoValue;
  }
  for (const int axis : {0, 1, 2, 3}) {
    const int behind = axis < 2 ? axis : axis + 1;
    if (!from[axis].SameAs(one[behind]) || !from[axis].SameAs(many[behind]) ||
        (axis != 1 && !from[axis].SameAs(to[axis]))) {
      return kNoValue;
    }
  }
  const bool repeats = one[2].SameAs(Dim(1)) && from[1].Known() && many[2].Known() &&
                       to[1].SameAs(Dim(from[1].value * many[2].value));
  return repeats ? apart->inputs[0] : kNoValue;
}

void ShareHeads(Rewriter& rewriter, NodeId id) {
  Node node = rewriter.GetGraph().GetNode(id);
  const ValueId key = BeforeRepeat(rewriter, node.inputs[1]);
  const ValueId value = BeforeRepeat(rewriter, node.inputs[2]);
  if (key == kNoValue || value == kNoValue) return;
  const SymbolicShape& heads = rewriter.GetGraph().GetValue(key).shape;
  if (!heads[1].SameAs(rewriter.GetGraph().GetValue(value).shape[1])) return;
  node.inputs[1] = key;
  node.inputs[2] = value;
  rewriter.Replace(id, std::move(node));
}

}  // namespace

Result<int> PackAttention(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, PackAttention));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const Node& node = graph.GetNode(id);
    // With caches and scores the layout of other results hangs on it.
    if (node.Is("Attention") && node.inputs.size() <= 4 && node.outputs.size() == 1) {
      ShareHeads(rewriter, id);
      PackOperands(rewriter, id);
    }
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
