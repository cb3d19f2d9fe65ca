// Layout operators, those that need no step at all, and the table of the whole family.
#include "engine/plan/lower_move.h"

#include <algorithm>
#include <array>

#include "engine/graph/move_params.h"
#include "engine/graph/op_schema.h"
#include "kernels/move/concat.h"

namespace ergo {
namespace move_lowering {
namespace {

Status LowerAlias(LowerContext& context) {
  context.Alias(0, 0);
  return {};
}

// The axes of more than one element keep their order.
bool MovesOnlyOnes(const Shape& shape, std::span<const int> perm) {
  int last = -1;
  for (const int axis : perm) {
    if (shape[axis] == 1) continue;
    if (axis < last) return false;
    last = axis;
  }
  return true;
}

Status LowerTranspose(LowerContext& context) {
  const Shape& input = context.InputShape(0);
  ERGO_ASSIGN_OR_RETURN(const std::vector<int> perm,
                        TransposePermutation(context.GetNode().IntsAttr("perm"), input.Rank()));
  if (MovesOnlyOnes(input, perm)) return LowerAlias(context);
  return EmitStridedCopy(context, move::TransposeCopy(context.InputType(0), input, perm));
}

Status LowerSlice(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(const auto starts, context.IntsFromAttrOrInput("starts", 1));
  ERGO_ASSIGN_OR_RETURN(const auto ends, context.IntsFromAttrOrInput("ends", 2));
  ERGO_ASSIGN_OR_RETURN(const auto axes, context.IntsFromAttrOrInput("axes", 3));
  ERGO_ASSIGN_OR_RETURN(const auto steps, context.IntsFromAttrOrInput("steps", 4));
  if (!starts || !ends) return InvalidArgument("no starts or no ends");
  const Shape& input = context.InputShape(0);
  ERGO_ASSIGN_OR_RETURN(const std::vector<SliceRequest> requests,
                        SliceRequests(*starts, *ends, axes ? &*axes : nullptr,
                                      steps ? &*steps : nullptr, input.Rank()));
  std::vector<move::AxisSlice> slices;
  for (const int64_t dim : input.Dims()) slices.push_back({0, 1, dim});
  for (const SliceRequest& request : requests) {
    slices[static_cast<size_t>(request.axis)] =
        ClampSlice(request.start, request.end, request.step, input[request.axis]);
  }
  return EmitStridedCopy(context, move::SliceCopy(context.InputType(0), input, slices));
}

Status LowerExpand(LowerContext& context) {
  return EmitStridedCopy(context, move::ExpandCopy(context.InputType(0), context.InputShape(0),
                                                   context.OutputShape(0)));
}

Status LowerTile(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(const auto repeats, context.InputInts(1));
  return EmitStridedCopy(context,
                         move::TileCopy(context.InputType(0), context.InputShape(0), *repeats));
}

Result<move::DepthOrder> ReadDepthOrder(const Node& node) {
  const std::string mode = node.StringAttr("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") return InvalidArgument("mode '{}'", mode);
  return mode == "DCR" ? move::DepthOrder::kDcr : move::DepthOrder::kCrd;
}

Status LowerDepthToSpace(LowerContext& context) {
  const Node& node = context.GetNode();
  ERGO_ASSIGN_OR_RETURN(const move::DepthOrder order, ReadDepthOrder(node));
  return EmitStridedCopy(context,
                         move::DepthToSpaceCopy(context.InputType(0), context.InputShape(0),
                                                node.IntAttr("blocksize", 0), order));
}

Status LowerSpaceToDepth(LowerContext& context) {
  const Node& node = context.GetNode();
  ERGO_ASSIGN_OR_RETURN(const move::DepthOrder order, ReadDepthOrder(node));
  return EmitStridedCopy(context,
                         move::SpaceToDepthCopy(context.InputType(0), context.InputShape(0),
                                                node.IntAttr("blocksize", 0), order));
}

struct Part {
  Operand operand;
  Shape shape;
};

Status EmitConcat(LowerContext& context, std::span<const Part> parts, int axis, Operand output) {
  move::ConcatProblem problem;
  problem.dtype = context.OutputType(0);
  problem.axis = axis;
  std::vector<Operand> operands;
  for (const Part& part : parts) {
    problem.inputs.push_back(part.shape);
    operands.push_back(part.operand);
  }
  return context.EmitSpan(move::ConcatVariants(), problem, operands, std::span(&output, 1));
}

Status LowerConcat(LowerContext& context) {
  const auto inputs = static_cast<int>(context.GetNode().inputs.size());
  ERGO_ASSIGN_OR_RETURN(const int axis, NormalizeAxis(context.GetNode().IntAttr("axis", 1),
                                                      context.OutputShape(0).Rank()));
  if (inputs == 1) return LowerAlias(context);
  std::vector<Part> parts;
  for (int i = 0; i < inputs; ++i) parts.push_back({In(i), context.InputShape(i)});
  // More inputs than a kernel takes are joined in groups, and the groups again.
  constexpr size_t kMaxParts = kMaxKernelOperands - 1;
  while (parts.size() > kMaxParts) {
    std::vector<Part> joined;
    for (size_t begin = 0; begin < parts.size(); begin += kMaxParts) {
      const auto group = std::span(parts).subspan(begin, std::min(kMaxParts, parts.size() - begin));
      Shape shape = group[0].shape;
      for (const Part& part : group.subspan(1)) shape[axis] += part.shape[axis];
      const Operand whole = context.Temporary(context.OutputType(0), shape);
      ERGO_RETURN_IF_ERROR(EmitConcat(context, group, axis, whole));
      joined.push_back({whole, shape});
    }
    parts = std::move(joined);
  }
  return EmitConcat(context, parts, axis, Out(0));
}

Status LowerSplit(LowerContext& context) {
  const auto outputs = static_cast<int>(context.GetNode().outputs.size());
  const Shape& input = context.InputShape(0);
  ERGO_ASSIGN_OR_RETURN(const int axis,
                        NormalizeAxis(context.GetNode().IntAttr("axis", 0), input.Rank()));
  ERGO_ASSIGN_OR_RETURN(const auto given, context.IntsFromAttrOrInput("split", 1));
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> sizes,
                        SplitSizes(input[axis], given ? &*given : nullptr,
                                   static_cast<size_t>(outputs), context.GetNode().opset < 18));
  if (outputs == 1) return LowerAlias(context);
  if (outputs < kMaxKernelOperands) {
    std::vector<Operand> operands;
    for (int i = 0; i < outputs; ++i) operands.push_back(Out(i));
    const Operand from = In(0);
    return context.EmitSpan(move::SplitVariants(),
                            move::SplitProblem{context.InputType(0), input, axis, sizes},
                            std::span(&from, 1), operands);
  }
  // More outputs than a kernel has: a slice each.
  int64_t start = 0;
  for (int i = 0; i < outputs; ++i) {
    std::vector<move::AxisSlice> slices;
    for (const int64_t dim : input.Dims()) slices.push_back({0, 1, dim});
    const int64_t size = sizes[static_cast<size_t>(i)];
    slices[static_cast<size_t>(axis)] = {start, 1, size};
    start += size;
    if (!context.HasOutput(i)) continue;
    ERGO_RETURN_IF_ERROR(context.Emit(move::StridedCopyVariants(),
                                      move::SliceCopy(context.InputType(0), input, slices), {In(0)},
                                      {Out(i)}));
  }
  return {};
}

}  // namespace

Status EmitStridedCopy(LowerContext& context, const move::StridedCopyProblem& problem) {
  if (move::KeepsEveryByte(problem)) return LowerAlias(context);
  return context.Emit(move::StridedCopyVariants(), problem, {In(0)}, {Out(0)});
}

Status EmitConstant(LowerContext& context, int output, Tensor tensor) {
  const auto problem = move::PlainCopy(tensor.Type(), tensor.GetShape());
  return context.Emit(move::StridedCopyVariants(), problem, {context.Constant(std::move(tensor))},
                      {Out(output)});
}

Status EmitRepeated(LowerContext& context, int output, Tensor element) {
  const auto problem =
      move::ExpandCopy(element.Type(), element.GetShape(), context.OutputShape(output));
  return context.Emit(move::StridedCopyVariants(), problem, {context.Constant(std::move(element))},
                      {Out(output)});
}

Result<Tensor> ScalarOf(DType dtype, double value) {
  switch (dtype) {
    case DType::kF64: return Tensor::Scalar<double>(value);
    case DType::kF32: return Tensor::Scalar<float>(static_cast<float>(value));
    case DType::kF16: return Tensor::Scalar<Float16>(Float16(static_cast<float>(value)));
    case DType::kBF16: return Tensor::Scalar<BFloat16>(BFloat16(static_cast<float>(value)));
    case DType::kI64: return Tensor::Scalar<int64_t>(static_cast<int64_t>(value));
    case DType::kU64: return Tensor::Scalar<uint64_t>(static_cast<uint64_t>(value));
    case DType::kI32: return Tensor::Scalar<int32_t>(static_cast<int32_t>(value));
    case DType::kU32: return Tensor::Scalar<uint32_t>(static_cast<uint32_t>(value));
    case DType::kI16: return Tensor::Scalar<int16_t>(static_cast<int16_t>(value));
    case DType::kU16: return Tensor::Scalar<uint16_t>(static_cast<uint16_t>(value));
    case DType::kI8: return Tensor::Scalar<int8_t>(static_cast<int8_t>(value));
    case DType::kU8: return Tensor::Scalar<uint8_t>(static_cast<uint8_t>(value));
    case DType::kBool: return Tensor::Scalar<bool>(value != 0);
    default: return Unsupported("a value of type {}", DTypeName(dtype));
  }
}

}  // namespace move_lowering

