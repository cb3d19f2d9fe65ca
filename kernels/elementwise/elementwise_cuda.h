// What host and device agree on to run elementwise programs and casts: their parameters.
#ifndef ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_CUDA_H_
#define ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_CUDA_H_

#include <cstdint>

#include "kernels/base/dtype.h"
#include "kernels/cuda/strided_index.h"

namespace ergo::cuda {

enum class ElementwiseOpcode : uint8_t {
  kLoad,   // accumulator = operand
  kWhere,  // accumulator = condition ? accumulator : operand; swapped: the other way round
#define ERGO_UNARY_OP(name, onnx, kind, formula) kUnary##name,
#include "kernels/elementwise/unary_ops.inc"
#undef ERGO_UNARY_OP
#define ERGO_BINARY_OP(name, onnx, kind, result, formula) kBinary##name,
#include "kernels/elementwise/binary_ops.inc"
#undef ERGO_BINARY_OP
  kBinaryPow,
};

struct ElementwiseInstruction {
  ElementwiseOpcode op = ElementwiseOpcode::kLoad;
  uint8_t operand = 0;    // an input
  uint8_t condition = 0;  // an input, of kWhere
  bool swapped = false;   // the accumulator is the right operand
  float alpha = 0, beta = 0;
};

inline constexpr int kMaxElementwiseInputs = 6;
inline constexpr int kMaxElementwiseInstructions = 16;
inline constexpr uint32_t kElementwiseThreads = 256;
inline constexpr uint32_t kElementwisePerThread = 4;

enum class ElementwiseWalk : uint8_t { kDense, kScalar, kStrided };

struct ElementwiseInput {
  const void* data = nullptr;
  DType dtype = DType::kF32;
  ElementwiseWalk walk = ElementwiseWalk::kDense;
  IndexStrides strides;
};

struct ElementwiseParameter {
  uint32_t elements = 0;
  IndexAxes axes;
  ElementwiseInput inputs[kMaxElementwiseInputs];
  void* output = nullptr;
  DType output_dtype = DType::kF32;
  int32_t instructions = 0;
  ElementwiseInstruction code[kMaxElementwiseInstructions];
};

struct CastParameter {
  const void* from = nullptr;
  void* to = nullptr;
  DType from_dtype = DType::kF32, to_dtype = DType::kF32;
  uint32_t elements = 0;
};

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_ELEMENTWISE_ELEMENTWISE_CUDA_H_
