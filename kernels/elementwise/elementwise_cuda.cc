// elementwise on a GPU: every operator is a program (elementwise_program.h) or a cast.
#include "kernels/base/checked_math.h"
#include "kernels/cuda/element.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/index_plan.h"
#include "kernels/elementwise/elementwise_program.h"

namespace ergo {
namespace {

using cuda::ElementwiseInstruction;
using cuda::ElementwiseOpcode;
using cuda::ElementwiseParameter;

ElementwiseOpcode OpcodeOf(UnaryOp op) {
  switch (op) {
#define ERGO_UNARY_OP(name, onnx, kind, formula) \
  case UnaryOp::k##name:                         \
    return ElementwiseOpcode::kUnary##name;
#include "kernels/elementwise/unary_ops.inc"
#undef ERGO_UNARY_OP
  }
  return ElementwiseOpcode::kLoad;
}

ElementwiseOpcode OpcodeOf(BinaryOp op) {
  switch (op) {
#define ERGO_BINARY_OP(name, onnx, kind, result, formula) \
  case BinaryOp::k##name:                                 \
    return ElementwiseOpcode::kBinary##name;
#include "kernels/elementwise/binary_ops.inc"
#undef ERGO_BINARY_OP
    case BinaryOp::kPow: return ElementwiseOpcode::kBinaryPow;
  }
  return ElementwiseOpcode::kLoad;
}

enum class OperandKind { kNumeric, kFloat, kInteger, kBool, kAny };

constexpr OperandKind kNumeric = OperandKind::kNumeric;

OperandKind KindOf(UnaryOp op) {
  switch (op) {
#define ERGO_UNARY_OP(name, onnx, kind, formula) \
  case UnaryOp::k##name:                         \
    return OperandKind::k##kind;
#include "kernels/elementwise/unary_ops.inc"
#undef ERGO_UNARY_OP
  }
  return kNumeric;
}

OperandKind KindOf(BinaryOp op) {
  switch (op) {
#define ERGO_BINARY_OP(name, onnx, kind, result, formula) \
  case BinaryOp::k##name:                                 \
    return OperandKind::k##kind;
#include "kernels/elementwise/binary_ops.inc"
#undef ERGO_BINARY_OP
    case BinaryOp::kPow: return OperandKind::kFloat;
  }
  return kNumeric;
}

Status CheckKind(OperandKind kind, DType dtype) {
  const bool is_bool = dtype == DType::kBool;
  const bool is_float = cuda::IsDeviceFloat(dtype), is_integer = cuda::IsDeviceInteger(dtype);
  const bool takes = (is_float && kind != OperandKind::kInteger && kind != OperandKind::kBool) ||
                     (is_integer && kind != OperandKind::kFloat && kind != OperandKind::kBool) ||
                     (is_bool && (kind == OperandKind::kBool || kind == OperandKind::kAny));
  if (takes) return {};
  return Unsupported("the operator does not take {} here", DTypeName(dtype));
}

ElementwiseInstruction LoadOf(int input) {
  return {ElementwiseOpcode::kLoad, static_cast<uint8_t>(input)};
}

Result<Shape> OutputOf(const ElementwiseProgram& program) {
  Shape output;
  for (const ElementwiseProgram::Input& input : program.inputs) {
    ERGO_ASSIGN_OR_RETURN(output, BroadcastShapes(output, input.shape));
  }
  return output;
}

class ProgramKernel final : public Kernel {
 public:
  ProgramKernel(ElementwiseProgram program, const ElementwiseParameter& parameter,
                cuda::FunctionHandle function)
      : program_(std::move(program)), parameter_(parameter), function_(function) {}

  // Elements are read before they are written, by the thread that writes them.
  bool MayRunInPlace(int index) const override {
    const auto i = static_cast<size_t>(index);
    return i < program_.inputs.size() && program_.inputs[i].shape == program_.output &&
           DTypeBits(program_.inputs[i].dtype) == DTypeBits(program_.output_dtype);
  }

  void Run(const KernelArgs& args) const override {
    if (parameter_.elements == 0) return;
    ElementwiseParameter parameter = parameter_;
    for (size_t i = 0; i < program_.inputs.size(); ++i) {
      parameter.inputs[i].data = args.inputs[i].data;
    }
    parameter.output = args.outputs[0].data;
    constexpr uint32_t kPerBlock = cuda::kElementwiseThreads * cuda::kElementwisePerThread;
    args.stream->Run(function_, {CeilDiv(parameter.elements, kPerBlock)}, cuda::kElementwiseThreads,
                     parameter);
  }

  const ElementwiseProgram& Program() const { return program_; }

