// Operators that only move elements, and MaxPool, do the same to numbers and to the 8 bits that
// stand for them: QuantizeLinear behind them moves before them, DequantizeLinear before them moves
// behind. They then move a quarter of the bytes, and quantized operators become neighbours. A
// QuantizeLinear that undoes a DequantizeLinear goes.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "engine/graph/op_schema.h"
#include "engine/passes/passes.h"
#include "engine/passes/qdq.h"
#include "engine/passes/rewriter.h"

namespace ergo {
namespace {

// Operators that move elements of their input 0, and nothing else into their only output.
bool MovesElements(const Node& node) {
  constexpr std::array<std::string_view, 13> kMoves = {
      "DepthToSpace", "Expand",  "Flatten", "Gather",    "Identity",  "Reshape", "Slice",
      "SpaceToDepth", "Squeeze", "Tile",    "Transpose", "Unsqueeze", "MaxPool"};
  return node.domain.empty() && node.outputs.size() == 1 &&
         std::ranges::find(kMoves, node.op) != kMoves.end();
}

class Propagation {
 public:
  explicit Propagation(Graph& graph)
      : graph_(graph), producers_(graph.Producers()), uses_(graph.UseCounts()) {}

  // Makes the first change that there is to make; afterwards producers and uses are no longer what
  // they were.
  bool Change() {
    for (NodeId id = 0; id < graph_.NodeCount(); ++id) {
      if (Cancel(id) || SinkDequantize(id) || RaiseQuantize(id) || RaiseOverConcat(id) ||
          SinkUnderConcat(id)) {
        return true;
      }
    }
    return false;
  }

 private:
  const Node* SoleProducer(ValueId id, NodeId* producer) const {
    if (id == kNoValue || uses_[static_cast<size_t>(id)] != 1) return nullptr;
    *producer = producers_[static_cast<size_t>(id)];
    return *producer < 0 ? nullptr : &graph_.GetNode(*producer);
  }

  bool IsOutput(ValueId id) const {
    return std::ranges::find(graph_.outputs, id) != graph_.outputs.end();
  }

  // Q(DQ(x)) with the same numbers is x.
  bool Cancel(NodeId id) {
    const Node& quantize = graph_.GetNode(id);
    if (!quantize.Is("QuantizeLinear") || IsOutput(quantize.outputs[0])) return false;
    const Node* dequantize = DequantizeOf(graph_, producers_, quantize.inputs[0]);
    const auto to = TensorQuantization(graph_, quantize);
    if (dequantize == nullptr || !to) return false;
    const auto from = TensorQuantization(graph_, *dequantize);
    const ValueId source = dequantize->inputs[0];
    if (!from || !SameQuantization(graph_, *from, *to) ||
        graph_.GetValue(source).dtype != graph_.GetValue(quantize.outputs[0]).dtype) {
      return false;
    }
    graph_.ReplaceUses(quantize.outputs[0], source);
    Remove(id);
    return true;
  }

  // op(DQ(x)) -> DQ(op(x)), where nothing else reads DQ(x).
  bool SinkDequantize(NodeId id) {
    const Node& op = graph_.GetNode(id);
    if (!MovesElements(op)) return false;
    NodeId first = -1;
    const Node* dequantize = SoleProducer(op.Input(0), &first);
    if (dequantize == nullptr || !dequantize->Is("DequantizeLinear") ||
        !TensorQuantization(graph_, *dequantize)) {
      return false;
    }
    Swap(first, id, graph_.GetValue(dequantize->inputs[0]).dtype);
    return true;
  }

  // Q(op(x)) -> op(Q(x)), where nothing else reads op(x).
  bool RaiseQuantize(NodeId id) {
    const Node& quantize = graph_.GetNode(id);
    if (!quantize.Is("QuantizeLinear") || !TensorQuantization(graph_, quantize)) return false;
    NodeId first = -1;
    const Node* op = SoleProducer(quantize.inputs[0], &first);
    if (op == nullptr || !MovesElements(*op)) return false;
    Swap(first, id, graph_.GetValue(quantize.outputs[0]).dtype);
    return true;
  }

