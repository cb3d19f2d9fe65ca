#include "engine/plan/fold.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/expand/expand.h"
#include "engine/graph/inline.h"
#include "engine/graph/limits.h"
#include "engine/graph/op_schema.h"
#include "engine/plan/evaluate.h"
#include "engine/plan/random_seed.h"
#include "engine/plan/widen.h"

namespace ergo {
namespace {

// Shape's answer when the dimensions it asks for are known.
std::optional<Tensor> FoldShape(const Node& node, const SymbolicShape& shape) {
  if (!shape.RankKnown()) return std::nullopt;
  const int64_t rank = shape.Rank();
  const auto clamp = [&](int64_t axis) {
    return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
  };
  const int64_t start = clamp(node.IntAttr("start", 0));
  const int64_t end = clamp(node.IntAttr("end", rank));
  std::vector<int64_t> dims;
  for (int64_t axis = start; axis < end; ++axis) {
    const Dim& dim = shape[static_cast<int>(axis)];
    if (!dim.Known()) return std::nullopt;
    dims.push_back(dim.value);
  }
  return Tensor::FromValues<int64_t>(Shape{static_cast<int64_t>(dims.size())}, dims);
}

std::optional<Tensor> FoldSize(const SymbolicShape& shape) {
  const std::optional<Shape> concrete = shape.Concrete();
  if (!concrete) return std::nullopt;
  return Tensor::Scalar<int64_t>(concrete->Elements());
}

// Rebuilds the node list of a graph from front to back, dropping what it can compute.
class Folder {
 public:
  Folder(Graph& graph, NarrowConstants narrow, const Budget& budget)
      : graph_(graph), narrow_(narrow), budget_(budget) {}

  Result<int> Run() {
    std::vector<Node> todo = std::move(graph_.Nodes());
    graph_.Nodes().clear();
    // A stack, last node first, so that an inlined branch is folded in its turn.
    std::ranges::reverse(todo);
    while (!todo.empty()) {
      Node node = std::move(todo.back());
      todo.pop_back();
      ERGO_RETURN_IF_ERROR(Visit(std::move(node), todo));
    }
    // Compacts even when no node is dead: folded nodes' inputs may be.
    if (graph_.RemoveDeadNodes() == 0) graph_.Compact();
    return folded_;
  }

 private:
  Status Visit(Node node, std::vector<Node>& todo) {
    ERGO_RETURN_IF_ERROR(budget_.CheckTime());
    if (!replaced_.empty()) Rename(node);
    if (node.Is("If") && TryInlineBranch(node, todo)) {
      ++folded_;
      return {};
    }
    // Before its subgraphs are folded, inference tells them the types of their inputs; afterwards
    // it sees more of what they compute.
    ERGO_RETURN_IF_ERROR(InferNode(graph_, node));
    if (IsExpandable(node.domain, node.op)) {
      ERGO_ASSIGN_OR_RETURN(const bool expanded, TryExpand(node, todo));
      if (expanded) return {};
    }
    if (!node.subgraphs.empty()) {
      for (Subgraph& subgraph : node.subgraphs) ERGO_RETURN_IF_ERROR(FoldSubgraph(subgraph));
      ERGO_RETURN_IF_ERROR(InferNode(graph_, node));
    }
    ERGO_ASSIGN_OR_RETURN(const bool folded, TryFold(node));
    if (folded) {
      ++folded_;
    } else {
      graph_.AddNode(std::move(node));
    }
    return {};
  }

  Result<bool> TryExpand(const Node& node, std::vector<Node>& todo) {
    Result<Expansion> expansion = Expand(graph_, node);
    if (!expansion.ok()) return std::move(expansion).status().WithContext(node.Label());
    std::vector<Node>& nodes = expansion->nodes;
    if (nodes.empty()) return false;
    std::move(nodes.rbegin(), nodes.rend(), std::back_inserter(todo));
    ++folded_;
    return true;
  }

  Result<bool> TryFold(const Node& node) {
    std::optional<Tensor> answer;
    if (node.Is("Shape")) answer = FoldShape(node, graph_.GetValue(node.inputs[0]).shape);
    if (node.Is("Size")) answer = FoldSize(graph_.GetValue(node.inputs[0]).shape);
    if (answer) {
      SetConstant(node.outputs[0], std::move(*answer));
      return true;
    }
    if (!AllConstant(node) || ResultBytes(node) > kMaxFoldedBytes) return false;
    if (narrow_ == NarrowConstants::kKeep && IsWidening(graph_, node)) return false;
    Result<std::vector<Tensor>> results = EvaluateNode(graph_, node, budget_);
    if (!results.ok()) {
      // Not computable ahead of time is no error here: the planner will say what is wrong.
      if (results.status().code() == StatusCode::kUnsupported) return false;
      return std::move(results).status();
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      folded_bytes_ += (*results)[i].Bytes();
      SetConstant(node.outputs[i], std::move((*results)[i]));
    }
    ERGO_RETURN_IF_ERROR(budget_.CheckBytes(folded_bytes_, "folded constants"));
    return true;
  }

