// An activation behind a fused operator that nobody else reads goes into the operator.
#include <limits>

#include "engine/passes/fusible.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewriter.h"

namespace ergo {
namespace {

struct FusedActivation {
  std::string_view name;
  float alpha = 0, beta = 0;
};

// A scalar float32 bound of Clip: the attribute of opset 6, the input of opset 11, or the fallback.
// nullopt when it is known only at run time.
std::optional<float> ClipBound(const Graph& graph, const Node& node, std::string_view attribute,
                               size_t input, float fallback) {
  if (!node.HasInput(input)) return node.FloatAttr(attribute, fallback);
  const Tensor* constant = graph.Constant(node.Input(input));
  if (constant == nullptr || constant->Type() != DType::kF32 || constant->Elements() != 1) {
    return std::nullopt;
  }
  return constant->Span<float>()[0];
}

std::optional<FusedActivation> AsActivation(const Graph& graph, const Node& node) {
  if (node.Is("Relu")) return FusedActivation{"relu"};
  if (node.Is("Sigmoid")) return FusedActivation{"sigmoid"};
  if (node.Is("Tanh")) return FusedActivation{"tanh"};
  if (node.Is("HardSwish")) return FusedActivation{"hard_swish"};
  if (node.Is("Swish") && node.FloatAttr("alpha", 1) == 1) return FusedActivation{"silu"};
  if (node.Is("LeakyRelu")) return FusedActivation{"leaky_relu", node.FloatAttr("alpha", 0.01f)};
  if (node.Is("Gelu") && node.StringAttr("approximate", "none") == "none") {
    return FusedActivation{"gelu"};
  }
  if (node.Is("Clip")) {
    constexpr float kMax = std::numeric_limits<float>::max();
    const std::optional<float> low = ClipBound(graph, node, "min", 1, -kMax);
    const std::optional<float> high = ClipBound(graph, node, "max", 2, kMax);
    if (low && high) return FusedActivation{"clip", *low, *high};
  }
  return std::nullopt;
}

}  // namespace

Result<int> FuseActivation(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, FuseActivation));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const Node& node = graph.GetNode(id);
    if (node.inputs.empty()) continue;
    const ValueId absorbed = node.inputs[0];
    const Node* producer = rewriter.SoleProducer(absorbed);
    if (producer == nullptr || (!AcceptsActivation(*producer) && !AcceptsBehindSums(*producer))) {
      continue;
    }
    const std::optional<FusedActivation> activation = AsActivation(graph, node);
    if (!activation) continue;
    Node fused = *producer;
    fused.attributes["activation"] = std::string(activation->name);
    fused.attributes["alpha"] = activation->alpha;
    fused.attributes["beta"] = activation->beta;
    rewriter.FuseForward(id, absorbed, std::move(fused));
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
