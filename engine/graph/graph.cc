#include "engine/graph/graph.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_set>

#include "engine/graph/limits.h"

namespace ergo {

Subgraph::Subgraph(std::string attribute_name, std::unique_ptr<Graph> inner,
                   std::vector<ValueId> captured)
    : attribute(std::move(attribute_name)),
      graph(std::move(inner)),
      captures(std::move(captured)) {}
Subgraph::Subgraph(const Subgraph& other)
    : attribute(other.attribute),
      graph(std::make_unique<Graph>(*other.graph)),
      captures(other.captures) {}
Subgraph::Subgraph(Subgraph&&) noexcept = default;
Subgraph& Subgraph::operator=(const Subgraph& other) {
  if (this != &other) *this = Subgraph(other);
  return *this;
}
Subgraph& Subgraph::operator=(Subgraph&&) noexcept = default;
Subgraph::~Subgraph() = default;

namespace {

template <typename T>
const T* FindAttribute(const Node& node, std::string_view name) {
  const auto found = node.attributes.find(name);
  return found == node.attributes.end() ? nullptr : std::get_if<T>(&found->second);
}

}  // namespace

int64_t Node::IntAttr(std::string_view attribute, int64_t fallback) const {
  const auto* found = FindAttribute<int64_t>(*this, attribute);
  return found ? *found : fallback;
}
float Node::FloatAttr(std::string_view attribute, float fallback) const {
  const auto* found = FindAttribute<float>(*this, attribute);
  return found ? *found : fallback;
}
std::string Node::StringAttr(std::string_view attribute, std::string_view fallback) const {
  const auto* found = FindAttribute<std::string>(*this, attribute);
  return found ? *found : std::string(fallback);
}
const std::vector<int64_t>* Node::IntsAttr(std::string_view attribute) const {
  return FindAttribute<std::vector<int64_t>>(*this, attribute);
}
const std::vector<float>* Node::FloatsAttr(std::string_view attribute) const {
  return FindAttribute<std::vector<float>>(*this, attribute);
}
const Tensor* Node::TensorAttr(std::string_view attribute) const {
  return FindAttribute<Tensor>(*this, attribute);
}
const Graph* Node::SubgraphAttr(std::string_view attribute) const {
  for (const Subgraph& subgraph : subgraphs) {
    if (subgraph.attribute == attribute) return subgraph.graph.get();
  }
  return nullptr;
}

std::string Node::Label() const {
  return fmt::format("{}{}{} '{}'", domain, domain.empty() ? "" : ".", op, name);
}

ValueId Graph::AddValue(std::string value_name, DType dtype, SymbolicShape shape) {
  Value value;
  value.name = std::move(value_name);
  value.dtype = dtype;
  value.shape = std::move(shape);
  values_.push_back(std::move(value));
  return ValueCount() - 1;
}

ValueId Graph::AddConstant(std::string value_name, Tensor tensor) {
  const ValueId id = AddValue(std::move(value_name), tensor.Type(), tensor.GetShape());
  values_.back().constant = std::move(tensor);
  return id;
}

std::string Graph::UniqueName(std::string_view hint) const {
  if (FindValue(hint) == kNoValue) return std::string(hint);
  for (int i = ValueCount();; ++i) {
    std::string candidate = fmt::format("{}_{}", hint, i);
    if (FindValue(candidate) == kNoValue) return candidate;
  }
}

ValueId Graph::FindValue(std::string_view value_name) const {
  for (ValueId id = 0; id < ValueCount(); ++id) {
    if (values_[static_cast<size_t>(id)].name == value_name) return id;
  }
  return kNoValue;
}

const Tensor* Graph::Constant(ValueId id) const {
  if (id == kNoValue) return nullptr;
  const Value& value = GetValue(id);
  return value.constant ? &*value.constant : nullptr;
}

NodeId Graph::AddNode(Node node) {
  while (!node.inputs.empty() && node.inputs.back() == kNoValue) node.inputs.pop_back();
  nodes_.push_back(std::move(node));
  return NodeCount() - 1;
}

void Graph::ReplaceUses(ValueId from, ValueId to) {
  for (Node& node : nodes_) {
    std::ranges::replace(node.inputs, from, to);
    for (Subgraph& subgraph : node.subgraphs) std::ranges::replace(subgraph.captures, from, to);
  }
  std::ranges::replace(outputs, from, to);
}

std::vector<NodeId> Graph::Producers() const {
  std::vector<NodeId> producers(values_.size(), -1);
  for (NodeId id = 0; id < NodeCount(); ++id) {
    for (const ValueId output : GetNode(id).outputs) {
      if (output != kNoValue) producers[static_cast<size_t>(output)] = id;
    }
  }
  return producers;
}

std::vector<int> Graph::UseCounts() const {
  std::vector<int> counts(values_.size(), 0);
  const auto count = [&](ValueId id) {
    if (id != kNoValue) ++counts[static_cast<size_t>(id)];
  };
  for (const Node& node : nodes_) {
    for (const ValueId id : node.inputs) count(id);
    for (const Subgraph& subgraph : node.subgraphs) {
      for (const ValueId id : subgraph.captures) count(id);
    }
  }
  for (const ValueId id : outputs) count(id);
  return counts;
}

void Graph::RemoveNodes(const std::vector<bool>& remove) {
  ERGO_CHECK(remove.size() == nodes_.size());
  std::vector<Node> kept;
  kept.reserve(nodes_.size());
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (!remove[i]) kept.push_back(std::move(nodes_[i]));
  }
  nodes_ = std::move(kept);
  Compact();
}

