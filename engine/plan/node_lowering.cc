#include "engine/plan/node_lowering.h"

namespace ergo {

Status NodeLowering::CollectShapes(const std::vector<ValueId>& ids,
                                   std::vector<Shape>& shapes) const {
  for (const ValueId id : ids) {
    if (id == kNoValue) {
      shapes.emplace_back();
      continue;
    }
    const Value& value = graph_.GetValue(id);
    const std::optional<Shape> shape = value.shape.Concrete();
    if (!shape || value.dtype == DType::kUndefined) {
      return Unsupported("the shape of '{}', {}, is not known before the run", value.name,
                         value.shape.ToString());
    }
    shapes.push_back(*shape);
  }
  return {};
}

Status NodeLowering::Run() {
  ERGO_RETURN_IF_ERROR(CollectShapes(node_.inputs, input_shapes_).WithContext(node_.Label()));
  ERGO_RETURN_IF_ERROR(CollectShapes(node_.outputs, output_shapes_).WithContext(node_.Label()));
  const Lowering* lowering = FindLowering(node_.domain, node_.op);
  if (lowering == nullptr) {
    return Unsupported("{}: there is no kernel for this operator", node_.Label());
  }
  return lowering->lower(*this).WithContext(node_.Label());
}

DType NodeLowering::InputType(int i) const {
  return graph_.GetValue(node_.Input(static_cast<size_t>(i))).dtype;
}

const Shape& NodeLowering::InputShape(int i) const {
  ERGO_CHECK_MSG(HasInput(i), "{}: input {} is absent", node_.Label(), i);
  return input_shapes_[static_cast<size_t>(i)];
}

const Tensor* NodeLowering::InputConstant(int i) const {
  if (!HasInput(i)) return nullptr;
  const Tensor* constant = graph_.Constant(node_.Input(static_cast<size_t>(i)));
  if (constant == nullptr) missing_.push_back(static_cast<size_t>(i));
  return constant;
}

DType NodeLowering::OutputType(int i) const {
  return graph_.GetValue(node_.Output(static_cast<size_t>(i))).dtype;
}

const Shape& NodeLowering::OutputShape(int i) const {
  ERGO_CHECK_MSG(HasOutput(i), "{}: output {} is not wanted", node_.Label(), i);
  return output_shapes_[static_cast<size_t>(i)];
}

Operand NodeLowering::Temporary(DType dtype, const Shape& shape) {
  temporaries_.push_back({dtype, shape});
  return {Operand::Kind::kTemporary, static_cast<int>(temporaries_.size()) - 1};
}

Operand NodeLowering::Constant(Tensor tensor) {
  constants_.push_back(std::move(tensor));
  return {Operand::Kind::kConstant, static_cast<int>(constants_.size()) - 1};
}

void NodeLowering::Alias(int output, int input) {
  ERGO_CHECK_MSG(OutputShape(output).Elements() == InputShape(input).Elements() &&
                     DTypeBits(OutputType(output)) == DTypeBits(InputType(input)),
                 "{}: {} is not the bytes of {}", node_.Label(), OutputShape(output).ToString(),
                 InputShape(input).ToString());
  aliases_.emplace_back(output, input);
}

void NodeLowering::Append(Selected selected, const KernelCost& cost,
                          std::span<const Operand> inputs, std::span<const Operand> outputs) {
  RecordedStep step{std::move(selected), cost, {}, {}, {}};
  for (const Operand& operand : inputs) {
    const bool absent = operand.kind == Operand::Kind::kInput && !HasInput(operand.index);
    step.inputs.push_back(absent ? Absent() : operand);
  }
  for (const Operand& operand : outputs) {
    const bool absent = operand.kind == Operand::Kind::kOutput && !HasOutput(operand.index);
    step.outputs.push_back(absent ? Absent() : operand);
  }
  steps_.push_back(std::move(step));
}

}  // namespace ergo
