#include "engine/plan/plan.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "engine/expand/expand.h"
#include "engine/graph/op_schema.h"
#include "engine/plan/choose_layout.h"
#include "engine/plan/copy_kernel.h"
#include "engine/plan/data_dependent.h"
#include "engine/plan/fold.h"
#include "engine/plan/fuse_expand_depthwise.h"
#include "engine/plan/limits.h"
#include "engine/plan/lowering.h"
#include "engine/plan/node_lowering.h"
#include "engine/plan/tensor_layout.h"

namespace ergo {
namespace {

// How people and kernel choices know the node: a node that layout gave another operator keeps the
// label that it has in the graph.
std::string LabelOf(const Node& node) {
  return node.StringAttr(kStandsFor, node.Label());
}

class Planner {
 public:
  // `options` and `budget` outlive it.
  Planner(Graph graph, const PlanOptions& options, const Budget& budget)
      : graph_(std::move(graph)),
        options_(options),
        budget_(budget),
        plan_(std::make_unique<Plan>()),
        layout_(*plan_) {}

  Result<std::unique_ptr<Plan>> Run(std::span<const Shape> input_shapes) {
    ERGO_RETURN_IF_ERROR(BindInputs(input_shapes));
    ERGO_ASSIGN_OR_RETURN(plan_->folded_nodes,
                          FoldConstants(graph_, NarrowConstants::kWiden, budget_));
    plan_->options = options_;
    // Who names variants of conv, or wants the reference, means each convolution as it stands.
    if (!options_.kernels.reference && options_.kernels.ForcedVariant("conv").empty() &&
        options_.gpu == nullptr) {
      plan_->layout_conversions = ChooseLayout(graph_).conversions;
      FuseExpandDepthwise(graph_);
    }
    const auto values = static_cast<size_t>(graph_.ValueCount());
    tensor_of_value_.assign(values, -1);
    late_.assign(values, false);
    bound_.assign(values, false);
    evaluated_.assign(values, {});
    AddInputs();
    for (NodeId id = 0; id < graph_.NodeCount(); ++id) {
      ERGO_RETURN_IF_ERROR(Visit(graph_.GetNode(id)));
      ERGO_RETURN_IF_ERROR(CheckBudget());
    }
    ERGO_RETURN_IF_ERROR(ConnectOutputs());
    std::vector<int> kept;
    if (late_nodes_.size() + evaluations_.size() > 0) kept = BuildLateRegion();
    layout_.Place(kept);
    ERGO_RETURN_IF_ERROR(CheckRun());
    return std::move(plan_);
  }

 private:
  // Of planning so far.
  Status CheckBudget() const {
    ERGO_RETURN_IF_ERROR(budget_.CheckTime());
    const size_t packed = options_.packs != nullptr ? options_.packs->TotalBytes() : 0;
    return budget_.CheckBytes(static_cast<int64_t>(packed), "packed weights");
  }

  // Of each run of the plan.
  Status CheckRun() const {
    auto bytes = static_cast<int64_t>(plan_->arena_bytes);
    int64_t operations = 0;
    for (const Plan::Port& port : plan_->outputs) {
      if (!port.late) bytes += DTypeBytes(port.dtype, port.shape.Elements());
    }
    for (const Step& step : plan_->steps) operations += step.cost.flops;
    ERGO_RETURN_IF_ERROR(budget_.CheckBytes(bytes, "a run with inputs of these shapes"));
    return budget_.CheckWork(operations, options_.max_workers, "a run with inputs of these shapes");
  }

  Status BindInputs(std::span<const Shape> shapes) {
    if (shapes.size() != graph_.inputs.size()) {
      return InvalidArgument("{} input shapes for {} inputs", shapes.size(), graph_.inputs.size());
    }
    for (size_t i = 0; i < shapes.size(); ++i) {
      Value& value = graph_.GetValue(graph_.inputs[i]);
      if (!IsTensorDType(value.dtype)) {
        return InvalidArgument("input '{}' has no element type", value.name);
      }
      value.shape = shapes[i];
    }
    return {};
  }