namespace {

using namespace move_lowering;  // NOLINT: the table of just these lowerings

constexpr std::array kLowerings = {
    Lowering{"", "CenterCropPad", LowerCenterCropPad},
    Lowering{"", "Concat", LowerConcat},
    Lowering{"", "ConstantOfShape", LowerConstantOfShape},
    Lowering{"", "DepthToSpace", LowerDepthToSpace},
    Lowering{"", "Expand", LowerExpand},
    Lowering{"", "EyeLike", LowerEyeLike},
    Lowering{"", "Flatten", LowerAlias},
    Lowering{"", "Gather", LowerGather},
    Lowering{"", "GatherElements", LowerGatherElements},
    Lowering{"", "GatherND", LowerGatherNd},
    Lowering{"", "OneHot", LowerOneHot},
    Lowering{"", "Pad", LowerPad},
    Lowering{"", "Range", LowerRange},
    Lowering{"", "Reshape", LowerAlias},
    Lowering{"", "Resize", LowerResize},
    Lowering{"", "ReverseSequence", LowerReverseSequence},
    Lowering{"", "Scatter", LowerScatterElements},
    Lowering{"", "ScatterElements", LowerScatterElements},
    Lowering{"", "ScatterND", LowerScatterNd},
    Lowering{"", "Shape", LowerShape},
    Lowering{"", "Size", LowerSize},
    Lowering{"", "Slice", LowerSlice},
    Lowering{"", "SpaceToDepth", LowerSpaceToDepth},
    Lowering{"", "Split", LowerSplit},
    Lowering{"", "Squeeze", LowerAlias},
    Lowering{"", "Tile", LowerTile},
    Lowering{"", "Transpose", LowerTranspose},
    Lowering{"", "Trilu", LowerTrilu},
    Lowering{"", "Unsqueeze", LowerAlias},
    Lowering{"", "Upsample", LowerResize},
};

}  // namespace

std::span<const Lowering> MoveLowerings() {
  return kLowerings;
}

}  // namespace ergo
