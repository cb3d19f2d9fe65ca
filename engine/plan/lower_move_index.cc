// Operators that pick, place or make elements.
#include <algorithm>

#include "engine/graph/limits.h"
#include "engine/graph/move_params.h"
#include "engine/graph/op_schema.h"
#include "engine/plan/lower_move.h"
#include "kernels/base/visit_dtype.h"
#include "kernels/move/arrange.h"
#include "kernels/move/gather.h"
#include "kernels/move/pad.h"
#include "kernels/move/scatter.h"

namespace ergo::move_lowering {
namespace {

// Indices that are known at plan time are checked there. `dims` repeats along the indices.
Status CheckConstantIndices(const LowerContext& context, int input, std::span<const int64_t> dims) {
  if (context.InputConstant(input) == nullptr || dims.empty()) return {};
  ERGO_ASSIGN_OR_RETURN(const auto indices, context.InputInts(input));
  for (size_t i = 0; i < indices->size(); ++i) {
    const int64_t index = (*indices)[i], dim = dims[i % dims.size()];
    if (index < -dim || index >= dim) {
      return InvalidArgument("index {} is outside a dimension of {}", index, dim);
    }
  }
  return {};
}

Result<int> AxisOf(const LowerContext& context, const Shape& shape, int64_t fallback) {
  return NormalizeAxis(context.GetNode().IntAttr("axis", fallback), shape.Rank());
}

Result<move::ScatterReduction> ReductionOf(const Node& node) {
  const std::string name = node.StringAttr("reduction", "none");
  if (name == "none") return move::ScatterReduction::kNone;
  if (name == "add") return move::ScatterReduction::kAdd;
  if (name == "mul") return move::ScatterReduction::kMul;
  if (name == "min") return move::ScatterReduction::kMin;
  if (name == "max") return move::ScatterReduction::kMax;
  return InvalidArgument("reduction '{}'", name);
}

Status EmitPad(LowerContext& context, move::PadMode mode, std::vector<move::AxisPads> pads,
               Operand value) {
  move::PadProblem problem{context.InputType(0), context.InputShape(0), std::move(pads), mode};
  const bool nothing = std::ranges::all_of(
      problem.pads, [](const move::AxisPads& p) { return p.before == 0 && p.after == 0; });
  if (nothing) {
    context.Alias(0, 0);
    return {};
  }
  return context.Emit(move::PadVariants(), problem, {In(0), value}, {Out(0)});
}

// Not for int64, whose values need not be doubles.
template <typename T>
Tensor RangeValues(int64_t count, double start, double delta) {
  std::vector<T> values;
  for (int64_t i = 0; i < count; ++i) {
    const double value = start + static_cast<double>(i) * delta;
    if constexpr (std::is_arithmetic_v<T>) {
      values.push_back(static_cast<T>(value));
    } else {
      values.push_back(T(static_cast<float>(value)));
    }
  }
  return Tensor::FromValues<T>(Shape{count}, values);
}

Tensor RangeInt64(int64_t count, int64_t start, int64_t delta) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(start + i * delta);
  return Tensor::FromValues<int64_t>(Shape{count}, values);
}

}  // namespace

Status LowerGather(LowerContext& context) {
  const Shape& data = context.InputShape(0);
  ERGO_ASSIGN_OR_RETURN(const int axis, AxisOf(context, data, 0));
  const int64_t dim = data[axis];
  ERGO_RETURN_IF_ERROR(CheckConstantIndices(context, 1, std::span(&dim, 1)));
  return context.Emit(move::GatherVariants(),
                      move::GatherProblem{context.InputType(0), context.InputType(1), data,
                                          context.InputShape(1), axis},
                      {In(0), In(1)}, {Out(0)});
}

Status LowerGatherElements(LowerContext& context) {
  const Shape& data = context.InputShape(0);
  ERGO_ASSIGN_OR_RETURN(const int axis, AxisOf(context, data, 0));
  const int64_t dim = data[axis];
  ERGO_RETURN_IF_ERROR(CheckConstantIndices(context, 1, std::span(&dim, 1)));
  return context.Emit(move::GatherElementsVariants(),
                      move::GatherElementsProblem{context.InputType(0), context.InputType(1), data,
                                                  context.InputShape(1), axis},
                      {In(0), In(1)}, {Out(0)});
}

Status LowerGatherNd(LowerContext& context) {
  const Shape &data = context.InputShape(0), &indices = context.InputShape(1);
  const auto batch = static_cast<int>(context.GetNode().IntAttr("batch_dims", 0));
  const int64_t tuple = indices[indices.Rank() - 1];
  ERGO_RETURN_IF_ERROR(CheckConstantIndices(
      context, 1, data.Dims().subspan(static_cast<size_t>(batch), static_cast<size_t>(tuple))));
  return context.Emit(
      move::GatherNdVariants(),
      move::GatherNdProblem{context.InputType(0), context.InputType(1), data, indices, batch},
      {In(0), In(1)}, {Out(0)});
}