  // The tensor of a value that is defined already.
  int TensorOf(ValueId id) {
    if (id == kNoValue) return layout_.Absent();
    int& tensor = tensor_of_value_[static_cast<size_t>(id)];
    const Value& value = graph_.GetValue(id);
    if (tensor < 0) {
      ERGO_CHECK_MSG(value.constant.has_value(), "'{}' has no tensor", value.name);
      tensor = layout_.AddConstant(*value.constant, value.name);
    }
    return tensor;
  }

  // A new arena tensor for a node's result, unless it has one.
  int DefineValue(ValueId id) {
    if (id == kNoValue) return layout_.Absent();
    int& tensor = tensor_of_value_[static_cast<size_t>(id)];
    const Value& value = graph_.GetValue(id);
    if (tensor < 0) tensor = layout_.AddArena(value.dtype, *value.shape.Concrete(), value.name);
    return tensor;
  }

  void AddInputs() {
    for (size_t i = 0; i < graph_.inputs.size(); ++i) {
      const ValueId id = graph_.inputs[i];
      const Value& value = graph_.GetValue(id);
      const Shape shape = *value.shape.Concrete();
      plan_->inputs.push_back({value.name, value.dtype, shape});
      tensor_of_value_[static_cast<size_t>(id)] =
          layout_.AddInput(value.dtype, shape, value.name, static_cast<int>(i));
    }
  }

  // Everything that a node reads, its subgraphs' captures included.
  static std::vector<ValueId> Reads(const Node& node) {
    std::vector<ValueId> reads = node.inputs;
    for (const Subgraph& subgraph : node.subgraphs) {
      reads.insert(reads.end(), subgraph.captures.begin(), subgraph.captures.end());
    }
    return reads;
  }

  Status Visit(const Node& node) {
    const bool after_late = std::ranges::any_of(
        Reads(node), [&](ValueId id) { return id != kNoValue && late_[static_cast<size_t>(id)]; });
    if (after_late) {
      Defer(node);
      return {};
    }
    if (IsDataDependent(node.domain, node.op)) {
      Evaluate(node);
      return {};
    }
    if (node.Is("If")) return AddBranch(node);
    std::vector<size_t> missing;
    Status status = AddNode(node, missing);
    if (status.code() != StatusCode::kUnsupported || !Bind(node, missing)) return status;
    Defer(node);
    return {};
  }

  void MarkLate(const Node& node) {
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) late_[static_cast<size_t>(id)] = true;
    }
  }

  void Defer(const Node& node) {
    late_nodes_.push_back(node);
    MarkLate(node);
  }

  // Marks the inputs whose values the node waits for. False when there are none of them, or one is
  // too large to be something that decides a shape.
  bool Bind(const Node& node, const std::vector<size_t>& missing) {
    if (missing.empty()) return false;
    for (const size_t i : missing) {
      const std::optional<Shape> shape = graph_.GetValue(node.Input(i)).shape.Concrete();
      if (!shape || shape->Elements() > kMaxBoundElements) return false;
    }
    for (const size_t i : missing) bound_[static_cast<size_t>(node.Input(i))] = true;
    return true;
  }

