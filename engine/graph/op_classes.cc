#include "engine/graph/op_classes.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "engine/graph/move_params.h"

namespace ergo {
namespace {

constexpr std::array<std::string_view, 33> kUnary = {
    "Abs",       "Cast",     "Ceil",      "Celu",   "Clip",        "Elu",
    "Erf",       "Exp",      "Floor",     "Gelu",   "HardSigmoid", "HardSwish",
    "LeakyRelu", "Log",      "Mish",      "Neg",    "Not",         "Reciprocal",
    "Relu",      "Round",    "Selu",      "Shrink", "Sigmoid",     "Sign",
    "Softplus",  "Softsign", "Sqrt",      "Swish",  "Tanh",        "ThresholdedRelu",
    "Identity",  "IsNaN",    "BitwiseNot"};
constexpr std::array<std::string_view, 8> kBinary = {"Add", "Div",   "Max", "Min",
                                                     "Mul", "PRelu", "Pow", "Sub"};
constexpr std::array<std::string_view, 4> kReductions = {"ReduceMax", "ReduceMean", "ReduceMin",
                                                         "ReduceSum"};

template <size_t kCount>
bool IsOneOf(const Node& node, const std::array<std::string_view, kCount>& ops) {
  return node.domain.empty() && std::ranges::find(ops, node.op) != ops.end();
}

}  // namespace

bool IsElementwiseUnary(const Node& node) {
  return IsOneOf(node, kUnary);
}

bool IsElementwiseBinary(const Node& node) {
  return IsOneOf(node, kBinary) && node.inputs.size() == 2;
}

bool IsPlainReduction(const Node& node) {
  return IsOneOf(node, kReductions);
}

std::vector<int64_t> ReducedAxes(const Graph& graph, const Node& node, int rank) {
  std::vector<int64_t> axes;
  if (const std::vector<int64_t>* attribute = node.IntsAttr("axes")) {
    axes = *attribute;
  } else if (const Tensor* constant = graph.Constant(node.Input(1))) {
    axes.assign(constant->Span<int64_t>().begin(), constant->Span<int64_t>().end());
  }
  const Result<std::vector<int>> normal = NormalizeAxes(axes, rank);
  if (!normal.ok()) return {};
  axes.assign(normal->begin(), normal->end());
  std::ranges::sort(axes);
  return axes;
}

}  // namespace ergo