Status LowerPad(LowerContext& context) {
  const Node& node = context.GetNode();
  ERGO_ASSIGN_OR_RETURN(const auto pads, context.IntsFromAttrOrInput("pads", 1));
  ERGO_ASSIGN_OR_RETURN(const auto axes, context.InputInts(3));
  if (!pads) return InvalidArgument("no pads");
  ERGO_ASSIGN_OR_RETURN(std::vector<move::AxisPads> per_axis,
                        PadsPerAxis(*pads, axes ? &*axes : nullptr, context.InputShape(0).Rank()));
  const std::string name = node.StringAttr("mode", "constant");
  move::PadMode mode = move::PadMode::kConstant;
  if (name == "edge") {
    mode = move::PadMode::kEdge;
  } else if (name == "reflect") {
    mode = move::PadMode::kReflect;
  } else if (name == "wrap") {
    mode = move::PadMode::kWrap;
  } else if (name != "constant") {
    return InvalidArgument("mode '{}'", name);
  }
  Operand value = In(2);
  if (context.HasInput(2)) {
    if (context.InputType(2) != context.InputType(0) || context.InputShape(2).Elements() != 1) {
      return InvalidArgument("constant_value must be one {}", DTypeName(context.InputType(0)));
    }
  } else if (node.opset < 11) {
    ERGO_ASSIGN_OR_RETURN(Tensor constant,
                          ScalarOf(context.InputType(0), double{node.FloatAttr("value", 0)}));
    value = context.Constant(std::move(constant));
  }
  return EmitPad(context, mode, std::move(per_axis), value);
}

Status LowerCenterCropPad(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(const auto target, context.InputInts(1));
  ERGO_ASSIGN_OR_RETURN(
      std::vector<move::AxisPads> pads,
      CenterCropPads(context.InputShape(0), *target, context.GetNode().IntsAttr("axes")));
  return EmitPad(context, move::PadMode::kConstant, std::move(pads), Absent());
}

Status LowerShape(LowerContext& context) {
  const Shape& input = context.InputShape(0);
  const Node& node = context.GetNode();
  const AxisRange range =
      ShapeRange(node.IntAttr("start", 0), node.IntAttr("end", input.Rank()), input.Rank());
  const auto dims = input.Dims().subspan(static_cast<size_t>(range.first),
                                         static_cast<size_t>(range.last - range.first));
  return EmitConstant(context, 0,
                      Tensor::FromValues<int64_t>(Shape{range.last - range.first}, dims));
}

Status LowerSize(LowerContext& context) {
  return EmitConstant(context, 0, Tensor::Scalar<int64_t>(context.InputShape(0).Elements()));
}

Status LowerRange(LowerContext& context) {
  for (int i = 0; i < 3; ++i) {
    if (context.InputConstant(i) == nullptr) {
      return Unsupported("input {} must be known before the run: it decides the shape", i);
    }
  }
  const Tensor &start = *context.InputConstant(0), &delta = *context.InputConstant(2);
  const int64_t count = context.OutputShape(0).Elements();
  if (DTypeBytes(start.Type(), count) > kMaxFoldedBytes) {
    return Unsupported("a range of {} elements is above the limit of {} bytes", count,
                       kMaxFoldedBytes);
  }
  if (start.Type() == DType::kI64) {
    return EmitConstant(context, 0,
                        RangeInt64(count, start.Span<int64_t>()[0], delta.Span<int64_t>()[0]));
  }
  ERGO_ASSIGN_OR_RETURN(const double from, ScalarAsDouble(start));
  ERGO_ASSIGN_OR_RETURN(const double by, ScalarAsDouble(delta));
  const Tensor values = VisitDType(start.Type(), [&]<typename T>(TypeTag<T>) {
    if constexpr (std::is_same_v<T, bool>) {
      return Tensor();
    } else {
      return RangeValues<T>(count, from, by);
    }
  });
  if (values.Type() == DType::kUndefined) return Unsupported("a range of bool");
  return EmitConstant(context, 0, values);
}

Status LowerEyeLike(LowerContext& context) {
  const Shape& shape = context.OutputShape(0);
  const DType dtype = context.OutputType(0);
  const int64_t rows = shape[0], columns = shape[1], k = context.GetNode().IntAttr("k", 0);
  ERGO_ASSIGN_OR_RETURN(Tensor zero, ScalarOf(dtype, 0));
  if (shape.Elements() == 0 || k <= -rows || k >= columns) {
    return EmitRepeated(context, 0, std::move(zero));
  }
  // One 1 among zeros, seen through a window that moves by one from row to row.
  const int64_t length = rows + columns - 1;
  ERGO_ASSIGN_OR_RETURN(const Tensor one, ScalarOf(dtype, 1));
  const auto bytes = static_cast<size_t>(one.Bytes());
  ERGO_ASSIGN_OR_RETURN(AlignedBuffer line,
                        AlignedBuffer::Allocate(bytes * static_cast<size_t>(length)));
  std::ranges::fill(line.Bytes(), std::byte{0});
  std::memcpy(line.Data() + static_cast<size_t>(rows - 1 + k) * bytes, one.Data(), bytes);
  move::StridedCopyProblem problem;
  problem.dtype = dtype;
  problem.input = Shape{length};
  problem.output = shape;
  problem.offset = rows - 1;
  problem.axes = {{rows, -1}, {columns, 1}};
  const Operand constant = context.Constant(Tensor(dtype, problem.input, std::move(line)));
  return context.Emit(move::StridedCopyVariants(), problem, {constant}, {Out(0)});
}

