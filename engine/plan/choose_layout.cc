#include "engine/plan/choose_layout.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "engine/plan/layout_roles.h"

namespace ergo {
namespace {

// Nanoseconds that channels innermost save for each operation of a convolution, and that moving a
// byte from one layout to the other costs, as measured.
constexpr double kConvGainNs = 0.0008;
constexpr double kDepthwiseGainNs = 0.015;
constexpr double kConversionNs = 0.2;

class LayoutChooser {
 public:
  explicit LayoutChooser(Graph& graph)
      : graph_(graph),
        nodes_(static_cast<size_t>(graph.NodeCount())),
        values_(static_cast<size_t>(graph.ValueCount())) {}

  LayoutChoice Run() {
    FindReaders();
    AssignForward();
    JoinRegions();
    DropRegionsThatDoNotPay();
    if (std::ranges::none_of(nodes_, [](const NodeState& node) { return node.moved; })) return {};
    Rewrite();
    return choice_;
  }

 private:
  struct NodeState {
    LayoutRole role = LayoutRole::kFixed;
    bool moved = false;  // works with channels innermost
    int region = 0;
  };
  struct ValueState {
    NodeId producer = -1;
    std::vector<NodeId> readers;
    bool leaves = false;           // read by a subgraph, or the graph's output
    ValueId innermost = kNoValue;  // with channels innermost
  };

  NodeState& State(NodeId id) { return nodes_[static_cast<size_t>(id)]; }
  ValueState& Of(ValueId id) { return values_[static_cast<size_t>(id)]; }

  void FindReaders() {
    for (NodeId id = 0; id < graph_.NodeCount(); ++id) {
      const Node& node = graph_.GetNode(id);
      for (const ValueId input : node.inputs) {
        if (input != kNoValue) Of(input).readers.push_back(id);
      }
      for (const Subgraph& subgraph : node.subgraphs) {
        for (const ValueId capture : subgraph.captures) Of(capture).leaves = true;
      }
      for (const ValueId output : node.outputs) {
        if (output != kNoValue) Of(output).producer = id;
      }
    }
    for (const ValueId output : graph_.outputs) Of(output).leaves = true;
  }

  int64_t Bytes(ValueId id) const {
    return DTypeBytes(DType::kF32, graph_.GetValue(id).shape.Concrete()->Elements());
  }

  // The value's producer works with channels innermost.
  bool IsMoved(ValueId id) {
    const NodeId producer = Of(id).producer;
    return producer >= 0 && State(producer).moved && IsImage(graph_, id);
  }

  // Convolutions move; what follows goes with most of the bytes that it reads.
  void AssignForward() {
    for (NodeId id = 0; id < graph_.NodeCount(); ++id) {
      const Node& node = graph_.GetNode(id);
      NodeState& state = State(id);
      state.role = LayoutRoleOf(graph_, node);
      if (state.role == LayoutRole::kConv) state.moved = true;
      if (state.role != LayoutRole::kFollower) continue;
      int64_t moved = 0, all = 0;
      for (const ValueId input : node.inputs) {
        if (input == kNoValue || graph_.Constant(input) != nullptr || !IsImage(graph_, input)) {
          continue;
        }
        all += Bytes(input);
        if (IsMoved(input)) moved += Bytes(input);
      }
      state.moved = moved > 0 && 2 * moved >= all;
    }
  }

  int RegionOf(int region) {
    while (parents_[static_cast<size_t>(region)] != region) {
      region = parents_[static_cast<size_t>(region)];
    }
    return region;
  }

  // Moved nodes that hand each other values are one region.
  void JoinRegions() {
    parents_.resize(nodes_.size());
    std::iota(parents_.begin(), parents_.end(), 0);
    for (NodeId id = 0; id < graph_.NodeCount(); ++id) {
      if (!State(id).moved) continue;
      for (const ValueId input : graph_.GetNode(id).inputs) {
        if (input == kNoValue || !IsMoved(input)) continue;
        parents_[static_cast<size_t>(RegionOf(id))] = RegionOf(Of(input).producer);
      }
    }
    for (NodeId id = 0; id < graph_.NodeCount(); ++id) State(id).region = RegionOf(id);
  }

  // Only axes of one element move: the bytes stay where they are.
  bool IsFree(ValueId id) const {
    const Shape shape = *graph_.GetValue(id).shape.Concrete();
    return shape[1] == 1 || shape[2] * shape[3] == 1;
  }

  // Reading the value with channels innermost takes no conversion.
  bool IsReadAsItIs(const Node& node, ValueId input) {
    return graph_.Constant(input) != nullptr || !IsImage(graph_, input) || IsMoved(input) ||
           IsFree(input) || (input == node.inputs[0] && ReadsPlanes(graph_, node));
  }

  double Gain(const Node& node) const {
    const Shape weights = graph_.Constant(node.inputs[1])->GetShape();
    const Shape y = *graph_.GetValue(node.outputs[0]).shape.Concrete();
    const double operations =
        2.0 * static_cast<double>(y.Elements()) * static_cast<double>(weights.Elements(1, 4));
    const bool depthwise = node.IntAttr("group", 1) > 1;
    return operations * (depthwise ? kDepthwiseGainNs : kConvGainNs);
  }

