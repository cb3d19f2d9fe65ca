// Transposes move behind what works on each element alone, so that they meet others that undo them:
// op(transpose(x)) becomes transpose(op(x)). That is how graphs of channels-last frameworks lose
// the transposes around each convolution.
#include <algorithm>

#include "engine/graph/op_classes.h"
#include "engine/graph/op_schema.h"
#include "engine/passes/passes.h"
#include "engine/passes/permutation.h"

namespace ergo {
namespace {

class Sinker {
 public:
  explicit Sinker(Graph& graph) : graph_(graph), rewriter_(graph) {}

  int Run() {
    for (NodeId id = 0; id < graph_.NodeCount(); ++id) Visit(id);
    return rewriter_.Finish();
  }

 private:
  void Visit(NodeId id) {
    const Node& node = graph_.GetNode(id);
    if (IsElementwiseUnary(node)) {
      SinkThrough(id, 0);
    } else if (IsElementwiseBinary(node)) {
      SinkThroughBinary(id);
    } else if (IsPlainReduction(node)) {
      SinkThroughReduction(id);
    } else if (node.Is("Concat")) {
      SinkThroughConcat(id);
    } else if (node.Is("Pad")) {
      SinkThroughPad(id);
    }
  }

  // The permutation of the Transpose that computes the value for nobody else.
  std::optional<Permutation> SolePermutation(ValueId value) const {
    return PermutationOf(graph_, rewriter_.SoleProducer(value));
  }
  ValueId BeforeTranspose(ValueId value) const { return rewriter_.Producer(value)->inputs[0]; }

  // Puts `moved`, which reads what the Transposes read, in front of the node's place, and a
  // Transpose there.
  void Finish(NodeId id, Node moved, const Permutation& perm) {
    const Node origin = graph_.GetNode(id);
    const ValueId before = rewriter_.Insert(id, std::move(moved));
    rewriter_.Replace(id, MakeTranspose(origin, before, perm));
  }

  void SinkThrough(NodeId id, size_t input) {
    Node moved = graph_.GetNode(id);
    const auto perm = SolePermutation(moved.inputs[input]);
    if (!perm) return;
    moved.inputs[input] = BeforeTranspose(moved.inputs[input]);
    Finish(id, std::move(moved), *perm);
  }

  // Both operands come through the same Transpose, or one of them is a constant.
  void SinkThroughBinary(NodeId id) {
    Node moved = graph_.GetNode(id);
    auto perm = SolePermutation(moved.inputs[0]);
    if (!perm) perm = SolePermutation(moved.inputs[1]);
    const SymbolicShape& result = graph_.GetValue(moved.outputs[0]).shape;
    if (!perm || !result.RankKnown() || static_cast<size_t>(result.Rank()) != perm->size()) return;
    for (const ValueId input : moved.inputs) {
      if (graph_.Constant(input) == nullptr && SolePermutation(input) != perm) return;
    }
    for (ValueId& input : moved.inputs) {
      input = graph_.Constant(input) == nullptr ? BeforeTranspose(input)
                                                : Permuted(id, input, Inverse(*perm));
    }
    Finish(id, std::move(moved), *perm);
  }

  // The constant with all axes of the permutation, permuted; folding computes it.
  ValueId Permuted(NodeId id, ValueId constant, const Permutation& perm) {
    const Tensor tensor = *graph_.Constant(constant);
    if (tensor.Elements() == 1) return constant;
    Shape shape;
    for (size_t i = static_cast<size_t>(tensor.GetShape().Rank()); i < perm.size(); ++i) {
      shape.Append(1);
    }
    for (const int64_t dim : tensor.GetShape().Dims()) shape.Append(dim);
    const ValueId aligned = graph_.AddConstant(
        graph_.UniqueName(graph_.GetValue(constant).name + "/aligned"), tensor.Reshaped(shape));
    return rewriter_.Insert(id, MakeTranspose(graph_.GetNode(id), aligned, perm));
  }

  void SinkThroughConcat(NodeId id) {
    Node moved = graph_.GetNode(id);
    const auto perm = SolePermutation(moved.inputs[0]);
    if (!perm) return;
    const Result<int> axis =
        NormalizeAxis(moved.IntAttr("axis", 0), static_cast<int>(perm->size()));
    if (!axis.ok()) return;
    for (ValueId& input : moved.inputs) {
      if (SolePermutation(input) != perm) return;
      input = BeforeTranspose(input);
    }
    moved.attributes["axis"] = (*perm)[static_cast<size_t>(*axis)];
    Finish(id, std::move(moved), *perm);
  }

  void SinkThroughPad(NodeId id) {
    Node moved = graph_.GetNode(id);
    const auto perm = SolePermutation(moved.inputs[0]);
    const Tensor* pads = graph_.Constant(moved.Input(1));
    if (!perm || moved.HasInput(3) || pads == nullptr || pads->Type() != DType::kI64 ||
        static_cast<size_t>(pads->Elements()) != 2 * perm->size()) {
      return;
    }
    std::vector<int64_t> permuted(2 * perm->size());
    for (size_t i = 0; i < perm->size(); ++i) {
      const auto axis = static_cast<size_t>((*perm)[i]);
      permuted[axis] = pads->Span<int64_t>()[i];
      permuted[axis + perm->size()] = pads->Span<int64_t>()[i + perm->size()];
    }
    const Shape shape = pads->GetShape();
    moved.inputs[0] = BeforeTranspose(moved.inputs[0]);
    moved.inputs[1] =
        graph_.AddConstant(graph_.UniqueName(graph_.GetValue(moved.inputs[1]).name + "/permuted"),
                           Tensor::FromValues<int64_t>(shape, std::span<const int64_t>(permuted)));
    Finish(id, std::move(moved), *perm);
  }

  // The axes that are reduced lie elsewhere before the Transpose. Where they go away, what is left
  // must be in order.
  void SinkThroughReduction(NodeId id) {
    Node moved = graph_.GetNode(id);
    const auto perm = SolePermutation(moved.inputs[0]);
    if (!perm) return;
    const std::vector<int64_t> axes = ReducedAxes(graph_, moved, static_cast<int>(perm->size()));
    if (axes.empty()) return;
    std::vector<int64_t> before, left;
    for (size_t i = 0; i < perm->size(); ++i) {
      const bool reduced = std::ranges::find(axes, static_cast<int64_t>(i)) != axes.end();
      (reduced ? before : left).push_back((*perm)[i]);
    }
    std::ranges::sort(before);
    moved.inputs[0] = BeforeTranspose(moved.inputs[0]);
    if (moved.HasInput(1)) {
      moved.inputs[1] =
          graph_.AddConstant(graph_.UniqueName(graph_.GetValue(moved.inputs[1]).name + "/permuted"),
                             Tensor::FromValues<int64_t>(Shape{static_cast<int64_t>(before.size())},
                                                         std::span<const int64_t>(before)));
    } else {
      moved.attributes["axes"] = before;
    }
    if (moved.IntAttr("keepdims", 1) != 0) {
      Finish(id, std::move(moved), *perm);
    } else if (std::ranges::is_sorted(left)) {
      rewriter_.Replace(id, std::move(moved));
    }
  }

  Graph& graph_;
  Rewriter rewriter_;
};

}  // namespace

Result<int> SinkTransposes(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, SinkTransposes));
  return inner + Sinker(graph).Run();
}

}  // namespace ergo
