// What exporters of dynamically quantized models write, sums of integers that are cast, scaled and
// given a bias in float32, becomes ergo.QuantizedConv or QuantizedGemm with a float32 result:
//
//   Cast(MatMulInteger(x, w, x_zero, w_zero)) * (x_scale * w_scale) + bias
//
// and likewise ConvInteger. x_scale is one number that DynamicQuantizeLinear computes in each run.
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "engine/passes/fusible.h"
#include "engine/passes/passes.h"
#include "engine/passes/qdq.h"
#include "engine/passes/rewriter.h"

namespace ergo {
namespace {

// Inputs of the quantized operators.
enum Input : size_t { kX, kScaleX, kZeroX, kW, kScaleW, kZeroW, kScaleY, kZeroY, kBias };

class DynamicFuser {
 public:
  explicit DynamicFuser(Graph& graph)
      : graph_(graph), producers_(graph.Producers()), rewriter_(graph) {}

  int Run() {
    for (NodeId id = 0; id < graph_.NodeCount(); ++id) {
      const Node& node = graph_.GetNode(id);
      if (!node.Is("Mul") && !node.Is("Add")) continue;
      for (size_t side = 0; side < 2; ++side) {
        const ValueId one = node.inputs[side], other = node.inputs[1 - side];
        if (node.Is("Mul") ? AbsorbScales(id, one, other) : AbsorbBias(id, one, other)) break;
      }
    }
    return rewriter_.Finish();
  }

 private:
  // `wide` times `scales`.
  bool AbsorbScales(NodeId id, ValueId wide, ValueId scales) {
    const Node* cast = rewriter_.SoleProducer(wide);
    if (cast == nullptr || !cast->Is("Cast") || graph_.GetValue(wide).dtype != DType::kF32) {
      return false;
    }
    const ValueId sums = cast->inputs[0];
    const Node* product = rewriter_.SoleProducer(sums);
    if (product == nullptr) return false;
    const bool conv = product->Is("ConvInteger");
    if (!conv && !product->Is("MatMulInteger")) return false;
    const Tensor* weights = graph_.Constant(product->inputs[1]);
    if (weights == nullptr || (!conv && weights->GetShape().Rank() != 2) ||
        RankOf(product->inputs[0]) < 2 || !IsSingleOrAbsent(product->Input(2)) ||
        !IsKnownOrAbsent(product->Input(3))) {
      return false;
    }
    const auto split = SplitScales(scales, conv ? 1 : weights->GetShape()[1]);
    if (!split) return false;
    Node fused = *product;
    fused.domain = "ergo";
    fused.op = conv ? "QuantizedConv" : "QuantizedGemm";
    fused.opset = 1;
    fused.inputs = {product->inputs[0], split->first,  product->Input(2),
                    product->inputs[1], split->second, product->Input(3)};
    while (fused.inputs.back() == kNoValue) fused.inputs.pop_back();
    rewriter_.FuseForward(id, wide, fused);
    rewriter_.FuseForward(id, sums, std::move(fused));
    return true;
  }

  // The product of a single number, which comes first, and a constant of one number or, for
  // columns, one each.
  std::optional<std::pair<ValueId, ValueId>> SplitScales(ValueId scales, int64_t columns) const {
    const NodeId producer = producers_[static_cast<size_t>(scales)];
    if (producer < 0 || !graph_.GetNode(producer).Is("Mul")) return std::nullopt;
    const Node& mul = graph_.GetNode(producer);
    for (size_t side = 0; side < 2; ++side) {
      const ValueId x = mul.inputs[side], w = mul.inputs[1 - side];
      const Tensor* constant = graph_.Constant(w);
      if (constant == nullptr || constant->Type() != DType::kF32 || !IsSingle(graph_, x) ||
          constant->GetShape().Rank() > 1) {
        continue;
      }
      if (constant->Elements() == 1 || constant->Elements() == columns) return std::pair(x, w);
    }
    return std::nullopt;
  }

  // A constant number a channel or column, added to a result that has no bias yet.
  bool AbsorbBias(NodeId id, ValueId absorbed, ValueId added) {
    const Node* producer = rewriter_.SoleProducer(absorbed);
    const Tensor* bias = graph_.Constant(added);
    if (producer == nullptr || bias == nullptr || !AcceptsBehindSums(*producer) ||
        producer->inputs.size() > kBias || bias->Type() != DType::kF32) {
      return false;
    }
    const Tensor* weights = graph_.Constant(producer->inputs[kW]);
    if (weights == nullptr) return false;
    const Shape &shape = bias->GetShape(), &w = weights->GetShape();
    const bool conv = IsErgo(*producer, "QuantizedConv");
    const int64_t channels = w[conv ? 0 : w.Rank() - 1];
    // Where channels stand, counted from the end, and everything else is 1.
    const int axis = shape.Rank() - (conv ? w.Rank() - 1 : 1);
    if (bias->Elements() != channels || axis < 0 || shape[axis] != channels ||
        shape.Rank() > RankOf(producer->inputs[kX])) {
      return false;
    }
    Node fused = *producer;
    fused.inputs.resize(kBias, kNoValue);
    fused.inputs.push_back(graph_.AddConstant(
        graph_.UniqueName(graph_.GetValue(added).name + "/bias"), bias->Reshaped(Shape{channels})));
    rewriter_.FuseForward(id, absorbed, std::move(fused));
    return true;
  }

  int RankOf(ValueId id) const {
    const SymbolicShape& shape = graph_.GetValue(id).shape;
    return shape.RankKnown() ? shape.Rank() : 0;
  }
  bool IsSingleOrAbsent(ValueId id) const { return id == kNoValue || IsSingle(graph_, id); }
  bool IsKnownOrAbsent(ValueId id) const {
    return id == kNoValue || graph_.Constant(id) != nullptr;
  }

  Graph& graph_;
  const std::vector<NodeId> producers_;
  Rewriter rewriter_;
};

}  // namespace

Result<int> FuseDynamicQuantized(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, FuseDynamicQuantized));
  return inner + DynamicFuser(graph).Run();
}

}  // namespace ergo