  void Evaluate(const Node& node) {
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      evaluated_[static_cast<size_t>(node.outputs[i])] = {-1, static_cast<int>(evaluations_.size()),
                                                          static_cast<int>(i)};
    }
    LateRegion::Evaluation evaluation{node, {}};
    for (const ValueId id : Reads(node)) evaluation.inputs.push_back({TensorOf(id), -1, 0});
    evaluations_.push_back(std::move(evaluation));
    MarkLate(node);
  }

  // Why a node that consists of others still stands, once the shapes are known.
  Status WhyNotExpanded(const Node& node, std::vector<size_t>& missing) {
    ERGO_ASSIGN_OR_RETURN(Expansion expansion, Expand(graph_, node));
    missing = std::move(expansion.missing);
    return std::move(expansion.waits).WithContext(node.Label());
  }

  Status AddNode(const Node& node, std::vector<size_t>& missing) {
    if (IsExpandable(node.domain, node.op)) return WhyNotExpanded(node, missing);
    const MakeContext make{options_.max_workers, options_.packs, false, options_.gpu};
    SelectOptions chosen = options_.kernels;
    if (options_.choices != nullptr && options_.gpu == nullptr && chosen.forced.empty() &&
        !chosen.reference) {
      chosen.forced = options_.choices->For(LabelOf(node));
    }
    std::optional<NodeLowering> attempt;
    const auto lower = [&](const SelectOptions& kernels) {
      attempt.emplace(graph_, node, make, kernels);
      if (options_.explain) attempt->Explain();
      return attempt->Run();
    };
    SelectOptions on_device = chosen;
    on_device.device = Device::kCuda;
    const bool try_device = options_.gpu != nullptr && !chosen.reference;
    Status lowered = try_device ? lower(on_device) : lower(chosen);
    if (!lowered.ok() && try_device) lowered = lower(chosen);
    if (!lowered.ok() && chosen.forced != options_.kernels.forced)
      lowered = lower(options_.kernels);
    NodeLowering& lowering = *attempt;
    if (!lowered.ok()) {
      missing = lowering.MissingConstants();
      Node copy = node;
      std::vector<size_t> for_shapes;
      if (missing.empty() && InferNode(graph_, copy, &for_shapes).ok()) missing = for_shapes;
      return lowered;
    }
    for (const auto& [output, input] : lowering.Aliases()) {
      const ValueId id = node.outputs[static_cast<size_t>(output)];
      tensor_of_value_[static_cast<size_t>(id)] = layout_.AddAlias(
          TensorOf(node.inputs[static_cast<size_t>(input)]), lowering.OutputType(output),
          lowering.OutputShape(output), graph_.GetValue(id).name);
    }
    std::vector<int> temporaries, constants;
    for (const auto& temporary : lowering.Temporaries()) {
      temporaries.push_back(
          layout_.AddArena(temporary.dtype, temporary.shape, node.name + "/temporary"));
    }
    for (const Tensor& constant : lowering.Constants()) {
      constants.push_back(layout_.AddConstant(constant, node.name + "/constant"));
    }
    for (const ValueId id : node.outputs) DefineValue(id);
    const auto tensor_of = [&](const Operand& operand) {
      const auto i = static_cast<size_t>(operand.index);
      switch (operand.kind) {
        case Operand::Kind::kAbsent: break;
        case Operand::Kind::kInput: return TensorOf(node.inputs[i]);
        case Operand::Kind::kOutput: return TensorOf(node.outputs[i]);
        case Operand::Kind::kTemporary: return temporaries[i];
        case Operand::Kind::kConstant: return constants[i];
      }
      return layout_.Absent();
    };
    for (NodeLowering::RecordedStep& recorded : lowering.TakeSteps()) {
      std::vector<int> inputs, outputs;
      for (const Operand& operand : recorded.inputs) inputs.push_back(tensor_of(operand));
      for (const Operand& operand : recorded.outputs) outputs.push_back(tensor_of(operand));
      AppendStep(LabelOf(node), node.op, std::move(recorded.selected), recorded.cost,
                 std::move(inputs), std::move(outputs));
      plan_->steps.back().candidates = std::move(recorded.candidates);
    }
    return {};
  }

  void AppendStep(std::string label, std::string op, Selected selected, const KernelCost& cost,
                  std::vector<int> inputs, std::vector<int> outputs) {
    Step step;
    step.label = std::move(label);
    step.op = std::move(op);
    step.inputs = std::move(inputs);
    step.outputs = std::move(outputs);
    step.kernel = std::move(selected.kernel);
    step.info = selected.info;
    step.cost = cost;
    step.workspace_bytes = step.kernel->WorkspaceBytes();
    plan_->steps.push_back(std::move(step));
  }

  // An If whose branches can both be planned becomes a step; any other is evaluated late.
  Status AddBranch(const Node& node) {
    Step step;
    step.label = node.Label();
    step.op = node.op;
    step.info = {"control", "branch", Device::kCpu, "", "", ""};
    step.branch = std::make_unique<Branch>();
    const Value& condition = graph_.GetValue(node.Input(0));
    const std::optional<Shape> condition_shape = condition.shape.Concrete();
    if (condition.dtype != DType::kBool || !condition_shape || condition_shape->Elements() != 1) {
      return InvalidArgument("{}: the condition is {}{}, not one bool", node.Label(),
                             DTypeName(condition.dtype), condition.shape.ToString());
    }
    const std::array<std::string_view, 2> attributes = {"then_branch", "else_branch"};
    std::array<const Subgraph*, 2> branches{};
    for (size_t side = 0; side < 2; ++side) {
      for (const Subgraph& subgraph : node.subgraphs) {
        if (subgraph.attribute == attributes[side]) branches[side] = &subgraph;
      }
      if (branches[side] == nullptr) {
        return InvalidArgument("{}: has no {}", node.Label(), attributes[side]);
      }
    }
    for (const ValueId id : node.outputs) {
      if (id == kNoValue || graph_.GetValue(id).shape.Concrete()) continue;
      Evaluate(node);
      return {};
    }
    for (size_t side = 0; side < 2; ++side) {
      ERGO_ASSIGN_OR_RETURN(std::unique_ptr<Plan> branch, PlanBranch(node, *branches[side]));
      if (branch->late) {
        Evaluate(node);
        return {};
      }
      step.workspace_bytes = std::max(step.workspace_bytes, branch->arena_bytes);
      plan_->constant_bytes += branch->constant_bytes;
      plan_->folded_nodes += branch->folded_nodes;
      (side == 0 ? step.branch->then_plan : step.branch->else_plan) = std::move(branch);
    }
    step.inputs.push_back(TensorOf(node.Input(0)));
    for (const Subgraph* subgraph : branches) {
      for (const ValueId id : subgraph->captures) step.inputs.push_back(TensorOf(id));
    }
    for (const ValueId id : node.outputs) step.outputs.push_back(DefineValue(id));
    plan_->steps.push_back(std::move(step));
    return {};
  }

  Result<std::unique_ptr<Plan>> PlanBranch(const Node& node, const Subgraph& subgraph) {
    std::vector<Shape> shapes;
    for (const ValueId id : subgraph.captures) {
      shapes.push_back(graph_.GetValue(id).shape.Concrete().value());
    }
    Graph inner = *subgraph.graph;
    inner.outputs.resize(node.outputs.size());
    Result<std::unique_ptr<Plan>> plan = Planner(std::move(inner), options_, budget_).Run(shapes);
    if (plan.ok()) return plan;
    return std::move(plan).status().WithContext(
        fmt::format("{}: {}", node.Label(), subgraph.attribute));
  }

  // Results that are the model's outputs are computed in place of the caller's memory. What already
  // has a place of its own (an input, a constant, another output) is copied there at the end.
  Status ConnectOutputs() {
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      const ValueId id = graph_.outputs[i];
      const Value& value = graph_.GetValue(id);
      if (late_[static_cast<size_t>(id)]) {
        plan_->outputs.push_back({value.name, value.dtype, Shape(), true});
        continue;
      }
      const int source = TensorOf(id);
      const PlanTensor& tensor = plan_->tensors[static_cast<size_t>(source)];
      plan_->outputs.push_back({value.name, tensor.dtype, tensor.shape});
      if (layout_.MakeOutput(source, static_cast<int>(i))) continue;
      const int64_t bytes = DTypeBytes(tensor.dtype, tensor.shape.Elements());
      const Plan::Port& port = plan_->outputs.back();
      const int copy = layout_.AddOutput(port.dtype, port.shape, port.name, static_cast<int>(i));
      AppendStep(fmt::format("Copy to output '{}'", port.name), "Copy", MakeCopyKernel(),
                 {0, bytes, bytes}, {source}, {copy});
    }
    return {};
  }

  // The rest of the graph as a graph of its own. Returns the tensors that must live until the steps
  // have run.
  std::vector<int> BuildLateRegion() {
    auto region = std::make_unique<LateRegion>();
    region->evaluations = std::move(evaluations_);
    std::vector<int> kept;
    for (const auto& evaluation : region->evaluations) {
      for (const LateRegion::Feed& feed : evaluation.inputs) kept.push_back(feed.tensor);
    }
    std::vector<bool> is_input(late_.size(), false);
    std::vector<ValueId> inputs, outputs;
    const auto need = [&](ValueId id) {
      if (id == kNoValue || graph_.Constant(id) != nullptr || is_input[static_cast<size_t>(id)]) {
        return;
      }
      const LateRegion::Feed& evaluated = evaluated_[static_cast<size_t>(id)];
      if (late_[static_cast<size_t>(id)] && evaluated.evaluation < 0) return;  // computed within
      is_input[static_cast<size_t>(id)] = true;
      inputs.push_back(id);
      region->bound.push_back(bound_[static_cast<size_t>(id)]);
      if (evaluated.evaluation >= 0) {
        region->feeds.push_back(evaluated);
      } else {
        region->feeds.push_back({TensorOf(id), -1, 0});
        kept.push_back(region->feeds.back().tensor);
      }
    };
    for (const Node& node : late_nodes_) {
      for (const ValueId id : Reads(node)) need(id);
    }
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      if (!late_[static_cast<size_t>(graph_.outputs[i])]) continue;
      need(graph_.outputs[i]);
      outputs.push_back(graph_.outputs[i]);
      region->output_numbers.push_back(static_cast<int>(i));
    }
    region->rest = std::move(graph_);
    region->rest.Nodes() = std::move(late_nodes_);
    region->rest.inputs = std::move(inputs);
    region->rest.outputs = std::move(outputs);
    region->rest.Compact();
    plan_->late = std::move(region);
    return kept;
  }

  Graph graph_;
  const PlanOptions& options_;
  const Budget& budget_;
  std::unique_ptr<Plan> plan_;
  TensorLayout layout_;
  // Parallel to the graph's values.
  std::vector<int> tensor_of_value_;         // -1: none yet
  std::vector<bool> late_;                   // known only when the steps have run
  std::vector<bool> bound_;                  // its values decide shapes of late nodes
  std::vector<LateRegion::Feed> evaluated_;  // evaluation -1: not the result of one
  std::vector<Node> late_nodes_;
  std::vector<LateRegion::Evaluation> evaluations_;
};