int Graph::RemoveDeadNodes() {
  std::vector<int> uses = UseCounts();
  std::vector<bool> dead(nodes_.size(), false);
  for (size_t i = nodes_.size(); i-- > 0;) {
    const Node& node = nodes_[i];
    const bool used = std::ranges::any_of(node.outputs, [&](ValueId output) {
      return output != kNoValue && uses[static_cast<size_t>(output)] > 0;
    });
    if (used) continue;
    dead[i] = true;
    for (const ValueId input : node.inputs) {
      if (input != kNoValue) --uses[static_cast<size_t>(input)];
    }
    for (const Subgraph& subgraph : node.subgraphs) {
      for (const ValueId capture : subgraph.captures) --uses[static_cast<size_t>(capture)];
    }
  }
  const auto count = static_cast<int>(std::ranges::count(dead, true));
  if (count > 0) RemoveNodes(dead);
  return count;
}

void Graph::Compact() {
  std::vector<bool> live(values_.size(), false);
  const auto mark = [&](ValueId id) {
    if (id != kNoValue) live[static_cast<size_t>(id)] = true;
  };
  for (const Node& node : nodes_) {
    for (const ValueId id : node.inputs) mark(id);
    for (const ValueId id : node.outputs) mark(id);
    for (const Subgraph& subgraph : node.subgraphs) {
      for (const ValueId id : subgraph.captures) mark(id);
    }
  }
  for (const ValueId id : inputs) mark(id);
  for (const ValueId id : outputs) mark(id);

  std::vector<ValueId> renamed(values_.size(), kNoValue);
  std::vector<Value> kept;
  for (size_t i = 0; i < values_.size(); ++i) {
    if (!live[i]) continue;
    renamed[i] = static_cast<ValueId>(kept.size());
    kept.push_back(std::move(values_[i]));
  }
  values_ = std::move(kept);
  const auto rename = [&](std::vector<ValueId>& ids) {
    for (ValueId& id : ids) {
      if (id != kNoValue) id = renamed[static_cast<size_t>(id)];
    }
  };
  for (Node& node : nodes_) {
    rename(node.inputs);
    rename(node.outputs);
    for (Subgraph& subgraph : node.subgraphs) rename(subgraph.captures);
  }
  rename(inputs);
  rename(outputs);
}

namespace {

// Walks a graph in order and knows which values have been defined so far.
class Verifier {
 public:
  explicit Verifier(const Graph& graph)
      : graph_(graph), defined_(static_cast<size_t>(graph.ValueCount()), false) {}

  Status Run(int depth) {
    if (depth > kMaxSubgraphDepth) {
      return ResourceExhausted("subgraphs are nested deeper than {}", kMaxSubgraphDepth);
    }
    for (ValueId id = 0; id < graph_.ValueCount(); ++id) {
      if (graph_.GetValue(id).constant) defined_[static_cast<size_t>(id)] = true;
    }
    for (const ValueId id : graph_.inputs) {
      ERGO_RETURN_IF_ERROR(Define(id).WithContext("graph input"));
    }
    for (const Node& node : graph_.Nodes()) {
      ERGO_RETURN_IF_ERROR(VerifyNode(node, depth).WithContext(node.Label()));
    }
    for (const ValueId id : graph_.outputs) {
      ERGO_RETURN_IF_ERROR(Use(id).WithContext("graph output"));
    }
    return VerifyNames();
  }