Status LowerConstantOfShape(LowerContext& context) {
  const Tensor* value = context.GetNode().TensorAttr("value");
  return EmitRepeated(context, 0,
                      value != nullptr ? value->Reshaped(Shape()) : Tensor::Scalar<float>(0));
}

Status LowerScatterElements(LowerContext& context) {
  const Shape &data = context.InputShape(0), &indices = context.InputShape(1);
  if (!(context.InputShape(2) == indices)) {
    return InvalidArgument("updates {} for indices {}", context.InputShape(2).ToString(),
                           indices.ToString());
  }
  ERGO_ASSIGN_OR_RETURN(const int axis, AxisOf(context, data, 0));
  const int64_t dim = data[axis];
  ERGO_RETURN_IF_ERROR(CheckConstantIndices(context, 1, std::span(&dim, 1)));
  ERGO_ASSIGN_OR_RETURN(const move::ScatterReduction reduction, ReductionOf(context.GetNode()));
  const move::ScatterElementsProblem problem{
      context.InputType(0), context.InputType(1), data, indices, axis, reduction};
  return context.Emit(move::ScatterElementsVariants(), problem, {In(0), In(1), In(2)}, {Out(0)});
}

Status LowerScatterNd(LowerContext& context) {
  const Shape &data = context.InputShape(0), &indices = context.InputShape(1);
  ERGO_ASSIGN_OR_RETURN(const move::ScatterReduction reduction, ReductionOf(context.GetNode()));
  const move::ScatterNdProblem problem{
      context.InputType(0), context.InputType(1), data, indices, context.InputShape(2), reduction};
  ERGO_RETURN_IF_ERROR(
      context.Emit(move::ScatterNdVariants(), problem, {In(0), In(1), In(2)}, {Out(0)}));
  const auto tuple = static_cast<size_t>(indices[indices.Rank() - 1]);
  return CheckConstantIndices(context, 1, data.Dims().first(tuple));
}

Status LowerOneHot(LowerContext& context) {
  const Shape& indices = context.InputShape(0);
  ERGO_ASSIGN_OR_RETURN(const int axis,
                        NormalizeAxis(context.GetNode().IntAttr("axis", -1), indices.Rank() + 1));
  if (context.InputShape(2).Elements() != 2) {
    return InvalidArgument("values {} must be two", context.InputShape(2).ToString());
  }
  const move::OneHotProblem problem{context.InputType(2), context.InputType(0), indices, axis,
                                    context.OutputShape(0)[axis]};
  return context.Emit(move::OneHotVariants(), problem, {In(0), In(2)}, {Out(0)});
}

Status LowerTrilu(LowerContext& context) {
  ERGO_ASSIGN_OR_RETURN(const auto k, context.InputInts(1));
  if (k && k->size() != 1) return InvalidArgument("k has {} elements", k->size());
  const move::TriluProblem problem{context.InputType(0), context.InputShape(0), k ? k->front() : 0,
                                   context.GetNode().IntAttr("upper", 1) != 0};
  return context.Emit(move::TriluVariants(), problem, {In(0)}, {Out(0)});
}

Status LowerReverseSequence(LowerContext& context) {
  const Node& node = context.GetNode();
  const int64_t batch_axis = node.IntAttr("batch_axis", 1),
                time_axis = node.IntAttr("time_axis", 0);
  const Shape& shape = context.InputShape(0);
  if (time_axis < 0 || time_axis > 1 || batch_axis != 1 - time_axis || shape.Rank() < 2) {
    return InvalidArgument("batch_axis {} and time_axis {} of {}", batch_axis, time_axis,
                           shape.ToString());
  }
  if (context.InputType(1) != DType::kI64 ||
      !(context.InputShape(1) == Shape{shape[static_cast<int>(batch_axis)]})) {
    return InvalidArgument("sequence_lens {} must be an int64 for each of the batch of {}",
                           context.InputShape(1).ToString(), shape.ToString());
  }
  const move::ReverseSequenceProblem problem{context.InputType(0), shape,
                                             static_cast<int>(time_axis)};
  return context.Emit(move::ReverseSequenceVariants(), problem, {In(0), In(1)}, {Out(0)});
}

}  // namespace ergo::move_lowering
