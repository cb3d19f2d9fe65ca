#include "engine/passes/pattern.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/graph/move_params.h"

namespace ergo {
namespace {

bool IsCommutative(std::string_view op) {
  constexpr std::array<std::string_view, 7> kOps = {"Add", "And", "Equal", "Max",
                                                    "Min", "Mul", "Or"};
  return std::ranges::find(kOps, op) != kOps.end();
}

// What a constant may differ from the number it stands for, relatively.
double Tolerance(DType dtype) {
  if (dtype == DType::kBF16) return 1.0 / 128;
  if (dtype == DType::kF16) return 1.0 / 1024;
  return 1e-5;
}

// All patterns against all inputs in the given order.
bool TryAll(Matcher& matcher, const std::vector<Pattern>& patterns,
            const std::vector<ValueId>& inputs, const std::vector<size_t>& order) {
  for (size_t i = 0; i < patterns.size(); ++i) {
    if (!matcher.Try(patterns[i], inputs[order[i]])) return false;
  }
  return true;
}

}  // namespace

bool Matcher::Match(NodeId root, const Pattern& pattern) {
  bound_.clear();
  entered_.clear();
  root_ = root;
  const ValueId result = GetGraph().GetNode(root).Output(0);
  return rewriter_.ProducerId(result) == root && Try(pattern, result) && NobodyElseUsesInner();
}

ValueId Matcher::Find(std::string_view name) const {
  const auto found = std::ranges::find(bound_, name, &std::pair<std::string, ValueId>::first);
  return found == bound_.end() ? kNoValue : found->second;
}

ValueId Matcher::operator[](std::string_view name) const {
  const ValueId value = Find(name);
  ERGO_CHECK_MSG(value != kNoValue, "no value is named {}", name);
  return value;
}

float Matcher::ScalarOf(std::string_view name) const {
  const std::optional<double> value = ScalarValue(GetGraph(), (*this)[name]);
  ERGO_CHECK_MSG(value.has_value(), "{} is not a scalar", name);
  return static_cast<float>(*value);
}

const Node& Matcher::NodeOf(std::string_view name) const {
  const Node* node = rewriter_.Producer((*this)[name]);
  ERGO_CHECK_MSG(node != nullptr, "{} is not computed by a node", name);
  return *node;
}

bool Matcher::Bind(std::string_view name, ValueId value) {
  const ValueId found = Find(name);
  if (found != kNoValue) return found == value;
  bound_.emplace_back(name, value);
  return true;
}

bool Matcher::Try(const Pattern& pattern, ValueId value) {
  const size_t bound = bound_.size(), entered = entered_.size();
  if (pattern(*this, value)) return true;
  bound_.resize(bound);
  entered_.resize(entered);
  return false;
}

const Node* Matcher::Enter(ValueId value) {
  const NodeId id = rewriter_.ProducerId(value);
  if (id < 0) return nullptr;
  const Node& node = GetGraph().GetNode(id);
  if (node.Output(0) != value || !node.subgraphs.empty()) return nullptr;
  entered_.push_back(id);
  return &node;
}

void Matcher::Replace(Node replacement) {
  for (const NodeId id : entered_) {
    if (id != root_) rewriter_.Drop(id);
  }
  rewriter_.Replace(root_, std::move(replacement));
}

bool Matcher::NobodyElseUsesInner() const {
  std::vector<NodeId> nodes = entered_;
  std::ranges::sort(nodes);
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  std::vector<ValueId> used;
  for (const NodeId id : nodes) {
    const Node& node = GetGraph().GetNode(id);
    used.insert(used.end(), node.inputs.begin(), node.inputs.end());
  }
  return std::ranges::all_of(nodes, [&](NodeId id) {
    return id == root_ || std::ranges::all_of(GetGraph().GetNode(id).outputs, [&](ValueId value) {
             return value == kNoValue || std::ranges::count(used, value) == rewriter_.Uses(value);
           });
  });
}

Pattern Any(std::string name) {
  return [name = std::move(name)](Matcher& matcher, ValueId value) {
    return value != kNoValue && matcher.Bind(name, value);
  };
}

Pattern Constant(std::string name) {
  return [name = std::move(name)](Matcher& matcher, ValueId value) {
    return matcher.GetGraph().Constant(value) != nullptr && matcher.Bind(name, value);
  };
}

Pattern Scalar(std::string name) {
  return [name = std::move(name)](Matcher& matcher, ValueId value) {
    return ScalarValue(matcher.GetGraph(), value).has_value() && matcher.Bind(name, value);
  };
}

Pattern Number(double number) {
  return [number](Matcher& matcher, ValueId value) {
    const std::optional<double> found = ScalarValue(matcher.GetGraph(), value);
    if (!found) return false;
    const double tolerance = Tolerance(matcher.GetGraph().GetValue(value).dtype);
    return std::abs(*found - number) <= tolerance * std::abs(number);
  };
}

Pattern Op(std::string op, std::vector<Pattern> inputs) {
  return OpIf(std::move(op), std::move(inputs), [](const Graph&, const Node&) { return true; });
}

Pattern OpIf(std::string op, std::vector<Pattern> inputs, NodeTest test) {
  std::vector<size_t> order(inputs.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  return [=](Matcher& matcher, ValueId value) {
    const Node* node = matcher.Enter(value);
    if (node == nullptr || !node->Is(op) || node->inputs.size() != inputs.size() ||
        !test(matcher.GetGraph(), *node)) {
      return false;
    }
    const auto in_order = [&](Matcher& inner, ValueId) {
      return TryAll(inner, inputs, node->inputs, order);
    };
    if (matcher.Try(in_order, value)) return true;
    return order.size() == 2 && IsCommutative(op) && TryAll(matcher, inputs, node->inputs, {1, 0});
  };
}

Pattern OneOf(std::vector<Pattern> alternatives) {
  return [=](Matcher& matcher, ValueId value) {
    return std::ranges::any_of(alternatives,
                               [&](const Pattern& pattern) { return matcher.Try(pattern, value); });
  };
}

Pattern Named(std::string name, Pattern pattern) {
  return [=](Matcher& matcher, ValueId value) {
    return pattern(matcher, value) && matcher.Bind(name, value);
  };
}

Pattern Scaled(Pattern x, double factor) {
  return OneOf({Op("Mul", {Number(factor), x}), Op("Div", {x, Number(1 / factor)})});
}

Pattern Square(const Pattern& x) {
  return OneOf({Op("Pow", {x, Number(2)}), Op("Mul", {x, x})});
}

Pattern ReciprocalSqrt(const Pattern& x) {
  const Pattern root = OneOf({Op("Sqrt", {x}), Op("Pow", {x, Number(0.5)})});
  return OneOf(
      {Op("Reciprocal", {root}), Op("Div", {Number(1), root}), Op("Pow", {x, Number(-0.5)})});
}

Pattern Reduction(std::string op, Pattern x) {
  return [=](Matcher& matcher, ValueId value) {
    const Node* node = matcher.Enter(value);
    return node != nullptr && node->Is(op) && ReducedAxes(matcher.GetGraph(), *node) &&
           matcher.Try(x, node->Input(0));
  };
}

std::optional<std::vector<int>> ReducedAxes(const Graph& graph, const Node& node) {
  const SymbolicShape& shape = graph.GetValue(node.Input(0)).shape;
  if (!shape.RankKnown() || node.IntAttr("keepdims", 1) == 0) return std::nullopt;
  std::vector<int64_t> axes;
  if (const std::vector<int64_t>* attribute = node.IntsAttr("axes")) {
    axes = *attribute;
  } else {
    const Tensor* constant = graph.Constant(node.Input(1));
    if (constant == nullptr || constant->Type() != DType::kI64) return std::nullopt;
    axes.assign(constant->Span<int64_t>().begin(), constant->Span<int64_t>().end());
  }
  Result<std::vector<int>> normal = NormalizeAxes(axes, shape.Rank());
  if (!normal.ok() || normal->empty()) return std::nullopt;
  std::ranges::sort(*normal);
  return std::move(normal).value();
}

std::optional<double> ScalarValue(const Graph& graph, ValueId id) {
  const Tensor* constant = graph.Constant(id);
  if (constant == nullptr || constant->Elements() != 1) return std::nullopt;
  const Result<double> value = ScalarAsDouble(*constant);
  return value.ok() ? std::optional(*value) : std::nullopt;
}

}  // namespace ergo