void CollectUnsupported(const Graph& graph, std::vector<UnsupportedNode>& found) {
  for (const Node& node : graph.Nodes()) {
    const std::string op =
        fmt::format("{}{}{}", node.domain, node.domain.empty() ? "" : ".", node.op);
    std::string reason;
    if (FindSchema(node.domain, node.op, node.opset) == nullptr) {
      const bool any_version = FindSchema(node.domain, node.op, 1 << 20) != nullptr;
      reason = any_version ? "this version of the operator is not supported"
                           : "the operator is not supported";
    } else if (!node.Is("If") && !IsDataDependent(node.domain, node.op) &&
               !IsExpandable(node.domain, node.op) &&
               FindLowering(node.domain, node.op) == nullptr) {
      reason = "there is no kernel for the operator";
    }
    if (!reason.empty()) found.push_back({node.name, op, std::move(reason), node.opset});
    for (const Subgraph& subgraph : node.subgraphs) CollectUnsupported(*subgraph.graph, found);
  }
}

}  // namespace

Result<std::unique_ptr<Plan>> BuildPlan(const Graph& graph, std::span<const Shape> input_shapes,
                                        const PlanOptions& options) {
  const Budget budget(options.limits);
  return Planner(graph, options, budget).Run(input_shapes);
}

std::vector<UnsupportedNode> FindUnsupported(const Graph& graph) {
  std::vector<UnsupportedNode> found;
  CollectUnsupported(graph, found);
  return found;
}

}  // namespace ergo
