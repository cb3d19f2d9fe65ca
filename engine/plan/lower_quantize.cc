#include <array>

#include "engine/graph/op_schema.h"
#include "engine/plan/lowering.h"
#include "kernels/quantize/quantize.h"

namespace ergo {
namespace {

Result<ScaleLayout> LayoutOf(const LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape &x = context.InputShape(0), &scale = context.InputShape(1);
  ScaleLayout layout{x, -1, 0};
  if (node.IntAttr("precision", 0) > static_cast<int64_t>(DType::kF32)) {
    return Unsupported("precision other than float32");
  }
  const int64_t block = node.IntAttr("block_size", 0);
  // One scale in a list serves everything too.
  if (block != 0 || scale.Rank() > 1 || scale.Elements() != 1) {
    ERGO_ASSIGN_OR_RETURN(layout.axis, NormalizeAxis(node.IntAttr("axis", 1), x.Rank()));
    if (block < 0) return InvalidArgument("block_size {}", block);
    layout.block = block;
  }
  const bool fits = layout.axis < 0 || layout.Scales() == scale;
  const bool one = scale.Elements() == 1;
  if (!fits || (context.HasInput(2) && !(context.InputShape(2) == scale) &&
                !(one && context.InputShape(2).Elements() == 1))) {
    return InvalidArgument("scale {} and zero point {} for {}, axis {}, block_size {}",
                           scale.ToString(),
                           context.HasInput(2) ? context.InputShape(2).ToString() : "absent",
                           x.ToString(), layout.axis, block);
  }
  return layout;
}

Status LowerQuantizeLinear(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(const ScaleLayout layout, LayoutOf(context));
  const QuantizeProblem problem{
      context.InputType(0),  context.InputType(1),
      context.OutputType(0), layout,
      context.HasInput(2),   context.GetNode().IntAttr("saturate", 1) != 0};
  return context.Emit(QuantizeVariants(), problem, {In(0), In(1), In(2)}, {Out(0)});
}

Status LowerDequantizeLinear(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(const ScaleLayout layout, LayoutOf(context));
  if (context.OutputType(0) != context.InputType(1)) {
    return Unsupported("output_dtype {} with scales of {}", DTypeName(context.OutputType(0)),
                       DTypeName(context.InputType(1)));
  }
  const DequantizeProblem problem{context.InputType(0), context.OutputType(0), layout,
                                  context.HasInput(2)};
  return context.Emit(DequantizeVariants(), problem, {In(0), In(1), In(2)}, {Out(0)});
}

Status LowerDynamicQuantizeLinear(LowerContext& context) {
  if (context.InputType(0) != DType::kF32) {
    return InvalidArgument("x is {}, not float32", DTypeName(context.InputType(0)));
  }
  Operand values = Out(0);
  // The scale and the zero point may be all that is wanted.
  if (!context.HasOutput(0)) values = context.Temporary(DType::kU8, context.InputShape(0));
  return context.Emit(DynamicQuantizeVariants(), DynamicQuantizeProblem{context.InputShape(0)},
                      {In(0)}, {values, Out(1), Out(2)});
}

constexpr std::array kLowerings = {
    Lowering{"", "DequantizeLinear", LowerDequantizeLinear},
    Lowering{"", "DynamicQuantizeLinear", LowerDynamicQuantizeLinear},
    Lowering{"", "QuantizeLinear", LowerQuantizeLinear},
};

}  // namespace

std::span<const Lowering> QuantizeLowerings() {
  return kLowerings;
}

}  // namespace ergo
