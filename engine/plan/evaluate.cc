#include "engine/plan/evaluate.h"

#include <algorithm>

#include "engine/plan/node_lowering.h"

namespace ergo {
namespace {

// Buffers of the node's outputs and temporaries while it is evaluated.
class Evaluation {
 public:
  Evaluation(const Graph& graph, const Node& node, NodeLowering& lowering)
      : graph_(graph), node_(node), lowering_(lowering) {}

  Result<std::vector<Tensor>> Run() {
    ERGO_RETURN_IF_ERROR(Allocate());
    for (const NodeLowering::RecordedStep& step : lowering_.Steps()) {
      ERGO_RETURN_IF_ERROR(RunStep(step));
    }
    std::vector<Tensor> results(node_.outputs.size());
    for (size_t i = 0; i < results.size(); ++i) {
      if (node_.outputs[i] == kNoValue) continue;
      results[i] = Tensor(outputs_[i].dtype, outputs_[i].shape, std::move(output_buffers_[i]));
    }
    for (const auto& [output, input] : lowering_.Aliases()) {
      results[static_cast<size_t>(output)] = lowering_.InputConstant(input)->Reinterpreted(
          lowering_.OutputType(output), lowering_.OutputShape(output));
    }
    return results;
  }

 private:
  Status Allocate() {
    for (size_t i = 0; i < node_.outputs.size(); ++i) {
      MutableTensorView view;
      AlignedBuffer buffer;
      if (node_.outputs[i] != kNoValue) {
        view.dtype = lowering_.OutputType(static_cast<int>(i));
        view.shape = lowering_.OutputShape(static_cast<int>(i));
        ERGO_ASSIGN_OR_RETURN(buffer, AlignedBuffer::Allocate(static_cast<size_t>(view.Bytes())));
        view.data = buffer.Data();
      }
      outputs_.push_back(view);
      output_buffers_.push_back(std::move(buffer));
    }
    for (const auto& temporary : lowering_.Temporaries()) {
      MutableTensorView view{nullptr, temporary.dtype, Device::kCpu, temporary.shape};
      ERGO_ASSIGN_OR_RETURN(AlignedBuffer buffer,
                            AlignedBuffer::Allocate(static_cast<size_t>(view.Bytes())));
      view.data = buffer.Data();
      temporaries_.push_back(view);
      temporary_buffers_.push_back(std::move(buffer));
    }
    return {};
  }

  TensorView InputView(const Operand& operand) const {
    const auto i = static_cast<size_t>(operand.index);
    switch (operand.kind) {
      case Operand::Kind::kAbsent: return {};
      case Operand::Kind::kInput: return graph_.Constant(node_.inputs[i])->View();
      case Operand::Kind::kOutput: return outputs_[i];
      case Operand::Kind::kTemporary: return temporaries_[i];
      case Operand::Kind::kConstant: return lowering_.Constants()[i].View();
    }
    return {};
  }

  Status RunStep(const NodeLowering::RecordedStep& step) {
    std::vector<TensorView> inputs;
    for (const Operand& operand : step.inputs) inputs.push_back(InputView(operand));
    std::vector<MutableTensorView> outputs;
    for (const Operand& operand : step.outputs) {
      const auto i = static_cast<size_t>(operand.index);
      if (operand.kind == Operand::Kind::kAbsent) {
        outputs.emplace_back();
      } else {
        outputs.push_back(operand.kind == Operand::Kind::kOutput ? outputs_[i] : temporaries_[i]);
      }
    }
    const Kernel& kernel = *step.selected.kernel;
    ERGO_ASSIGN_OR_RETURN(AlignedBuffer workspace,
                          AlignedBuffer::Allocate(kernel.WorkspaceBytes()));
    SerialFor serial;
    kernel.Run({inputs, outputs, workspace.Bytes(), serial});
    return {};
  }

  const Graph& graph_;
  const Node& node_;
  NodeLowering& lowering_;
  std::vector<MutableTensorView> outputs_, temporaries_;
  std::vector<AlignedBuffer> output_buffers_, temporary_buffers_;
};

Status CheckBudget(const Node& node, const NodeLowering& lowering, const Budget& budget) {
  int64_t bytes = 0, workspace_bytes = 0, operations = 0;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const auto output = static_cast<int>(i);
    if (!lowering.HasOutput(output)) continue;
    bytes += DTypeBytes(lowering.OutputType(output), lowering.OutputShape(output).Elements());
  }
  for (const auto& temporary : lowering.Temporaries()) {
    bytes += DTypeBytes(temporary.dtype, temporary.shape.Elements());
  }
  for (const NodeLowering::RecordedStep& step : lowering.Steps()) {
    operations += step.cost.flops;
    const size_t workspace = step.selected.kernel->WorkspaceBytes();
    workspace_bytes = std::max(workspace_bytes, static_cast<int64_t>(workspace));
  }
  ERGO_RETURN_IF_ERROR(budget.CheckBytes(bytes + workspace_bytes, node.Label()));
  return budget.CheckWork(operations, 1, node.Label());
}

}  // namespace

Result<std::vector<Tensor>> EvaluateNode(const Graph& graph, const Node& node,
                                         const Budget& budget) {
  const SelectOptions select;
  NodeLowering lowering(graph, node, MakeContext{}, select);
  ERGO_RETURN_IF_ERROR(lowering.Run());
  ERGO_RETURN_IF_ERROR(CheckBudget(node, lowering, budget));
  return Evaluation(graph, node, lowering).Run();
}

}  // namespace ergo
