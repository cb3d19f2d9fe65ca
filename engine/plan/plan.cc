#include "engine/plan/plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "engine/graph/op_schema.h"
#include "engine/plan/copy_kernel.h"
#include "engine/plan/fold.h"
#include "engine/plan/lowering.h"
#include "engine/plan/memory_plan.h"
#include "engine/plan/node_lowering.h"

namespace ergo {
namespace {

using Storage = PlanTensor::Storage;

// A run of bytes that one or more tensors share: aliases, and outputs computed in place. What a
// value is stored in before storage is decided.
struct Buffer {
  Storage storage = Storage::kArena;
  int index = 0;  // of the caller's input or output
  Tensor constant;
  size_t bytes = 0;
  int first_step = -1, last_step = -1;
};

class Planner {
 public:
  Planner(Graph graph, const PlanOptions& options)
      : graph_(std::move(graph)), options_(options), plan_(std::make_unique<Plan>()) {}

  Result<std::unique_ptr<Plan>> Run(std::span<const Shape> input_shapes) {
    ERGO_RETURN_IF_ERROR(BindInputs(input_shapes));
    ERGO_ASSIGN_OR_RETURN(plan_->folded_nodes, FoldConstants(graph_));
    plan_->max_workers = options_.max_workers;
    tensor_of_value_.assign(static_cast<size_t>(graph_.ValueCount()), -1);
    ERGO_RETURN_IF_ERROR(AddPorts());
    for (const Node& node : graph_.Nodes()) {
      ERGO_RETURN_IF_ERROR(node.Is("If") ? AddBranch(node) : AddNode(node));
    }
    ERGO_RETURN_IF_ERROR(ConnectOutputs());
    ComputeLifetimes();
    RunInPlace();
    PlaceBuffers();
    return std::move(plan_);
  }

 private:
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

  // Tensors and buffers.

  int AddTensor(DType dtype, const Shape& shape, std::string name, int buffer) {
    PlanTensor tensor;
    tensor.dtype = dtype;
    tensor.shape = shape;
    tensor.name = std::move(name);
    plan_->tensors.push_back(std::move(tensor));
    buffer_of_tensor_.push_back(buffer);
    return static_cast<int>(plan_->tensors.size()) - 1;
  }

  int AddBuffer(Storage storage, int index, size_t bytes) {
    Buffer buffer;
    buffer.storage = storage;
    buffer.index = index;
    buffer.bytes = bytes;
    buffers_.push_back(std::move(buffer));
    return static_cast<int>(buffers_.size()) - 1;
  }

  int AddConstant(const Tensor& constant, std::string name) {
    const int buffer = AddBuffer(Storage::kConstant, 0, static_cast<size_t>(constant.Bytes()));
    buffers_.back().constant = constant;
    return AddTensor(constant.Type(), constant.GetShape(), std::move(name), buffer);
  }

  int AbsentTensor() {
    if (absent_ < 0) {
      absent_ = AddTensor(DType::kUndefined, Shape(), "", AddBuffer(Storage::kAbsent, 0, 0));
    }
    return absent_;
  }

  // The tensor of a value that is defined already.
  int TensorOf(ValueId id) {
    if (id == kNoValue) return AbsentTensor();
    int& tensor = tensor_of_value_[static_cast<size_t>(id)];
    const Value& value = graph_.GetValue(id);
    if (tensor < 0) {
      ERGO_CHECK_MSG(value.constant.has_value(), "'{}' has no tensor", value.name);
      tensor = AddConstant(*value.constant, value.name);
    }
    return tensor;
  }

  // A new arena tensor for a node's result.
  int DefineValue(ValueId id) {
    if (id == kNoValue) return AbsentTensor();
    const Value& value = graph_.GetValue(id);
    const Shape shape = *value.shape.Concrete();
    const auto bytes = static_cast<size_t>(DTypeBytes(value.dtype, shape.Elements()));
    const int tensor =
        AddTensor(value.dtype, shape, value.name, AddBuffer(Storage::kArena, 0, bytes));
    tensor_of_value_[static_cast<size_t>(id)] = tensor;
    return tensor;
  }

  Buffer& BufferOf(int tensor) {
    return buffers_[static_cast<size_t>(buffer_of_tensor_[static_cast<size_t>(tensor)])];
  }

  // Building.

