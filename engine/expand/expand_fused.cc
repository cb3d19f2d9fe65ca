// Operators of com.microsoft that fuse a few of ai.onnx: products, convolutions and GELUs with what
// stands around them; and those that the standard took over as they were. Definitions: ONNX
// Runtime, docs/ContribOperators.md.
#include <algorithm>
#include <array>

#include "engine/expand/expand_context.h"
#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

// activation(x) into output 0; `params` are its parameters in the order of the standard.
Status EmitActivation(ExpandContext& context, ValueId x, std::span<const float> params) {
  struct Form {
    std::string_view name;
    std::array<std::string_view, 2> attributes;
  };
  constexpr Form kForms[] = {{"Relu", {}},
                             {"Tanh", {}},
                             {"Sigmoid", {}},
                             {"Softplus", {}},
                             {"Softsign", {}},
                             {"HardSwish", {}},
                             {"LeakyRelu", {"alpha", ""}},
                             {"Elu", {"alpha", ""}},
                             {"HardSigmoid", {"alpha", "beta"}}};
  const std::string name = context.GetNode().StringAttr("activation", "");
  if (name.empty()) {
    context.Output(0, x);
    return {};
  }
  if (name == "Clip") {
    ERGO_RETURN_IF_ERROR(context.CheckFloat(0));
    if (params.size() != 2) return InvalidArgument("Clip with {} parameters", params.size());
    const DType dtype = context.TypeOf(context.Input(0));
    context.Output(0, context.Emit("Clip", {x, context.Scalar(dtype, params[0]),
                                            context.Scalar(dtype, params[1])}));
    return {};
  }
  const auto form = std::ranges::find(kForms, name, &Form::name);
  if (form == std::ranges::end(kForms)) return InvalidArgument("activation '{}'", name);
  ExpandContext::Attributes attributes;
  for (size_t i = 0; i < form->attributes.size() && i < params.size(); ++i) {
    if (!form->attributes[i].empty()) attributes[std::string(form->attributes[i])] = params[i];
  }
  context.Output(0, context.Emit(name, {x}, std::move(attributes)));
  return {};
}

ExpandContext::Attributes Without(const Node& node, std::string_view prefix) {
  ExpandContext::Attributes attributes = node.attributes;
  std::erase_if(attributes, [&](const auto& entry) { return entry.first.starts_with(prefix); });
  return attributes;
}

Status ExpandFusedConv(ExpandContext& context) {
  ValueId y = context.Emit("Conv", {context.Input(0), context.Input(1), context.Input(2)},
                           Without(context.GetNode(), "activation"));
  if (context.HasInput(3)) y = context.Emit("Add", {y, context.Input(3)});
  const std::vector<float>* params = context.GetNode().FloatsAttr("activation_params");
  return EmitActivation(context, y, params != nullptr ? *params : std::vector<float>());
}

Status ExpandFusedGemm(ExpandContext& context) {
  const Node& node = context.GetNode();
  const ValueId y = context.Emit("Gemm", {context.Input(0), context.Input(1), context.Input(2)},
                                 Without(node, "activation"));
  std::vector<float> params;
  for (const char* name : {"activation_alpha", "activation_beta"}) {
    if (node.attributes.contains(name)) params.push_back(node.FloatAttr(name, 0));
  }
  return EmitActivation(context, y, params);
}

// The operand with its first axis behind its batches.
Result<ValueId> BatchesFirst(ExpandContext& context, size_t input, std::string_view attribute) {
  const ValueId x = context.Input(input);
  if (context.GetNode().IntAttr(attribute, 0) == 0) return x;
  ERGO_ASSIGN_OR_RETURN(const int rank, context.Rank(x));
  if (rank < 3) return x;
  std::vector<int64_t> perm;
  for (int64_t axis = 1; axis + 1 < rank; ++axis) perm.push_back(axis);
  perm.insert(perm.end(), {0, rank - 1});
  return context.Transpose(x, std::move(perm));
}

Status ExpandFusedMatMul(ExpandContext& context) {
  const Node& node = context.GetNode();
  ERGO_ASSIGN_OR_RETURN(const ValueId a, BatchesFirst(context, 0, "transBatchA"));
  ERGO_ASSIGN_OR_RETURN(const ValueId b, BatchesFirst(context, 1, "transBatchB"));
  const ValueId product = context.NewValue("product");
  context.EmitTo("ergo", "FusedGemm", std::array{a, b}, {product},
                 {{"trans_a", node.IntAttr("transA", 0)}, {"trans_b", node.IntAttr("transB", 0)}});
  const float alpha = node.FloatAttr("alpha", 1);
  if (alpha == 1) {
    context.Output(0, product);
  } else {
    ERGO_RETURN_IF_ERROR(context.CheckFloat(0));
    const ValueId factor = context.Scalar(context.InputType(0), alpha);
    context.Output(0, context.Emit("Mul", {product, factor}));
  }
  return {};
}

Status ExpandGelu(ExpandContext& context) {
  context.Output(0, context.Emit("Gelu", {context.Input(0)}));
  return {};
}

Status ExpandBiasGelu(ExpandContext& context) {
  const ValueId sum = context.Emit("Add", {context.Input(0), context.Input(1)});
  context.Output(0, context.Emit("Gelu", {sum}));
  return {};
}

Status ExpandFastGelu(ExpandContext& context) {
  ValueId x = context.Input(0);
  if (context.HasInput(1)) x = context.Emit("Add", {x, context.Input(1)});
  context.Output(0, context.Emit("Gelu", {x}, {{"approximate", std::string("tanh")}}));
  return {};
}

Status ExpandQuickGelu(ExpandContext& context) {
  const float alpha = context.GetNode().FloatAttr("alpha", 1.702f);
  context.Output(0, context.Emit("Swish", {context.Input(0)}, {{"alpha", alpha}}));
  return {};
}

// The same operator of the standard, at the opset that took it over.
template <int opset>
Status ExpandAsStandard(ExpandContext& context) {
  Node node = context.GetNode();
  node.domain.clear();
  node.opset = opset;
  context.Append(std::move(node));
  return {};
}

constexpr Expander kExpanders[] = {
    {"com.microsoft", "BiasGelu", ExpandBiasGelu},
    {"com.microsoft", "FastGelu", ExpandFastGelu},
    {"com.microsoft", "FusedConv", ExpandFusedConv},
    {"com.microsoft", "FusedGemm", ExpandFusedGemm},
    {"com.microsoft", "FusedMatMul", ExpandFusedMatMul},
    {"com.microsoft", "Gelu", ExpandGelu},
    {"com.microsoft", "GridSample", ExpandAsStandard<16>},
    {"com.microsoft", "QuickGelu", ExpandQuickGelu},
    {"com.microsoft", "Trilu", ExpandAsStandard<14>},
};

}  // namespace

std::span<const Expander> FusedExpanders() {
  return kExpanders;
}

}  // namespace ergo
