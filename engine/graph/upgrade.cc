#include "engine/graph/upgrade.h"

#include <algorithm>
#include <utility>

#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

constexpr int kModernOpset = 7;

bool IsLegacyBinary(const Node& node) {
  constexpr std::string_view kOps[] = {"Add", "And", "Div", "Equal", "Greater", "Less",
                                       "Mul", "Or",  "Pow", "Sub",   "Xor"};
  return node.domain.empty() && std::ranges::find(kOps, node.op) != std::ranges::end(kOps);
}

class Upgrader {
 public:
  explicit Upgrader(Graph& graph) : graph_(graph) {}

  Status Run() {
    std::vector<Node> nodes = std::move(graph_.Nodes());
    graph_.Nodes().clear();
    for (Node& node : nodes) {
      for (Subgraph& subgraph : node.subgraphs) {
        ERGO_RETURN_IF_ERROR(UpgradeLegacyOperators(*subgraph.graph));
      }
      if (node.domain.empty() && node.opset < kModernOpset) {
        ERGO_RETURN_IF_ERROR(Upgrade(node).WithContext(node.Label()));
      }
      // What a later node needs to know of ranks; operators unknown here are somebody else's error.
      (void)InferNode(graph_, node);
      graph_.AddNode(std::move(node));
    }
    return {};
  }

 private:
  Status Upgrade(Node& node) {
    const bool binary = IsLegacyBinary(node);
    if (binary || node.Is("PRelu")) {
      // No schema has seen the node yet.
      if (node.Input(0) == kNoValue || node.Input(1) == kNoValue) {
        return InvalidArgument("two inputs are needed");
      }
      return binary ? UpgradeBinary(node) : UpgradePRelu(node);
    }
    if (node.Is("Gemm")) {
      node.attributes.erase("broadcast");
    } else if (node.Is("BatchNormalization")) {
      if (node.IntAttr("is_test", 0) == 0 && node.outputs.size() > 1) {
        return Unsupported("BatchNormalization in training mode");
      }
      for (const char* name : {"is_test", "consumed_inputs"}) node.attributes.erase(name);
    } else {
      return {};
    }
    node.opset = kModernOpset;
    return {};
  }

  // b's axes stand against a's from `axis` on (default: the last ones): ones are put behind them.
  Status UpgradeBinary(Node& node) {
    const bool broadcast = node.IntAttr("broadcast", 0) != 0;
    if (broadcast && node.attributes.contains("axis")) {
      const SymbolicShape& a = graph_.GetValue(node.Input(0)).shape;
      const SymbolicShape& b = graph_.GetValue(node.Input(1)).shape;
      if (!a.RankKnown() || !b.RankKnown()) return Unsupported("broadcasting of unknown ranks");
      ERGO_ASSIGN_OR_RETURN(const int axis, NormalizeAxis(node.IntAttr("axis", 0), a.Rank()));
      const int behind = a.Rank() - axis - b.Rank();
      if (behind < 0)
        return InvalidArgument("axis {} for ranks {} and {}", axis, a.Rank(), b.Rank());
      if (behind > 0) node.inputs[1] = Unsqueeze(node, node.inputs[1], b.Rank(), behind);
    }
    node.attributes.erase("broadcast");
    node.attributes.erase("axis");
    node.opset = kModernOpset;
    return {};
  }

  // One slope a channel stood alone; now it broadcasts like everything else.
  Status UpgradePRelu(Node& node) {
    const SymbolicShape& x = graph_.GetValue(node.Input(0)).shape;
    const SymbolicShape& slope = graph_.GetValue(node.Input(1)).shape;
    if (!x.RankKnown() || !slope.RankKnown()) return Unsupported("broadcasting of unknown ranks");
    const bool one = slope.Rank() == 1 && slope[0].SameAs(Dim(1));
    if (slope.Rank() == 1 && !one && x.Rank() > 2) {
      node.inputs[1] = Unsqueeze(node, node.inputs[1], 1, x.Rank() - 2);
    }
    node.opset = kModernOpset;
    return {};
  }

  // `count` axes of extent 1 behind the `rank` axes of a value.
  ValueId Unsqueeze(const Node& consumer, ValueId value, int rank, int count) {
    std::vector<int64_t> axes;
    for (int i = 0; i < count; ++i) axes.push_back(rank + i);
    Node node;
    node.name = consumer.name + "/unsqueeze";
    node.op = "Unsqueeze";
    node.opset = kModernOpset;
    node.inputs = {value};
    node.outputs = {graph_.AddValue(graph_.UniqueName(consumer.name + "/unsqueezed"))};
    node.attributes["axes"] = std::move(axes);
    const ValueId result = node.outputs[0];
    (void)InferNode(graph_, node);
    graph_.AddNode(std::move(node));
    return result;
  }

  Graph& graph_;
};

bool HasLegacy(const Graph& graph) {
  return std::ranges::any_of(graph.Nodes(), [](const Node& node) {
    return (node.domain.empty() && node.opset < kModernOpset) ||
           std::ranges::any_of(node.subgraphs,
                               [](const Subgraph& inner) { return HasLegacy(*inner.graph); });
  });
}

}  // namespace

Status UpgradeLegacyOperators(Graph& graph) {
  return HasLegacy(graph) ? Upgrader(graph).Run() : Status();
}

}  // namespace ergo