  Status AddPorts() {
    for (size_t i = 0; i < graph_.inputs.size(); ++i) {
      const ValueId id = graph_.inputs[i];
      const Value& value = graph_.GetValue(id);
      const Shape shape = *value.shape.Concrete();
      plan_->inputs.push_back({value.name, value.dtype, shape});
      const auto bytes = static_cast<size_t>(DTypeBytes(value.dtype, shape.Elements()));
      tensor_of_value_[static_cast<size_t>(id)] = AddTensor(
          value.dtype, shape, value.name, AddBuffer(Storage::kInput, static_cast<int>(i), bytes));
    }
    for (const ValueId id : graph_.outputs) {
      const Value& value = graph_.GetValue(id);
      const std::optional<Shape> shape = value.shape.Concrete();
      if (!shape) {
        return Unsupported("the shape of output '{}', {}, is not known before the run", value.name,
                           value.shape.ToString());
      }
      plan_->outputs.push_back({value.name, value.dtype, *shape});
    }
    return {};
  }

  Status AddNode(const Node& node) {
    const MakeContext make{options_.max_workers, options_.packs};
    NodeLowering lowering(graph_, node, make, options_.kernels);
    ERGO_RETURN_IF_ERROR(lowering.Run());
    for (const auto& [output, input] : lowering.Aliases()) {
      const ValueId id = node.outputs[static_cast<size_t>(output)];
      const int source = TensorOf(node.inputs[static_cast<size_t>(input)]);
      tensor_of_value_[static_cast<size_t>(id)] =
          AddTensor(lowering.OutputType(output), lowering.OutputShape(output),
                    graph_.GetValue(id).name, buffer_of_tensor_[static_cast<size_t>(source)]);
    }
    std::vector<int> temporaries, constants;
    for (const auto& temporary : lowering.Temporaries()) {
      const auto bytes =
          static_cast<size_t>(DTypeBytes(temporary.dtype, temporary.shape.Elements()));
      temporaries.push_back(AddTensor(temporary.dtype, temporary.shape, node.name + "/temporary",
                                      AddBuffer(Storage::kArena, 0, bytes)));
    }
    for (const Tensor& constant : lowering.Constants()) {
      constants.push_back(AddConstant(constant, node.name + "/constant"));
    }
    for (const ValueId id : node.outputs) {
      if (id != kNoValue && tensor_of_value_[static_cast<size_t>(id)] < 0) DefineValue(id);
    }
    const auto tensor_of = [&](const Operand& operand) {
      const auto i = static_cast<size_t>(operand.index);
      switch (operand.kind) {
        case Operand::Kind::kAbsent: break;
        case Operand::Kind::kInput: return TensorOf(node.inputs[i]);
        case Operand::Kind::kOutput: return TensorOf(node.outputs[i]);
        case Operand::Kind::kTemporary: return temporaries[i];
        case Operand::Kind::kConstant: return constants[i];
      }
      return AbsentTensor();
    };
    for (NodeLowering::RecordedStep& recorded : lowering.TakeSteps()) {
      Step step;
      step.label = node.Label();
      step.op = node.op;
      for (const Operand& operand : recorded.inputs) step.inputs.push_back(tensor_of(operand));
      for (const Operand& operand : recorded.outputs) step.outputs.push_back(tensor_of(operand));
      step.kernel = std::move(recorded.selected.kernel);
      step.info = recorded.selected.info;
      step.cost = recorded.cost;
      step.workspace_bytes = step.kernel->WorkspaceBytes();
      plan_->steps.push_back(std::move(step));
    }
    return {};
  }

  Status AddBranch(const Node& node) {
    Step step;
    step.label = node.Label();
    step.op = node.op;
    step.info = {"control", "branch", Device::kCpu, "", "", ""};
    step.branch = std::make_unique<Branch>();
    step.inputs.push_back(TensorOf(node.Input(0)));
    const PlanTensor& condition = plan_->tensors[static_cast<size_t>(step.inputs[0])];
    if (condition.dtype != DType::kBool || condition.shape.Elements() != 1) {
      return InvalidArgument("{}: the condition is {}{}, not one bool", node.Label(),
                             DTypeName(condition.dtype), condition.shape.ToString());
    }
    for (const Subgraph& subgraph : node.subgraphs) {
      const bool is_then = subgraph.attribute == "then_branch";
      ERGO_ASSIGN_OR_RETURN(std::unique_ptr<Plan> branch, PlanBranch(node, subgraph));
      step.workspace_bytes = std::max(step.workspace_bytes, branch->arena_bytes);
      plan_->constant_bytes += branch->constant_bytes;
      plan_->folded_nodes += branch->folded_nodes;
      (is_then ? step.branch->then_plan : step.branch->else_plan) = std::move(branch);
    }
    if (!step.branch->then_plan || !step.branch->else_plan) {
      return InvalidArgument("{}: needs then_branch and else_branch", node.Label());
    }
    for (const std::string_view attribute : {"then_branch", "else_branch"}) {
      for (const Subgraph& subgraph : node.subgraphs) {
        if (subgraph.attribute != attribute) continue;
        for (const ValueId id : subgraph.captures) step.inputs.push_back(TensorOf(id));
      }
    }
    for (const ValueId id : node.outputs) step.outputs.push_back(DefineValue(id));
    plan_->steps.push_back(std::move(step));
    return {};
  }

