// Padding in front of a convolution or pooling becomes the operator's own: zeros for convolutions
// and for averages (which then count them), minus infinity for maxima.
#include <algorithm>
#include <limits>

#include "engine/graph/move_params.h"
#include "engine/passes/fusible.h"
#include "engine/passes/passes.h"
#include "engine/passes/pattern.h"

namespace ergo {
namespace {

struct Padding {
  std::vector<int64_t> begins, ends;  // of the spatial axes
  double value = 0;
};

// Constant padding, none of it on the first two axes and none negative.
std::optional<Padding> SpatialPadding(const Graph& graph, const Node& pad) {
  const SymbolicShape& shape = graph.GetValue(pad.inputs[0]).shape;
  if (!shape.RankKnown() || shape.Rank() < 3 || pad.HasInput(3) ||
      pad.StringAttr("mode", "constant") != "constant") {
    return std::nullopt;
  }
  std::vector<int64_t> pads;
  Padding padding;
  if (const std::vector<int64_t>* attribute = pad.IntsAttr("pads")) {
    pads = *attribute;
    padding.value = pad.FloatAttr("value", 0);
  } else {
    const Tensor* constant = graph.Constant(pad.Input(1));
    if (constant == nullptr || constant->Type() != DType::kI64) return std::nullopt;
    pads.assign(constant->Span<int64_t>().begin(), constant->Span<int64_t>().end());
    if (pad.HasInput(2)) {
      const std::optional<double> value = ScalarValue(graph, pad.inputs[2]);
      if (!value) return std::nullopt;
      padding.value = *value;
    }
  }
  const auto rank = static_cast<size_t>(shape.Rank());
  if (pads.size() != 2 * rank || pads[0] + pads[1] + pads[rank] + pads[rank + 1] != 0 ||
      std::ranges::any_of(pads, [](int64_t p) { return p < 0; })) {
    return std::nullopt;
  }
  const auto middle = pads.begin() + static_cast<std::ptrdiff_t>(rank);
  padding.begins.assign(pads.begin() + 2, middle);
  padding.ends.assign(middle + 2, pads.end());
  return padding;
}

bool HasNoPads(const Node& node) {
  const std::vector<int64_t>* pads = node.IntsAttr("pads");
  return pads == nullptr || std::ranges::all_of(*pads, [](int64_t p) { return p == 0; });
}

// The operator ignores padding of this value, or can be told to count it.
bool TakesPadding(const Node& node, double value) {
  const std::string automatic = node.StringAttr("auto_pad", "NOTSET");
  if (automatic != "NOTSET" && automatic != "VALID") return false;
  if (node.Is("Conv") || IsErgo(node, "FusedConv")) return value == 0;
  // Rounding up may make windows that reach beyond the padding, which count otherwise.
  if (node.IntAttr("ceil_mode", 0) != 0) return false;
  if (node.Is("AveragePool")) {
    return value == 0 && (HasNoPads(node) || node.IntAttr("count_include_pad", 0) != 0);
  }
  return node.Is("MaxPool") && node.outputs.size() == 1 &&
         value <= std::numeric_limits<float>::lowest();
}

// Pools refuse windows that would see nothing but padding.
bool WindowsReachData(const Node& node, const std::vector<int64_t>& pads) {
  if (!node.Is("AveragePool") && !node.Is("MaxPool")) return true;
  const std::vector<int64_t>* kernel = node.IntsAttr("kernel_shape");
  if (kernel == nullptr || node.IntsAttr("dilations") != nullptr) return false;
  for (size_t i = 0; i < pads.size(); ++i) {
    if (pads[i] >= (*kernel)[i % kernel->size()]) return false;
  }
  return true;
}

std::optional<Node> WithPadding(const Node& node, const Padding& padding) {
  std::vector<int64_t> pads = padding.begins;
  pads.insert(pads.end(), padding.ends.begin(), padding.ends.end());
  if (const std::vector<int64_t>* own = node.IntsAttr("pads")) {
    if (own->size() != pads.size()) return std::nullopt;
    for (size_t i = 0; i < pads.size(); ++i) pads[i] += (*own)[i];
  }
  if (!WindowsReachData(node, pads)) return std::nullopt;
  Node padded = node;
  padded.attributes.erase("auto_pad");
  padded.attributes["pads"] = std::move(pads);
  if (node.Is("AveragePool")) padded.attributes["count_include_pad"] = int64_t{1};
  return padded;
}

}  // namespace

Result<int> FusePad(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, FusePad));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const Node& node = graph.GetNode(id);
    if (node.inputs.empty()) continue;
    const Node* pad = rewriter.SoleProducer(node.inputs[0]);
    if (pad == nullptr || !pad->Is("Pad")) continue;
    const std::optional<Padding> padding = SpatialPadding(graph, *pad);
    if (!padding || !TakesPadding(node, padding->value)) continue;
    std::optional<Node> padded = WithPadding(node, *padding);
    if (!padded) continue;
    padded->inputs[0] = pad->inputs[0];
    rewriter.FuseForward(id, node.inputs[0], std::move(*padded));
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
