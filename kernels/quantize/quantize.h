// Linear quantization: QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear.
//
//   quantize    y = saturate(round(x / scale) + zero_point)   round to nearest even
//   dequantize  y = (x - zero_point) * scale
//   dynamic     scale = (max(0, max(x)) - min(0, min(x))) / 255, or 1 when that is 0
//               zero_point = saturate(round(0 - min(0, min(x)) / scale)), y as in quantize, all
//               uint8
//
// One scale (and zero point) serves the whole tensor, one slice of `axis`, or `block` neighbours
// along `axis`, in which case the scales have the tensor's shape with that dimension divided by
// `block`, rounded up.
//
// Operands of quantize: inputs {x [shape] f32 f16 bf16 or i32, scale of a floating-point type,
// zero_point of the type of y, may be absent: 0}, outputs {y [shape] u8 i8 u16 i16}; of dequantize:
// inputs {x [shape] u8 i8 u16 i16 i32, scale f32 f16 bf16, zero_point of the type of x, may be
// absent}, outputs {y [shape] of the type of scale}; of dynamic: inputs {x [shape] f32}, outputs {y
// [shape] u8, scale [] f32, zero_point [] u8}. Nothing may overlap.
// The small types (small_types.h) stand for u8 and so on as well, in the reference only.
// Arithmetic: float32 division, subtraction and product, each rounded once; 16-bit floats are
// widened first and rounded once at the end. x - zero_point is exact. NaN quantizes like 0, and
// dynamic ignores it. All variants give the same bits.
// Thread safety: as every Kernel.
#ifndef ERGO_KERNELS_QUANTIZE_QUANTIZE_H_
#define ERGO_KERNELS_QUANTIZE_QUANTIZE_H_

#include <span>

#include "kernels/base/kernel.h"

namespace ergo {

// How scales belong to elements.
struct ScaleLayout {
  Shape shape;        // of x and y
  int axis = -1;      // -1: one scale for the whole tensor
  int64_t block = 0;  // 0: one scale a slice of `axis`

  // Of the scales. Needs a valid layout.
  Shape Scales() const;
};

struct QuantizeProblem {
  DType from = DType::kF32;
  DType scale = DType::kF32;
  DType to = DType::kU8;
  ScaleLayout layout;
  bool zero_point = true;  // the operand is there
  bool saturate = true;    // 8-bit floats: the largest number instead of infinity or NaN
};

struct DequantizeProblem {
  DType from = DType::kU8;
  DType to = DType::kF32;  // also of the scale
  ScaleLayout layout;
  bool zero_point = true;
};

struct DynamicQuantizeProblem {
  Shape shape;
};

std::span<const KernelVariant<QuantizeProblem>> QuantizeVariants();
std::span<const KernelVariant<DequantizeProblem>> DequantizeVariants();
std::span<const KernelVariant<DynamicQuantizeProblem>> DynamicQuantizeVariants();

KernelCost CostOf(const QuantizeProblem& problem);
KernelCost CostOf(const DequantizeProblem& problem);
KernelCost CostOf(const DynamicQuantizeProblem& problem);

}  // namespace ergo

#endif  // ERGO_KERNELS_QUANTIZE_QUANTIZE_H_