  Result<std::unique_ptr<Plan>> PlanBranch(const Node& node, const Subgraph& subgraph) {
    const std::string context = fmt::format("{}: {}", node.Label(), subgraph.attribute);
    std::vector<Shape> shapes;
    for (const ValueId id : subgraph.captures) {
      const Value& value = graph_.GetValue(id);
      const std::optional<Shape> shape = value.shape.Concrete();
      if (!shape) {
        return Unsupported("{}: the shape of '{}' is not known before the run", context,
                           value.name);
      }
      shapes.push_back(*shape);
    }
    Graph inner = *subgraph.graph;
    inner.outputs.resize(node.outputs.size());
    Result<std::unique_ptr<Plan>> plan = Planner(std::move(inner), options_).Run(shapes);
    if (!plan.ok()) return std::move(plan).status().WithContext(context);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      const Value& value = graph_.GetValue(node.outputs[i]);
      const std::optional<Shape> shape = value.shape.Concrete();
      if (!shape || !(*shape == (*plan)->outputs[i].shape)) {
        return Unsupported("{}: output {} is {} here and {} in the other branch", context, i,
                           (*plan)->outputs[i].shape.ToString(), value.shape.ToString());
      }
    }
    return plan;
  }

  // Results that are the model's outputs are computed in place of the caller's memory. What already
  // has a place of its own (an input, a constant, another output) is copied there at the end.
  Status ConnectOutputs() {
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      const int source = TensorOf(graph_.outputs[i]);
      Buffer& buffer = BufferOf(source);
      if (buffer.storage == Storage::kArena) {
        buffer.storage = Storage::kOutput;
        buffer.index = static_cast<int>(i);
        continue;
      }
      const Plan::Port& port = plan_->outputs[i];
      const int copy = AddTensor(port.dtype, port.shape, port.name,
                                 AddBuffer(Storage::kOutput, static_cast<int>(i), buffer.bytes));
      Step step;
      step.label = fmt::format("Copy to output '{}'", port.name);
      step.op = "Copy";
      step.inputs = {source};
      step.outputs = {copy};
      Selected selected = MakeCopyKernel();
      step.kernel = std::move(selected.kernel);
      step.info = selected.info;
      const auto bytes = static_cast<int64_t>(buffer.bytes);
      step.cost = {0, bytes, bytes};
      plan_->steps.push_back(std::move(step));
    }
    return {};
  }

  void ComputeLifetimes() {
    for (size_t i = 0; i < plan_->steps.size(); ++i) {
      const auto touch = [&](int tensor) {
        Buffer& buffer = BufferOf(tensor);
        if (buffer.first_step < 0) buffer.first_step = static_cast<int>(i);
        buffer.last_step = static_cast<int>(i);
      };
      std::ranges::for_each(plan_->steps[i].inputs, touch);
      std::ranges::for_each(plan_->steps[i].outputs, touch);
    }
  }

  // Lets output 0 of a step take over the arena bytes of an input that dies there.
  void RunInPlace() {
    for (size_t i = 0; i < plan_->steps.size(); ++i) {
      Step& step = plan_->steps[i];
      if (!step.kernel || step.outputs.empty()) continue;
      Buffer& output = BufferOf(step.outputs[0]);
      if (output.storage != Storage::kArena || output.first_step != static_cast<int>(i)) continue;
      for (size_t k = 0; k < step.inputs.size(); ++k) {
        if (TakeOver(step, static_cast<int>(i), k, output)) break;
      }
    }
  }

