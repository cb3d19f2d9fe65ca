#include "kernels/elementwise/epilogue_program.h"

namespace ergo {
namespace {

using cuda::ElementwiseInstruction;
using cuda::ElementwiseOpcode;

ElementwiseInstruction InstructionOf(const ActivationSpec& spec) {
  using Op = ElementwiseOpcode;
  const auto with = [&](Op op, float alpha, float beta) {
    return ElementwiseInstruction{op, 0, 0, false, alpha, beta};
  };
  switch (spec.kind) {
    case Activation::kNone: break;
    case Activation::kRelu: return with(Op::kUnaryRelu, 0, 0);
    case Activation::kLeakyRelu: return with(Op::kUnaryLeakyRelu, spec.alpha, 0);
    case Activation::kClip: return with(Op::kUnaryClip, spec.alpha, spec.beta);
    case Activation::kSigmoid: return with(Op::kUnarySigmoid, 0, 0);
    case Activation::kTanh: return with(Op::kUnaryTanh, 0, 0);
    case Activation::kSilu: return with(Op::kUnarySwish, 1, 0);
    case Activation::kHardSwish: return with(Op::kUnaryHardSwish, 0, 0);
    case Activation::kGelu: return with(Op::kUnaryGelu, 0, 0);
  }
  return with(Op::kLoad, 0, 0);
}

}  // namespace

ElementwiseProgram EpilogueProgram(DType dtype, const Shape& y, std::span<const Shape> operands,
                                   const ActivationSpec& activation) {
  ElementwiseProgram program;
  program.output = y;
  program.output_dtype = dtype;
  program.inputs.push_back({dtype, y});
  program.code.push_back({ElementwiseOpcode::kLoad, 0});
  for (const Shape& operand : operands) {
    const auto number = static_cast<uint8_t>(program.inputs.size());
    program.code.push_back({ElementwiseOpcode::kBinaryAdd, number});
    program.inputs.push_back({dtype, operand});
  }
  if (activation.kind != Activation::kNone) program.code.push_back(InstructionOf(activation));
  return program;
}

}  // namespace ergo