 private:
  ElementwiseProgram program_;
  ElementwiseParameter parameter_;
  cuda::FunctionHandle function_;
};

class CastKernel final : public Kernel {
 public:
  CastKernel(const cuda::CastParameter& parameter, cuda::FunctionHandle function)
      : parameter_(parameter), function_(function) {}

  bool MayRunInPlace(int) const override {
    return DTypeBits(parameter_.from_dtype) == DTypeBits(parameter_.to_dtype);
  }

  void Run(const KernelArgs& args) const override {
    if (parameter_.elements == 0) return;
    cuda::CastParameter parameter = parameter_;
    parameter.from = args.inputs[0].data;
    parameter.to = args.outputs[0].data;
    args.stream->Run(function_, {CeilDiv(parameter.elements, cuda::kElementwiseThreads)},
                     cuda::kElementwiseThreads, parameter);
  }

 private:
  cuda::CastParameter parameter_;
  cuda::FunctionHandle function_;
};

template <typename Problem>
MadeKernel MakeFromProblem(const Problem& problem, const MakeContext& context) {
  ERGO_ASSIGN_OR_RETURN(const ElementwiseProgram program, ProgramOf(problem));
  return MakeProgramKernel(program, context);
}

bool Castable(DType dtype) {
  return cuda::IsDeviceFloat(dtype) || cuda::IsDeviceInteger(dtype) || dtype == DType::kBool;
}

}  // namespace

Result<ElementwiseProgram> ProgramOf(const UnaryProblem& problem) {
  ERGO_RETURN_IF_ERROR(CheckKind(KindOf(problem.op), problem.dtype));
  ElementwiseProgram program;
  program.inputs = {{problem.dtype, problem.shape}};
  program.output = problem.shape;
  program.output_dtype = OutputType(problem);
  program.integer = !cuda::IsDeviceFloat(problem.dtype);
  program.code = {LoadOf(0)};
  program.code.push_back({OpcodeOf(problem.op), 0, 0, false, problem.alpha, problem.beta});
  return program;
}

Result<ElementwiseProgram> ProgramOf(const BinaryProblem& problem) {
  ERGO_RETURN_IF_ERROR(CheckKind(KindOf(problem.op), problem.dtype));
  if (problem.b_dtype != problem.dtype) {
    return Unsupported("{} of {} and {}", BinaryOpName(problem.op), DTypeName(problem.dtype),
                       DTypeName(problem.b_dtype));
  }
  ElementwiseProgram program;
  program.inputs = {{problem.dtype, problem.a}, {problem.dtype, problem.b}};
  ERGO_ASSIGN_OR_RETURN(program.output, OutputOf(program));
  program.output_dtype = OutputType(problem);
  program.integer = !cuda::IsDeviceFloat(problem.dtype);
  program.code = {LoadOf(0), {OpcodeOf(problem.op), 1}};
  return program;
}

Result<ElementwiseProgram> ProgramOf(const WhereProblem& problem) {
  ERGO_RETURN_IF_ERROR(CheckKind(OperandKind::kAny, problem.dtype));
  ElementwiseProgram program;
  program.inputs = {
      {DType::kBool, problem.condition}, {problem.dtype, problem.a}, {problem.dtype, problem.b}};
  ERGO_ASSIGN_OR_RETURN(program.output, OutputOf(program));
  program.output_dtype = problem.dtype;
  program.integer = !cuda::IsDeviceFloat(problem.dtype);
  program.code = {LoadOf(1), {ElementwiseOpcode::kWhere, 2, 0}};
  return program;
}

std::optional<ElementwiseProgram> Chain(const ElementwiseProgram& first,
                                        const ElementwiseProgram& second, size_t operand) {
  const size_t code = first.code.size() + second.code.size() - 1;
  const size_t inputs = first.inputs.size() + second.inputs.size() - 1;
  if (code > static_cast<size_t>(cuda::kMaxElementwiseInstructions) ||
      inputs > static_cast<size_t>(cuda::kMaxElementwiseInputs)) {
    return std::nullopt;
  }
  // The accumulator holds 32-bit floats between the two: what was rounded to less there must be.
  const bool exact = first.output_dtype == DType::kF32 || first.output_dtype == DType::kI64;
  if (!exact || first.integer != second.integer || !(first.output == second.output) ||
      !(second.inputs[operand].shape == first.output)) {
    return std::nullopt;
  }
  // Only what `second` begins with, or its first operator, can take the accumulator.
  ElementwiseProgram chain = first;
  std::vector<ElementwiseInstruction> rest(second.code.begin() + 1, second.code.end());
  const bool loaded = second.code[0].operand == operand;
  if (!loaded) {
    if (rest.empty() || rest[0].operand != operand || rest[0].op < ElementwiseOpcode::kBinaryAdd) {
      return std::nullopt;
    }
    rest[0].operand = second.code[0].operand;
    rest[0].swapped = !rest[0].swapped;
  }
  const auto renumbered = [&](size_t input) {
    return static_cast<uint8_t>(first.inputs.size() + input - (input > operand ? 1 : 0));
  };
  for (ElementwiseInstruction& instruction : rest) {
    const bool reads = instruction.op == ElementwiseOpcode::kWhere ||
                       instruction.op >= ElementwiseOpcode::kBinaryAdd;
    const bool is_where = instruction.op == ElementwiseOpcode::kWhere;
    if ((reads && instruction.operand == operand) ||
        (is_where && instruction.condition == operand)) {
      return std::nullopt;  // needed twice
    }
    if (reads) instruction.operand = renumbered(instruction.operand);
    if (is_where) instruction.condition = renumbered(instruction.condition);
    chain.code.push_back(instruction);
  }
  for (size_t i = 0; i < second.inputs.size(); ++i) {
    if (i != operand) chain.inputs.push_back(second.inputs[i]);
  }
  chain.output_dtype = second.output_dtype;
  return chain;
}

MadeKernel MakeProgramKernel(const ElementwiseProgram& program, const MakeContext& context) {
  if (context.gpu == nullptr) return Unsupported("no GPU was given");
  std::vector<Shape> shapes;
  for (const ElementwiseProgram::Input& input : program.inputs) shapes.push_back(input.shape);
  ERGO_ASSIGN_OR_RETURN(const cuda::IndexPlan plan,
                        cuda::PlanBroadcastIndex(program.output, shapes));
  ERGO_ASSIGN_OR_RETURN(
      const cuda::FunctionHandle function,
      context.gpu->Find("elementwise",
                        program.integer ? "ergo_elementwise_integer" : "ergo_elementwise_float"));
  ElementwiseParameter parameter;
  parameter.elements = plan.elements;
  parameter.axes = plan.axes;
  parameter.output_dtype = program.output_dtype;
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    cuda::ElementwiseInput& input = parameter.inputs[i];
    input.dtype = program.inputs[i].dtype;
    input.strides = plan.operands[i];
    input.walk = plan.IsScalar(i)  ? cuda::ElementwiseWalk::kScalar
                 : plan.IsDense(i) ? cuda::ElementwiseWalk::kDense
                                   : cuda::ElementwiseWalk::kStrided;
  }
  for (const ElementwiseInstruction& instruction : program.code) {
    parameter.code[parameter.instructions++] = instruction;
  }
  return MadeKernel(std::make_unique<ProgramKernel>(program, parameter, function));
}