  bool TakeOver(const Step& step, int step_index, size_t operand, const Buffer& output) {
    const int from = buffer_of_tensor_[static_cast<size_t>(step.inputs[operand])];
    const int to = buffer_of_tensor_[static_cast<size_t>(step.outputs[0])];
    Buffer& input = buffers_[static_cast<size_t>(from)];
    if (from == to || input.storage != Storage::kArena || input.bytes != output.bytes ||
        input.last_step != step_index || !step.kernel->MayRunInPlace(static_cast<int>(operand))) {
      return false;
    }
    const auto same_buffer = [&](int tensor) {
      return buffer_of_tensor_[static_cast<size_t>(tensor)] == from;
    };
    if (std::ranges::count_if(step.inputs, same_buffer) != 1) return false;
    input.last_step = output.last_step;
    for (int& buffer : buffer_of_tensor_) {
      if (buffer == to) buffer = from;
    }
    return true;
  }

  void PlaceBuffers() {
    std::vector<bool> used(buffers_.size(), false);
    for (const int buffer : buffer_of_tensor_) used[static_cast<size_t>(buffer)] = true;

    std::vector<BufferLifetime> lifetimes;
    std::vector<size_t> arena_index(buffers_.size());
    for (size_t i = 0; i < buffers_.size(); ++i) {
      const Buffer& buffer = buffers_[i];
      if (!used[i] || buffer.storage != Storage::kArena || buffer.first_step < 0) continue;
      arena_index[i] = lifetimes.size();
      lifetimes.push_back({buffer.bytes, buffer.first_step, buffer.last_step});
    }
    const size_t tensor_buffers = lifetimes.size();
    for (size_t i = 0; i < plan_->steps.size(); ++i) {
      lifetimes.push_back(
          {plan_->steps[i].workspace_bytes, static_cast<int>(i), static_cast<int>(i)});
    }
    const MemoryPlan memory = PlanMemory(lifetimes);
    plan_->arena_bytes = memory.arena_bytes;
    for (size_t i = 0; i < plan_->steps.size(); ++i) {
      plan_->steps[i].workspace_offset = memory.offsets[tensor_buffers + i];
    }
    for (size_t i = 0; i < plan_->tensors.size(); ++i) {
      const auto buffer_index = static_cast<size_t>(buffer_of_tensor_[i]);
      const Buffer& buffer = buffers_[buffer_index];
      PlanTensor& tensor = plan_->tensors[i];
      tensor.storage = buffer.storage;
      tensor.index = buffer.index;
      if (buffer.storage == Storage::kArena && buffer.first_step >= 0) {
        tensor.offset = memory.offsets[arena_index[buffer_index]];
      }
      if (buffer.storage == Storage::kConstant) tensor.constant = buffer.constant;
    }
    SumBytes(used);
  }

  void SumBytes(const std::vector<bool>& used) {
    for (size_t i = 0; i < buffers_.size(); ++i) {
      const Buffer& buffer = buffers_[i];
      if (buffer.storage == Storage::kConstant && used[i] && buffer.first_step >= 0) {
        plan_->constant_bytes += buffer.bytes;
      }
    }
    // Before anything shared bytes: each arena tensor on its own, aliases not counted.
    for (const Step& step : plan_->steps) {
      for (const int output : step.outputs) {
        const PlanTensor& tensor = plan_->tensors[static_cast<size_t>(output)];
        if (tensor.storage != Storage::kArena) continue;
        plan_->tensor_bytes +=
            static_cast<size_t>(DTypeBytes(tensor.dtype, tensor.shape.Elements()));
      }
    }
  }

  Graph graph_;
  const PlanOptions& options_;
  std::unique_ptr<Plan> plan_;
  std::vector<Buffer> buffers_;
  std::vector<int> buffer_of_tensor_;  // parallel to plan_->tensors
  std::vector<int> tensor_of_value_;   // parallel to the graph's values, -1: none yet
  int absent_ = -1;
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
    } else if (!node.Is("If") && FindLowering(node.domain, node.op) == nullptr) {
      reason = "there is no kernel for the operator";
    }
    if (!reason.empty()) found.push_back({node.name, op, std::move(reason), node.opset});
    for (const Subgraph& subgraph : node.subgraphs) CollectUnsupported(*subgraph.graph, found);
  }
}

}  // namespace

Result<std::unique_ptr<Plan>> BuildPlan(const Graph& graph, std::span<const Shape> input_shapes,
                                        const PlanOptions& options) {
  return Planner(graph, options).Run(input_shapes);
}

std::vector<UnsupportedNode> FindUnsupported(const Graph& graph) {
  std::vector<UnsupportedNode> found;
  CollectUnsupported(graph, found);
  return found;
}

}  // namespace ergo
