// Normalizations of com.microsoft: those that add a skip connection first, those without a mean,
// and the sum of embeddings. Definitions: ONNX Runtime, docs/ContribOperators.md.
#include <array>

#include "engine/expand/expand_context.h"
#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

constexpr float kSkipEpsilon = 1e-12f;

// 1 / sqrt(mean of squares + epsilon) from `axis` on.
Status EmitInverseRms(ExpandContext& context, ValueId x, int64_t axis, float epsilon,
                      ValueId output) {
  ERGO_ASSIGN_OR_RETURN(const int rank, context.Rank(x));
  ERGO_ASSIGN_OR_RETURN(const int first, NormalizeAxis(axis, rank));
  std::vector<int64_t> axes;
  for (int64_t i = first; i < rank; ++i) axes.push_back(i);
  const ValueId wide = context.Cast(x, DType::kF32);
  const ValueId squares = context.Emit("Mul", {wide, wide});
  const ValueId dims =
      context.Constant(Tensor::FromValues<int64_t>(Shape{static_cast<int64_t>(axes.size())}, axes));
  const ValueId mean = context.Emit("ReduceMean", {squares, dims});
  const ValueId root =
      context.Emit("Sqrt", {context.Emit("Add", {mean, context.Scalar(DType::kF32, epsilon)})});
  context.EmitTo("", "Reciprocal", std::array{root}, {output});
  return {};
}

Status ExpandSimplifiedLayerNorm(ExpandContext& context) {
  const Node& node = context.GetNode();
  const int64_t axis = node.IntAttr("axis", -1);
  const float epsilon = node.FloatAttr("epsilon", 1e-5f);
  const ValueId y = context.Emit("RMSNormalization", {context.Input(0), context.Input(1)},
                                 {{"axis", axis}, {"epsilon", epsilon}});
  context.Output(0, y);
  if (!context.HasOutput(1)) return {};
  return EmitInverseRms(context, context.Input(0), axis, epsilon, node.Output(1));
}

// Input `bias` is where the operator has it. The sum is output 3 where that is wanted.
ValueId EmitSkipSum(ExpandContext& context, size_t bias) {
  ValueId sum = context.Emit("Add", {context.Input(0), context.Input(1)});
  if (context.HasInput(bias)) sum = context.Emit("Add", {sum, context.Input(bias)});
  context.Output(3, sum);
  return sum;
}

Status ExpandSkipLayerNorm(ExpandContext& context) {
  const Node& node = context.GetNode();
  const ValueId sum = EmitSkipSum(context, 4);
  context.EmitTo("", "LayerNormalization", std::array{sum, context.Input(2), context.Input(3)},
                 {node.Output(0), node.Output(1), node.Output(2)},
                 {{"axis", int64_t{-1}}, {"epsilon", node.FloatAttr("epsilon", kSkipEpsilon)}});
  return {};
}

Status ExpandSkipSimplifiedLayerNorm(ExpandContext& context) {
  const Node& node = context.GetNode();
  if (context.HasOutput(1)) return InvalidArgument("there is no mean to give");
  const float epsilon = node.FloatAttr("epsilon", kSkipEpsilon);
  const ValueId sum = EmitSkipSum(context, 3);
  context.Output(0, context.Emit("RMSNormalization", {sum, context.Input(2)},
                                 {{"axis", int64_t{-1}}, {"epsilon", epsilon}}));
  if (!context.HasOutput(2)) return {};
  return EmitInverseRms(context, sum, -1, epsilon, node.Output(2));
}

// Rows 0 to length of a table, length being the second dimension of the ids.
ValueId FirstRows(ExpandContext& context, ValueId table, ValueId ids) {
  return context.Emit("Slice",
                      {table, context.Ints({0}), context.ExtentOf(ids, 1), context.Ints({0})});
}

// Inputs: ids, segment ids?, tables of words, positions and segments?, gamma, beta, mask?,
// position ids?.
Status ExpandEmbedLayerNorm(ExpandContext& context) {
  const Node& node = context.GetNode();
  const ValueId ids = context.Input(0);
  const ValueId words = context.Emit("Gather", {context.Input(2), ids});
  const ValueId positions = context.HasInput(8)
                                ? context.Emit("Gather", {context.Input(3), context.Input(8)})
                                : FirstRows(context, context.Input(3), ids);
  ValueId sum = context.Emit("Add", {words, positions});
  if (context.HasInput(1) && context.HasInput(4)) {
    sum = context.Emit("Add", {sum, context.Emit("Gather", {context.Input(4), context.Input(1)})});
  }
  context.Output(2, sum);
  context.EmitTo("", "LayerNormalization", std::array{sum, context.Input(5), context.Input(6)},
                 {node.Output(0)},
                 {{"axis", int64_t{-1}}, {"epsilon", node.FloatAttr("epsilon", kSkipEpsilon)}});
  if (!context.HasOutput(1)) return {};
  // How many tokens of each sequence count; none are known to where there is no mask.
  ValueId counted = context.Emit("Mul", {ids, context.Scalar(context.TypeOf(ids), 0)});
  if (context.HasInput(7)) {
    const ValueId ones =
        context.Emit("Equal", {context.Input(7), context.Scalar(context.InputType(7), 1)});
    counted = context.Cast(ones, context.TypeOf(ids));
  }
  context.Output(
      1, context.Emit("ReduceSum", {counted, context.Ints({1})}, {{"keepdims", int64_t{0}}}));
  return {};
}

constexpr Expander kExpanders[] = {
    // ONNX Runtime and its optimizers put it into the domain of the standard, which lacks it.
    {"", "SimplifiedLayerNormalization", ExpandSimplifiedLayerNorm},
    {"com.microsoft", "EmbedLayerNormalization", ExpandEmbedLayerNorm},
    {"com.microsoft", "SimplifiedLayerNormalization", ExpandSimplifiedLayerNorm},
    {"com.microsoft", "SkipLayerNormalization", ExpandSkipLayerNorm},
    {"com.microsoft", "SkipSimplifiedLayerNormalization", ExpandSkipSimplifiedLayerNorm},
};

}  // namespace

std::span<const Expander> NormExpanders() {
  return kExpanders;
}

}  // namespace ergo
