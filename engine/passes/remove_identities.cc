// Nodes whose result is their input: the uses of the one become uses of the other.
//
// Only what changes no bit goes: x + 0.0 stays, for it makes -0 to +0; x - 0.0 and x + -0.0 go.
#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>

#include "engine/graph/move_params.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewriter.h"
#include "kernels/base/visit_dtype.h"

namespace ergo {
namespace {

bool IsIdentityTranspose(const Graph& graph, const Node& node) {
  const std::vector<int64_t>* perm = node.IntsAttr("perm");
  if (perm == nullptr) {
    const SymbolicShape& shape = graph.GetValue(node.inputs[0]).shape;
    return shape.RankKnown() && shape.Rank() <= 1;
  }
  return std::ranges::is_sorted(*perm);
}

bool IsInferenceDropout(const Graph& graph, const Node& node) {
  if (node.Output(1) != kNoValue) return false;
  if (!node.HasInput(2)) return true;
  const Tensor* training = graph.Constant(node.Input(2));
  return training != nullptr && *static_cast<const uint8_t*>(training->Data()) == 0;
}

// Constant integers of input i; null when they are not known.
std::optional<std::vector<int64_t>> Integers(const Graph& graph, const Node& node, size_t i) {
  const Tensor* constant = graph.Constant(node.Input(i));
  if (constant == nullptr) return std::nullopt;
  if (constant->Type() == DType::kI64) {
    const auto values = constant->Span<int64_t>();
    return std::vector<int64_t>(values.begin(), values.end());
  }
  if (constant->Type() == DType::kI32) {
    const auto values = constant->Span<int32_t>();
    return std::vector<int64_t>(values.begin(), values.end());
  }
  return std::nullopt;
}

bool TakesAllOfSlice(const Graph& graph, const Node& node) {
  // With steps forward, as many elements as there are can only be all of them, in order.
  if (!SameShape(graph.GetValue(node.inputs[0]).shape, graph.GetValue(node.outputs[0]).shape)) {
    return false;
  }
  if (!node.HasInput(4)) return true;
  const auto steps = Integers(graph, node, 4);
  return steps && std::ranges::all_of(*steps, [](int64_t step) { return step > 0; });
}

bool PadsNothing(const Graph& graph, const Node& node) {
  const auto none = [](const std::vector<int64_t>& pads) {
    return std::ranges::all_of(pads, [](int64_t pad) { return pad == 0; });
  };
  if (const std::vector<int64_t>* pads = node.IntsAttr("pads")) return none(*pads);
  const auto pads = Integers(graph, node, 1);
  return pads && none(*pads);
}

// The types between which a value may go forth and back without loss.
bool HoldsExactly(DType wide, DType narrow) {
  switch (narrow) {
    case DType::kBool: return wide != DType::kBool && IsTensorDType(wide) && DTypeBits(wide) >= 8;
    case DType::kF16:
    case DType::kBF16: return wide == DType::kF32 || wide == DType::kF64;
    case DType::kF32: return wide == DType::kF64;
    case DType::kI8: return wide == DType::kI16 || wide == DType::kI32 || wide == DType::kI64;
    case DType::kI16: return wide == DType::kI32 || wide == DType::kI64;
    case DType::kI32: return wide == DType::kI64 || wide == DType::kF64;
    default: return false;
  }
}

// All elements of input i are `value`, and (for zero) have its sign.
bool IsConstantOf(const Graph& graph, const Node& node, size_t i, double value) {
  const Tensor* constant = graph.Constant(node.Input(i));
  if (constant == nullptr || constant->Elements() == 0 || DTypeBits(constant->Type()) < 8) {
    return false;
  }
  return VisitDType(constant->Type(), [&]<typename T>(TypeTag<T>) {
    using Number = std::conditional_t<std::is_arithmetic_v<T>, T, float>;
    return std::ranges::all_of(constant->Span<T>(), [&](T element) {
      const auto number = static_cast<double>(static_cast<Number>(element));
      return number == value &&
             (std::is_integral_v<T> || std::signbit(number) == std::signbit(value));
    });
  });
}

// Arithmetic with its neutral element, which must not widen the other operand.
bool IsNeutral(const Graph& graph, const Node& node) {
  if (node.inputs.size() != 2 ||
      !SameShape(graph.GetValue(node.inputs[0]).shape, graph.GetValue(node.outputs[0]).shape)) {
    return false;
  }
  if (node.Is("Add")) return IsConstantOf(graph, node, 1, -0.0);
  if (node.Is("Sub")) return IsConstantOf(graph, node, 1, 0.0);
  if (node.Is("Mul") || node.Is("Div") || node.Is("Pow")) return IsConstantOf(graph, node, 1, 1.0);
  return false;
}

// Operators that only write their input under another shape, or repeat it.
bool OnlyShapes(const Node& node) {
  constexpr std::array<std::string_view, 6> kOps = {"Expand",  "Flatten", "Reshape",
                                                    "Squeeze", "Tile",    "Unsqueeze"};
  return node.domain.empty() && std::ranges::find(kOps, node.op) != kOps.end();
}

bool IsIdentity(const Graph& graph, const Node& node) {
  if (node.inputs.empty() || node.inputs[0] == kNoValue || node.Output(0) == kNoValue) return false;
  const Value& input = graph.GetValue(node.inputs[0]);
  const Value& output = graph.GetValue(node.outputs[0]);
  if (node.Is("Identity")) return true;
  if (node.Is("Dropout")) return IsInferenceDropout(graph, node);
  if (node.Is("Concat") || node.Is("Max") || node.Is("Min") || node.Is("Sum") || node.Is("Mean")) {
    return node.inputs.size() == 1;
  }
  if (node.Is("Split")) return node.outputs.size() == 1;
  if (node.Is("Cast") || node.Is("CastLike")) {
    return input.dtype != DType::kUndefined && input.dtype == output.dtype;
  }
  if (node.Is("Clip")) {
    return node.opset >= 11 && !node.HasInput(1) && !node.HasInput(2);
  }
  if (node.Is("Transpose")) return IsIdentityTranspose(graph, node);
  if (node.Is("Slice")) return TakesAllOfSlice(graph, node);
  if (node.Is("Pad")) return PadsNothing(graph, node);
  if (OnlyShapes(node)) return SameShape(input.shape, output.shape);
  return IsNeutral(graph, node);
}

// The value that the node hands on, kNoValue when it does more.
ValueId HandedOn(const Rewriter& rewriter, const Node& node) {
  const Graph& graph = rewriter.GetGraph();
  if (IsIdentity(graph, node)) return node.inputs[0];
  if (node.Is("Cast")) {
    const Node* before = rewriter.Producer(node.inputs[0]);
    if (before == nullptr || !before->Is("Cast")) return kNoValue;
    const DType first = graph.GetValue(before->inputs[0]).dtype;
    const DType between = graph.GetValue(node.inputs[0]).dtype;
    const bool back = graph.GetValue(node.outputs[0]).dtype == first;
    return back && HoldsExactly(between, first) ? before->inputs[0] : kNoValue;
  }
  // Neutral elements on the left.
  if ((node.Is("Add") || node.Is("Mul")) && node.inputs.size() == 2) {
    Node swapped = node;
    std::swap(swapped.inputs[0], swapped.inputs[1]);
    return IsNeutral(graph, swapped) ? node.inputs[1] : kNoValue;
  }
  return kNoValue;
}

}  // namespace

Result<int> RemoveIdentities(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, RemoveIdentities));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const Node& node = graph.GetNode(id);
    const ValueId to = HandedOn(rewriter, node);
    if (to == kNoValue || rewriter.Uses(node.outputs[0]) == 0) continue;
    rewriter.Forward(node.outputs[0], to);
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