const ElementwiseProgram* FindProgram(const Kernel& kernel) {
  const auto* made = dynamic_cast<const ProgramKernel*>(&kernel);
  return made == nullptr ? nullptr : &made->Program();
}

MadeKernel MakeElementwiseCuda(const UnaryProblem& problem, const MakeContext& context) {
  return MakeFromProblem(problem, context);
}
MadeKernel MakeElementwiseCuda(const BinaryProblem& problem, const MakeContext& context) {
  return MakeFromProblem(problem, context);
}
MadeKernel MakeElementwiseCuda(const WhereProblem& problem, const MakeContext& context) {
  return MakeFromProblem(problem, context);
}

MadeKernel MakeElementwiseCuda(const CastProblem& problem, const MakeContext& context) {
  if (context.gpu == nullptr) return Unsupported("no GPU was given");
  const bool wide_integer = cuda::IsDeviceInteger(problem.from) && DTypeBits(problem.from) > 16;
  if (!Castable(problem.from) || !Castable(problem.to) ||
      (wide_integer && problem.to == DType::kBF16)) {
    return Unsupported("cast from {} to {}", DTypeName(problem.from), DTypeName(problem.to));
  }
  const int64_t dims[] = {problem.shape.Elements()};
  ERGO_ASSIGN_OR_RETURN(const cuda::IndexPlan plan, cuda::PlanIndex(dims, {}));
  ERGO_ASSIGN_OR_RETURN(const cuda::FunctionHandle function,
                        context.gpu->Find("elementwise", "ergo_cast"));
  cuda::CastParameter parameter;
  parameter.from_dtype = problem.from;
  parameter.to_dtype = problem.to;
  parameter.elements = plan.elements;
  return MadeKernel(std::make_unique<CastKernel>(parameter, function));
}

}  // namespace ergo