  bool HasFixedReader(ValueId id) {
    const ValueState& value = Of(id);
    return value.leaves || std::ranges::any_of(value.readers, [&](NodeId reader) {
             return !State(reader).moved && !IsTransposeToInnermost(graph_.GetNode(reader));
           });
  }

  void DropRegionsThatDoNotPay() {
    std::vector<double> gain(nodes_.size(), 0);
    for (NodeId id = 0; id < graph_.NodeCount(); ++id) {
      NodeState& state = State(id);
      if (!state.moved) continue;
      const Node& node = graph_.GetNode(id);
      double& sum = gain[static_cast<size_t>(state.region)];
      if (state.role == LayoutRole::kConv) sum += Gain(node);
      for (const ValueId input : node.inputs) {
        if (input == kNoValue || IsReadAsItIs(node, input)) continue;
        sum -= static_cast<double>(Bytes(input)) * kConversionNs;
      }
      for (const ValueId output : node.outputs) {
        if (output == kNoValue || !IsMoved(output) || IsFree(output)) continue;
        if (HasFixedReader(output)) sum -= static_cast<double>(Bytes(output)) * kConversionNs;
      }
    }
    for (NodeState& state : nodes_) {
      state.moved = state.moved && gain[static_cast<size_t>(state.region)] > 0;
    }
  }

  static bool IsTransposeToInnermost(const Node& node) {
    const std::vector<int64_t>* perm = node.Is("Transpose") ? node.IntsAttr("perm") : nullptr;
    return perm != nullptr && *perm == std::vector<int64_t>{0, 2, 3, 1};
  }

  ValueId AddMoved(ValueId id) {
    const Shape shape = *graph_.GetValue(id).shape.Concrete();
    return graph_.AddValue(graph_.GetValue(id).name + "/nhwc", DType::kF32,
                           Shape{shape[0], shape[2], shape[3], shape[1]});
  }

  void AppendTranspose(const Node& origin, ValueId from, ValueId to, std::vector<int64_t> perm) {
    Node node;
    node.name = origin.name + "/layout";
    node.op = "Transpose";
    node.opset = 13;
    node.inputs = {from};
    node.outputs = {to};
    node.attributes["perm"] = std::move(perm);
    rewritten_.push_back(std::move(node));
  }

  // The value with channels innermost; converts it at its first use.
  ValueId Innermost(const Node& reader, ValueId id) {
    if (Of(id).innermost == kNoValue) {
      const ValueId moved = AddMoved(id);
      Of(id).innermost = moved;
      if (!IsFree(id)) ++choice_.conversions;
      AppendTranspose(reader, id, moved, {0, 2, 3, 1});
    }
    return Of(id).innermost;
  }

  void MoveNode(const Node& node) {
    Node moved = WithChannelsInnermost(graph_, node);
    if (moved.op != node.op) moved.attributes[std::string(kStandsFor)] = node.Label();
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId input = node.inputs[i];
      if (input == kNoValue || graph_.Constant(input) != nullptr || !IsImage(graph_, input)) {
        continue;
      }
      const bool planes = i == 0 && !IsMoved(input) && ReadsPlanes(graph_, node);
      if (planes) {
        moved.attributes["planar_input"] = int64_t{1};
      } else {
        moved.inputs[i] = Innermost(node, input);
      }
    }
    for (ValueId& output : moved.outputs) {
      if (output == kNoValue || !IsImage(graph_, output)) continue;
      Of(output).innermost = AddMoved(output);
      output = Of(output).innermost;
    }
    rewritten_.push_back(std::move(moved));
    for (const ValueId output : node.outputs) {
      if (output == kNoValue || !IsImage(graph_, output) || !HasFixedReader(output)) continue;
      if (!IsFree(output)) ++choice_.conversions;
      AppendTranspose(node, Of(output).innermost, output, {0, 3, 1, 2});
    }
    ++choice_.nodes;
  }

  void Rewrite() {
    for (NodeId id = 0; id < graph_.NodeCount(); ++id) {
      const Node node = graph_.GetNode(id);
      if (State(id).moved) {
        MoveNode(node);
      } else if (IsTransposeToInnermost(node) && IsMoved(node.inputs[0])) {
        Node same = node;
        same.op = "Identity";
        same.attributes.clear();
        same.inputs[0] = Of(node.inputs[0]).innermost;
        rewritten_.push_back(std::move(same));
      } else {
        rewritten_.push_back(node);
      }
    }
    graph_.Nodes() = std::move(rewritten_);
  }

  Graph& graph_;
  std::vector<NodeState> nodes_;
  std::vector<ValueState> values_;
  std::vector<int> parents_;  // of regions
  std::vector<Node> rewritten_;
  LayoutChoice choice_;
};

}  // namespace

LayoutChoice ChooseLayout(Graph& graph) {
  return LayoutChooser(graph).Run();
}

}  // namespace ergo
