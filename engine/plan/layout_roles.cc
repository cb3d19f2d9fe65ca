#include "engine/plan/layout_roles.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "engine/graph/op_classes.h"

namespace ergo {
namespace {

// Planes that a convolution reads without a conversion before it.
constexpr int64_t kFewPlanes = 4;

// Axis of NHWC for an axis of NCHW.
constexpr std::array<int64_t, 4> kInnermostAxis = {0, 3, 1, 2};

bool IsFloat(const Graph& graph, ValueId value) {
  return value != kNoValue && graph.GetValue(value).dtype == DType::kF32;
}

const Tensor* ConvWeights(const Graph& graph, const Node& node) {
  const bool conv = node.Is("Conv") || (node.domain == "ergo" && node.op == "FusedConv");
  const Tensor* weights = conv ? graph.Constant(node.Input(1)) : nullptr;
  const bool fits = weights != nullptr && weights->Type() == DType::kF32 &&
                    weights->GetShape().Rank() == 4 && weights->Elements() > 0;
  return fits ? weights : nullptr;
}

bool IsConv(const Graph& graph, const Node& node) {
  const Tensor* weights = ConvWeights(graph, node);
  if (weights == nullptr || !IsImage(graph, node.Input(0)) || !IsImage(graph, node.Output(0))) {
    return false;
  }
  if (node.HasInput(3) && !IsImage(graph, node.Input(3))) return false;
  const int64_t groups = node.IntAttr("group", 1);
  return groups == 1 || (weights->GetShape()[1] == 1 && weights->GetShape()[0] == groups);
}

// Every operand an image, or a constant that can be one.
bool OperandsMove(const Graph& graph, const Node& node) {
  return std::ranges::all_of(node.inputs, [&](ValueId input) {
    if (!IsFloat(graph, input)) return false;
    const Tensor* constant = graph.Constant(input);
    return constant != nullptr ? constant->GetShape().Rank() <= 4 : IsImage(graph, input);
  });
}

// Axes that go away may only be those of the plane: what is left is in order then.
bool ReductionMoves(const Graph& graph, const Node& node) {
  const std::vector<int64_t> axes = ReducedAxes(graph, node, 4);
  if (axes.empty() || !IsImage(graph, node.Input(0))) return false;
  return node.IntAttr("keepdims", 1) != 0 || axes == std::vector<int64_t>{2, 3};
}

ValueId PermutedConstant(Graph& graph, ValueId id) {
  const Tensor tensor = *graph.Constant(id);
  if (tensor.Elements() == 1) return id;
  std::array<int64_t, 4> dims = {1, 1, 1, 1};
  const auto rank = static_cast<size_t>(tensor.GetShape().Rank());
  for (size_t i = 0; i < rank; ++i) {
    dims[4 - rank + i] = tensor.GetShape()[static_cast<int>(i)];
  }
  const auto [n, c, h, w] = dims;
  std::vector<float> moved(static_cast<size_t>(tensor.Elements()));
  const std::span<const float> from = tensor.Span<float>();
  for (int64_t i = 0; i < tensor.Elements(); ++i) {
    const int64_t image = i / (c * h * w), channel = i / (h * w) % c, position = i % (h * w);
    moved[static_cast<size_t>((image * h * w + position) * c + channel)] =
        from[static_cast<size_t>(i)];
  }
  return graph.AddConstant(
      graph.UniqueName(graph.GetValue(id).name + "/nhwc"),
      Tensor::FromValues<float>(Shape{n, h, w, c}, std::span<const float>(moved)));
}

Node PlaneReduction(Graph& graph, Node node, std::string_view op, std::vector<int64_t> axes) {
  constexpr int kOpset = 18;  // in which all reductions have their axes as input
  const ValueId constant =
      graph.AddConstant(graph.UniqueName(graph.GetValue(node.outputs[0]).name + "/axes"),
                        Tensor::FromValues<int64_t>(Shape{static_cast<int64_t>(axes.size())},
                                                    std::span<const int64_t>(axes)));
  node.op = op;
  node.opset = kOpset;
  node.attributes.erase("axes");
  node.inputs = {node.inputs[0], constant};
  return node;
}

}  // namespace

bool IsImage(const Graph& graph, ValueId value) {
  if (!IsFloat(graph, value)) return false;
  const SymbolicShape& shape = graph.GetValue(value).shape;
  return shape.RankKnown() && shape.Rank() == 4 && shape.Concrete().has_value();
}

LayoutRole LayoutRoleOf(const Graph& graph, const Node& node) {
  if (IsConv(graph, node)) return LayoutRole::kConv;
  if (!node.domain.empty() || node.inputs.empty()) return LayoutRole::kFixed;
  bool follows = false;
  if (IsElementwiseUnary(node)) {
    follows = IsImage(graph, node.Input(0));
  } else if (IsElementwiseBinary(node)) {
    follows = OperandsMove(graph, node);
  } else if (node.Is("Concat")) {
    follows = OperandsMove(graph, node) && std::ranges::none_of(node.inputs, [&](ValueId input) {
                return graph.Constant(input) != nullptr;
              });
  } else if (node.Is("MaxPool") || node.Is("AveragePool")) {
    follows = IsImage(graph, node.Input(0)) && node.Output(1) == kNoValue;
  } else if (node.Is("GlobalAveragePool") || node.Is("GlobalMaxPool")) {
    follows = IsImage(graph, node.Input(0));
  } else if (IsPlainReduction(node)) {
    return ReductionMoves(graph, node) ? LayoutRole::kFollower : LayoutRole::kFixed;
  }
  return follows && IsImage(graph, node.Output(0)) ? LayoutRole::kFollower : LayoutRole::kFixed;
}

bool ReadsPlanes(const Graph& graph, const Node& conv) {
  const Tensor* weights = ConvWeights(graph, conv);
  return weights != nullptr && conv.IntAttr("group", 1) == 1 &&
         weights->GetShape()[1] <= kFewPlanes;
}

Node WithChannelsInnermost(Graph& graph, Node node) {
  if (ConvWeights(graph, node) != nullptr) {
    node.domain = "ergo";
    node.op = "NhwcConv";
    node.opset = 1;
  } else if (node.Is("MaxPool") || node.Is("AveragePool")) {
    node.domain = "ergo";
    node.op = fmt::format("Nhwc{}", node.op);
    node.opset = 1;
  } else if (node.Is("GlobalAveragePool")) {
    node = PlaneReduction(graph, std::move(node), "ReduceMean", {1, 2});
  } else if (node.Is("GlobalMaxPool")) {
    node = PlaneReduction(graph, std::move(node), "ReduceMax", {1, 2});
  } else if (IsPlainReduction(node)) {
    std::vector<int64_t> axes = ReducedAxes(graph, node, 4);
    for (int64_t& axis : axes) axis = kInnermostAxis[static_cast<size_t>(axis)];
    std::ranges::sort(axes);
    const std::string op = node.op;
    node = PlaneReduction(graph, std::move(node), op, std::move(axes));
  } else if (node.Is("Concat")) {
    const int64_t axis = node.IntAttr("axis", 0);
    node.attributes["axis"] = kInnermostAxis[static_cast<size_t>(axis < 0 ? axis + 4 : axis)];
  } else if (IsElementwiseBinary(node)) {
    for (ValueId& input : node.inputs) {
      if (graph.Constant(input) != nullptr) input = PermutedConstant(graph, input);
    }
  }
  return node;
}

}  // namespace ergo
