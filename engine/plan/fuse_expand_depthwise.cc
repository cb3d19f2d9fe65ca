#include "engine/plan/fuse_expand_depthwise.h"

#include <utility>
#include <vector>

#include "engine/graph/window_attributes.h"

namespace ergo {
namespace {

// Of the expanded tensor: what is smaller stays in the cache between two kernels, too.
constexpr int64_t kLeastExpandedBytes = 1 << 20;

// Weights [M, C, h, w] that are known, of a float convolution without residual; null otherwise.
const Tensor* Weights(const Graph& graph, const Node& node) {
  if (node.domain != "ergo" || node.op != "NhwcConv" || node.HasInput(3)) return nullptr;
  const Tensor* weights = graph.Constant(node.Input(1));
  if (weights == nullptr || weights->Type() != DType::kF32) return nullptr;
  return weights->GetShape().Rank() == 4 ? weights : nullptr;
}

bool IsPointwise(const Graph& graph, const Node& node) {
  const Tensor* weights = Weights(graph, node);
  const std::optional<Shape> x = graph.GetValue(node.Input(0)).shape.Concrete();
  if (weights == nullptr || !x || x->Rank() != 4 || node.IntAttr("group", 1) != 1) return false;
  const auto attributes = ReadWindowAttributes(node, 2, weights->GetShape().Dims().subspan(2));
  if (!attributes.ok()) return false;
  if (node.IntAttr("planar_input", 0) != 0) return false;
  const Result<Window> window = ResolveWindow(*attributes, x->Dims().subspan(1, 2));
  return window.ok() && window->IsPointwise();
}

bool IsDepthwise(const Graph& graph, const Node& node) {
  const Tensor* weights = Weights(graph, node);
  return weights != nullptr && weights->GetShape()[1] == 1 &&
         node.IntAttr("group", 1) == weights->GetShape()[0];
}

Node Pair(const Node& expand, Node depthwise) {
  const std::vector<ValueId> second = std::move(depthwise.inputs);
  depthwise.inputs = {expand.Input(0), expand.Input(1), expand.Input(2), second[1]};
  if (second.size() > 2) depthwise.inputs.push_back(second[2]);
  depthwise.op = "ExpandDepthwise";
  for (const std::string_view name : {"activation", "alpha", "beta"}) {
    const auto found = expand.attributes.find(name);
    if (found != expand.attributes.end()) {
      depthwise.attributes[fmt::format("expand_{}", name)] = found->second;
    }
  }
  return depthwise;
}

}  // namespace

int FuseExpandDepthwise(Graph& graph) {
  const std::vector<int> uses = graph.UseCounts();
  std::vector<NodeId> producers(uses.size(), -1);
  std::vector<bool> absorbed(static_cast<size_t>(graph.NodeCount()), false);
  int pairs = 0;
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    Node& node = graph.GetNode(id);
    for (const ValueId output : node.outputs) {
      if (output != kNoValue) producers[static_cast<size_t>(output)] = id;
    }
    if (!IsDepthwise(graph, node)) continue;
    const ValueId hidden = node.Input(0);
    const NodeId producer = producers[static_cast<size_t>(hidden)];
    if (producer < 0 || uses[static_cast<size_t>(hidden)] != 1) continue;
    const Node& expand = graph.GetNode(producer);
    const std::optional<Shape> shape = graph.GetValue(hidden).shape.Concrete();
    if (!shape || !IsPointwise(graph, expand) ||
        DTypeBytes(DType::kF32, shape->Elements()) < kLeastExpandedBytes) {
      continue;
    }
    node = Pair(expand, std::move(node));
    absorbed[static_cast<size_t>(producer)] = true;
    ++pairs;
  }
  if (pairs == 0) return 0;
  std::vector<Node> kept;
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    if (!absorbed[static_cast<size_t>(id)]) kept.push_back(std::move(graph.GetNode(id)));
  }
  graph.Nodes() = std::move(kept);
  return pairs;
}

}  // namespace ergo