  bool AllConstant(const Node& node) const {
    // What draws random numbers must not be frozen into one draw.
    if (!node.subgraphs.empty() || IsRandom(node)) return false;
    return std::ranges::all_of(
        node.inputs, [&](ValueId id) { return id == kNoValue || graph_.Constant(id) != nullptr; });
  }

  // Bytes of all results; above every limit while a shape is unknown.
  int64_t ResultBytes(const Node& node) const {
    int64_t bytes = 0;
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      const Value& value = graph_.GetValue(id);
      const std::optional<Shape> shape = value.shape.Concrete();
      if (!shape) return kMaxFoldedBytes + 1;
      bytes += DTypeBytes(value.dtype, shape->Elements());
    }
    return bytes;
  }

  void SetConstant(ValueId id, Tensor tensor) {
    Value& value = graph_.GetValue(id);
    value.dtype = tensor.Type();
    value.shape = tensor.GetShape();
    value.constant = std::move(tensor);
  }

  bool TryInlineBranch(const Node& node, std::vector<Node>& todo) {
    const Tensor* condition = graph_.Constant(node.Input(0));
    if (condition == nullptr || condition->Type() != DType::kBool || condition->Elements() != 1) {
      return false;
    }
    const bool taken = *static_cast<const uint8_t*>(condition->Data()) != 0;
    const std::string_view wanted = taken ? "then_branch" : "else_branch";
    for (const Subgraph& branch : node.subgraphs) {
      if (branch.attribute != wanted || branch.graph->outputs.size() < node.outputs.size())
        continue;
      std::vector<Node> nodes;
      const std::vector<ValueId> results =
          InlineGraph(graph_, *branch.graph, branch.captures, node.name, nodes);
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        const ValueId output = node.outputs[i];
        if (output == kNoValue) continue;
        if (std::ranges::find(graph_.outputs, output) == graph_.outputs.end()) {
          replaced_.emplace_back(output, results[i]);
        } else {
          // The graph's outputs keep their names.
          Node identity;
          identity.name = fmt::format("{}/output_{}", node.name, i);
          identity.op = "Identity";
          identity.opset = node.opset;
          identity.inputs = {results[i]};
          identity.outputs = {output};
          nodes.push_back(std::move(identity));
        }
      }
      std::move(nodes.rbegin(), nodes.rend(), std::back_inserter(todo));
      return true;
    }
    return false;
  }

  // What the graph around knows goes into the subgraph, and is folded there.
  Status FoldSubgraph(Subgraph& subgraph) {
    Graph& inner = *subgraph.graph;
    const size_t formal = inner.inputs.size() - subgraph.captures.size();
    std::vector<ValueId> captures,
        inputs(inner.inputs.begin(), inner.inputs.begin() + static_cast<std::ptrdiff_t>(formal));
    for (size_t i = 0; i < subgraph.captures.size(); ++i) {
      const Value& from = graph_.GetValue(subgraph.captures[i]);
      const ValueId to_id = inner.inputs[formal + i];
      Value& to = inner.GetValue(to_id);
      to.dtype = from.dtype;
      to.shape = from.shape;
      to.constant = from.constant;
      if (from.constant) continue;
      captures.push_back(subgraph.captures[i]);
      inputs.push_back(to_id);
    }
    subgraph.captures = std::move(captures);
    inner.inputs = std::move(inputs);
    ERGO_ASSIGN_OR_RETURN(const int folded, FoldConstants(inner, narrow_, budget_));
    folded_ += folded;
    return {};
  }

  void Rename(Node& node) const {
    for (const auto& [from, to] : replaced_) {
      std::ranges::replace(node.inputs, from, to);
      for (Subgraph& subgraph : node.subgraphs) std::ranges::replace(subgraph.captures, from, to);
    }
  }

  Graph& graph_;
  const NarrowConstants narrow_;
  const Budget& budget_;
  int folded_ = 0;
  int64_t folded_bytes_ = 0;
  std::vector<std::pair<ValueId, ValueId>> replaced_;  // outputs of inlined Ifs
};

}  // namespace

Result<int> FoldConstants(Graph& graph, NarrowConstants narrow, const Budget& budget) {
  return Folder(graph, narrow, budget).Run();
}

}  // namespace ergo