  // first, later -> later, first: later takes first's input 0 and what else both read stays.
  // `middle` is the type of what goes between them.
  void Swap(NodeId first, NodeId later, DType middle) {
    Node moved_down = graph_.GetNode(first), moved_up = graph_.GetNode(later);
    const ValueId source = moved_down.inputs[0], result = moved_up.outputs[0];
    const ValueId between =
        graph_.AddValue(graph_.UniqueName(graph_.GetValue(result).name + "/moved"), middle);
    moved_up.inputs[0] = source;
    moved_up.outputs[0] = between;
    moved_down.inputs[0] = between;
    moved_down.outputs[0] = result;
    // Operands of either were computed before the later one: both stand there now.
    graph_.GetNode(later) = std::move(moved_down);
    std::vector<Node>& nodes = graph_.Nodes();
    nodes.insert(nodes.begin() + later, std::move(moved_up));
    Remove(first);
  }

  // Q(Concat(a, b)) -> Concat(Q(a), Q(b)).
  bool RaiseOverConcat(NodeId id) {
    const Node& quantize = graph_.GetNode(id);
    const auto quantization = TensorQuantization(graph_, quantize);
    if (!quantize.Is("QuantizeLinear") || !quantization) return false;
    NodeId first = -1;
    const Node* concat = SoleProducer(quantize.inputs[0], &first);
    if (concat == nullptr || !concat->Is("Concat")) return false;
    const DType dtype = graph_.GetValue(quantize.outputs[0]).dtype;
    std::vector<Node> raised;
    Node joined = *concat;
    for (ValueId& input : joined.inputs) {
      Node each = quantize;
      each.name = fmt::format("{}/{}", quantize.name, raised.size());
      each.inputs[0] = input;
      const std::string hint = graph_.GetValue(input).name + "/quantized";
      input = graph_.AddValue(graph_.UniqueName(hint), dtype);
      each.outputs = {input};
      raised.push_back(std::move(each));
    }
    joined.outputs = {quantize.outputs[0]};
    graph_.GetNode(id) = std::move(joined);
    std::vector<Node>& nodes = graph_.Nodes();
    nodes.insert(nodes.begin() + id, std::make_move_iterator(raised.begin()),
                 std::make_move_iterator(raised.end()));
    Remove(first);
    return true;
  }

  // Concat(DQ(a), DQ(b)) of equal quantization, read by nothing else -> DQ(Concat(a, b)).
  bool SinkUnderConcat(NodeId id) {
    const Node& concat = graph_.GetNode(id);
    if (!concat.Is("Concat")) return false;
    Node joined = concat;
    std::optional<Quantization> all;
    Node dequantize;
    for (ValueId& input : joined.inputs) {
      NodeId first = -1;
      const Node* each = SoleProducer(input, &first);
      if (each == nullptr || !each->Is("DequantizeLinear")) return false;
      const auto quantization = TensorQuantization(graph_, *each);
      if (!quantization || (all && !SameQuantization(graph_, *all, *quantization))) return false;
      const DType dtype = graph_.GetValue(each->inputs[0]).dtype;
      if (all && dtype != graph_.GetValue(dequantize.inputs[0]).dtype) return false;
      all = quantization;
      dequantize = *each;
      input = each->inputs[0];
    }
    if (!all) return false;
    const DType dtype = graph_.GetValue(dequantize.inputs[0]).dtype;
    const std::string hint = graph_.GetValue(concat.outputs[0]).name + "/joined";
    const ValueId between = graph_.AddValue(graph_.UniqueName(hint), dtype);
    dequantize.inputs[0] = between;
    dequantize.outputs = concat.outputs;
    joined.outputs = {between};
    graph_.GetNode(id) = std::move(dequantize);
    std::vector<Node>& nodes = graph_.Nodes();
    nodes.insert(nodes.begin() + id, std::move(joined));
    return true;
  }

  // Only of nodes before which nothing was inserted.
  void Remove(NodeId id) {
    std::vector<bool> remove(static_cast<size_t>(graph_.NodeCount()), false);
    remove[static_cast<size_t>(id)] = true;
    graph_.RemoveNodes(remove);
  }

  Graph& graph_;
  const std::vector<NodeId> producers_;
  const std::vector<int> uses_;
};

}  // namespace

Result<int> PropagateQuantized(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(int changes, RunOnSubgraphs(graph, PropagateQuantized));
  const int before = changes;
  while (Propagation(graph).Change()) ++changes;
  if (changes > before) ERGO_RETURN_IF_ERROR(InferShapes(graph));
  return changes;
}

}  // namespace ergo
