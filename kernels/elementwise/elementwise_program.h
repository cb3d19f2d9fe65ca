// ElementwiseProgram: a chain of elementwise operators as data, which one device function runs for
// each element. Operators that follow each other become one program, and so one launch and one pass
// over memory.
//
// An element is computed in one accumulator, of float or int64 (types of fewer bits are widened on
// the way in and rounded on the way out): the first instruction loads it, each one after that
// applies an operator to it and to operands.
//
// Thread safety: plain values.
#ifndef ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_PROGRAM_H_
#define ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_PROGRAM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "kernels/base/kernel.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/elementwise/elementwise_cuda.h"

namespace ergo {

struct ElementwiseProgram {
  struct Input {
    DType dtype = DType::kF32;
    Shape shape = {};
  };
  std::vector<Input> inputs;
  Shape output = {};  // what the inputs broadcast to
  DType output_dtype = DType::kF32;
  bool integer = false;  // computed in int64, else in float
  std::vector<cuda::ElementwiseInstruction> code;
};

// Unsupported for types that are computed in neither.
Result<ElementwiseProgram> ProgramOf(const UnaryProblem& problem);
Result<ElementwiseProgram> ProgramOf(const BinaryProblem& problem);
Result<ElementwiseProgram> ProgramOf(const WhereProblem& problem);

// The program that computes `first` and then `second` with the result as its input `operand`.
// Nothing where the two cannot be one: types or shapes that differ, too many inputs or
// instructions, or a place in `second` where a program has no accumulator. The inputs are those of
// `first`, then those of `second` without `operand`.
std::optional<ElementwiseProgram> Chain(const ElementwiseProgram& first,
                                        const ElementwiseProgram& second, size_t operand);

MadeKernel MakeProgramKernel(const ElementwiseProgram& program, const MakeContext& context);
// Of a kernel that MakeProgramKernel made; else null.
const ElementwiseProgram* FindProgram(const Kernel& kernel);

}  // namespace ergo

#endif  // ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_PROGRAM_H_