 private:
  Status VerifyNode(const Node& node, int depth) {
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) ERGO_RETURN_IF_ERROR(Use(id));
    }
    for (const Subgraph& subgraph : node.subgraphs) {
      for (const ValueId id : subgraph.captures) ERGO_RETURN_IF_ERROR(Use(id));
      if (subgraph.captures.size() > subgraph.graph->inputs.size()) {
        return Error(StatusCode::kInternal, "{} captures more values than it has inputs",
                     subgraph.attribute);
      }
      ERGO_RETURN_IF_ERROR(
          Verifier(*subgraph.graph).Run(depth + 1).WithContext(subgraph.attribute));
    }
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) ERGO_RETURN_IF_ERROR(Define(id));
    }
    return {};
  }

  Status Use(ValueId id) {
    if (id < 0 || id >= graph_.ValueCount()) {
      return Error(StatusCode::kInternal, "value {} of {} does not exist", id, graph_.ValueCount());
    }
    if (!defined_[static_cast<size_t>(id)]) {
      return Error(StatusCode::kInternal, "'{}' is used before it is computed",
                   graph_.GetValue(id).name);
    }
    return {};
  }

  Status Define(ValueId id) {
    if (id < 0 || id >= graph_.ValueCount()) {
      return Error(StatusCode::kInternal, "value {} of {} does not exist", id, graph_.ValueCount());
    }
    if (defined_[static_cast<size_t>(id)]) {
      return Error(StatusCode::kInternal, "'{}' is defined twice", graph_.GetValue(id).name);
    }
    defined_[static_cast<size_t>(id)] = true;
    return {};
  }

  Status VerifyNames() const {
    std::unordered_set<std::string_view> names;
    for (ValueId id = 0; id < graph_.ValueCount(); ++id) {
      const Value& value = graph_.GetValue(id);
      if (!defined_[static_cast<size_t>(id)]) continue;
      if (value.name.empty() || !names.insert(value.name).second) {
        return Error(StatusCode::kInternal, "value name '{}' is empty or stands twice", value.name);
      }
    }
    return {};
  }

  const Graph& graph_;
  std::vector<bool> defined_;
};

std::string AttributeText(const Attribute& attribute) {
  struct Printer {
    std::string operator()(int64_t v) const { return fmt::format("{}", v); }
    std::string operator()(float v) const { return fmt::format("{}", v); }
    std::string operator()(const std::string& v) const { return fmt::format("'{}'", v); }
    std::string operator()(const std::vector<int64_t>& v) const { return fmt::format("{}", v); }
    std::string operator()(const std::vector<float>& v) const { return fmt::format("{}", v); }
    std::string operator()(const std::vector<std::string>& v) const { return fmt::format("{}", v); }
    std::string operator()(const Tensor& v) const {
      return fmt::format("{}{}", DTypeName(v.Type()), v.GetShape().ToString());
    }
  };
  return std::visit(Printer(), attribute);
}

}  // namespace

Status Graph::Verify() const {
  return Verifier(*this).Run(0);
}

std::string Graph::ToString() const {
  const auto names = [&](const std::vector<ValueId>& ids) {
    std::vector<std::string> texts;
    for (const ValueId id : ids) texts.push_back(id == kNoValue ? "-" : GetValue(id).name);
    return fmt::format("{}", fmt::join(texts, ", "));
  };
  std::string text = fmt::format("graph({})\n", names(inputs));
  for (const Node& node : nodes_) {
    text += fmt::format("  {} = {}{}{}({})", names(node.outputs), node.domain,
                        node.domain.empty() ? "" : ".", node.op, names(node.inputs));
    std::vector<std::string> attributes;
    for (const auto& [key, value] : node.attributes) {
      attributes.push_back(fmt::format("{}={}", key, AttributeText(value)));
    }
    if (!attributes.empty()) text += fmt::format(" {{{}}}", fmt::join(attributes, ", "));
    text += "\n";
    for (const Subgraph& subgraph : node.subgraphs) {
      text += fmt::format("  {}[{}]: {}", subgraph.attribute, names(subgraph.captures),
                          subgraph.graph->ToString());
    }
  }
  return text + fmt::format("  return {}\n", names(outputs));
}

}  // namespace ergo
