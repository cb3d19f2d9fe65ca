// Operators that pick, place or make elements.
#include <algorithm>

#include "engine/graph/move_params.h"
#include "engine/graph/schema_move.h"

namespace ergo::move_schema {
namespace {

using move::AxisPads;

// What is known when the values that decide the result are not: the rank of input 0, and the
// dimensions that `axes`, if known, leaves alone.
Result<SymbolicShape> RankOnly(const InferContext& context, const IntList& axes) {
  const SymbolicShape& input = context.InputShape(0);
  if (!input.RankKnown()) return SymbolicShape();
  if (!axes.values) return UnknownDims(input.Rank());
  ERGO_ASSIGN_OR_RETURN(const std::vector<int> changed, NormalizeAxes(*axes.values, input.Rank()));
  SymbolicShape output = input;
  for (const int axis : changed) output[axis] = Dim();
  return output;
}

Status CheckIndexType(const InferContext& context, size_t i) {
  const DType type = context.InputType(i);
  if (type == DType::kI32 || type == DType::kI64 || type == DType::kUndefined) return {};
  return InvalidArgument("indices are {}, not int32 or int64", DTypeName(type));
}

}  // namespace

Status InferSlice(InferContext& context) {
  const IntList starts = ReadIntList(context, "starts", 1), ends = ReadIntList(context, "ends", 2),
                axes = ReadIntList(context, "axes", 3), steps = ReadIntList(context, "steps", 4);
  if (!starts.given || !ends.given) return InvalidArgument("no starts or no ends");
  const SymbolicShape& input = context.InputShape(0);
  if (!input.RankKnown()) return SetLikeInput(context, {});
  if (starts.Unknown() || ends.Unknown() || axes.Unknown() || steps.Unknown()) {
    ERGO_ASSIGN_OR_RETURN(const SymbolicShape output, RankOnly(context, axes));
    return SetLikeInput(context, output);
  }
  ERGO_ASSIGN_OR_RETURN(
      const std::vector<SliceRequest> requests,
      SliceRequests(*starts.values, *ends.values, axes.OrNull(), steps.OrNull(), input.Rank()));
  SymbolicShape output = input;
  for (const SliceRequest& request : requests) {
    Dim& dim = output[request.axis];
    if (dim.Known()) {
      dim = Dim(ClampSlice(request.start, request.end, request.step, dim.value).count);
    } else if (!request.TakesAll()) {
      dim = Dim();
    }
  }
  return SetLikeInput(context, output);
}

Status InferGather(InferContext& context) {
  ERGO_RETURN_IF_ERROR(CheckIndexType(context, 1));
  const SymbolicShape &data = context.InputShape(0), &indices = context.InputShape(1);
  if (!data.RankKnown()) return SetLikeInput(context, {});
  ERGO_ASSIGN_OR_RETURN(const int axis,
                        NormalizeAxis(context.GetNode().IntAttr("axis", 0), data.Rank()));
  if (!indices.RankKnown()) return SetLikeInput(context, {});
  std::vector<Dim> dims(data.Dims().begin(), data.Dims().begin() + axis);
  dims.insert(dims.end(), indices.Dims().begin(), indices.Dims().end());
  dims.insert(dims.end(), data.Dims().begin() + axis + 1, data.Dims().end());
  return SetLikeInput(context, SymbolicShape(std::move(dims)));
}

Status InferGatherElements(InferContext& context) {
  ERGO_RETURN_IF_ERROR(CheckIndexType(context, 1));
  return SetLikeInput(context, context.InputShape(1));
}

Status InferGatherNd(InferContext& context) {
  ERGO_RETURN_IF_ERROR(CheckIndexType(context, 1));
  const SymbolicShape &data = context.InputShape(0), &indices = context.InputShape(1);
  if (!data.RankKnown() || !indices.RankKnown()) return SetLikeInput(context, {});
  if (indices.Rank() == 0) return InvalidArgument("indices are a scalar");
  const Dim& tuple = indices[indices.Rank() - 1];
  if (!tuple.Known()) return SetLikeInput(context, {});
  const int64_t batch = context.GetNode().IntAttr("batch_dims", 0);
  if (batch < 0 || batch >= std::min(data.Rank(), indices.Rank()) || tuple.value < 1 ||
      tuple.value > data.Rank() - batch) {
    return InvalidArgument("indices {} into {} with batch_dims {}", indices.ToString(),
                           data.ToString(), batch);
  }
  std::vector<Dim> dims(indices.Dims().begin(), indices.Dims().end() - 1);
  dims.insert(dims.end(), data.Dims().begin() + (batch + tuple.value), data.Dims().end());
  return SetLikeInput(context, SymbolicShape(std::move(dims)));
}

Status InferScatter(InferContext& context) {
  ERGO_RETURN_IF_ERROR(CheckIndexType(context, 1));
  if (context.InputType(2) != context.InputType(0)) {
    return InvalidArgument("updates are {}, data are {}", DTypeName(context.InputType(2)),
                           DTypeName(context.InputType(0)));
  }
  return SetLikeInput(context, context.InputShape(0));
}

Status InferPad(InferContext& context) {
  const IntList pads = ReadIntList(context, "pads", 1);
  const IntList axes = ReadIntList(context, "", 3);
  if (!pads.given) return InvalidArgument("no pads");
  const SymbolicShape& input = context.InputShape(0);
  if (!input.RankKnown() || pads.Unknown() || axes.Unknown()) {
    ERGO_ASSIGN_OR_RETURN(const SymbolicShape output, RankOnly(context, axes));
    return SetLikeInput(context, output);
  }
  ERGO_ASSIGN_OR_RETURN(const std::vector<AxisPads> per_axis,
                        PadsPerAxis(*pads.values, axes.OrNull(), input.Rank()));
  SymbolicShape output = input;
  for (int axis = 0; axis < input.Rank(); ++axis) {
    const AxisPads& pad = per_axis[static_cast<size_t>(axis)];
    if (input[axis].Known()) {
      ERGO_ASSIGN_OR_RETURN(const int64_t dim, PaddedDim(input[axis].value, pad));
      output[axis] = Dim(dim);
    } else if (pad.before != 0 || pad.after != 0) {
      output[axis] = Dim();
    }
  }
  return SetLikeInput(context, output);
}

Status InferCenterCropPad(InferContext& context) {
  const auto target = context.InputInts(1);
  const auto* axes = context.GetNode().IntsAttr("axes");
  const SymbolicShape& input = context.InputShape(0);
  if (!input.RankKnown()) return SetLikeInput(context, {});
  std::vector<int64_t> all;
  for (int axis = 0; axis < input.Rank(); ++axis) all.push_back(axis);
  ERGO_ASSIGN_OR_RETURN(const std::vector<int> normal,
                        NormalizeAxes(axes != nullptr ? *axes : all, input.Rank()));
  if (target && target->size() != normal.size()) {
    return InvalidArgument("{} sizes for {} axes", target->size(), normal.size());
  }
  SymbolicShape output = input;
  for (size_t i = 0; i < normal.size(); ++i) {
    if (target && (*target)[i] < 0) return InvalidArgument("size {}", (*target)[i]);
    output[normal[i]] = target ? Dim((*target)[i]) : Dim();
  }
  return SetLikeInput(context, output);
}

Status InferOneHot(InferContext& context) {
  const DType type = context.InputType(2);
  const SymbolicShape& indices = context.InputShape(0);
  if (!indices.RankKnown()) return context.SetOutput(0, type, {});
  ERGO_ASSIGN_OR_RETURN(const int axis,
                        NormalizeAxis(context.GetNode().IntAttr("axis", -1), indices.Rank() + 1));
  Dim depth;
  if (const Tensor* constant = context.InputConstant(1); constant != nullptr) {
    if (constant->Elements() != 1) {
      return InvalidArgument("depth has {} elements", constant->Elements());
    }
    ERGO_ASSIGN_OR_RETURN(const double value, ScalarAsDouble(*constant));
    if (!(value >= 0 && value <= static_cast<double>(kMaxTensorElements))) {
      return InvalidArgument("depth {}", value);
    }
    depth = Dim(static_cast<int64_t>(value));
  }
  std::vector<Dim> dims = indices.Dims();
  dims.insert(dims.begin() + axis, depth);
  return context.SetOutput(0, type, SymbolicShape(std::move(dims)));
}

Status InferEyeLike(InferContext& context) {
  const SymbolicShape& input = context.InputShape(0);
  if (input.RankKnown() && input.Rank() != 2) {
    return InvalidArgument("input {} is not a matrix", input.ToString());
  }
  ERGO_ASSIGN_OR_RETURN(const DType type,
                        DTypeAttr(context.GetNode(), "dtype", context.InputType(0)));
  return context.SetOutput(0, type, input);
}

Status InferRange(InferContext& context) {
  const Tensor* bounds[3];
  bool constant = true;
  for (size_t i = 0; i < 3; ++i) {
    bounds[i] = context.InputConstant(i);
    if (context.InputType(i) != context.InputType(0)) {
      return InvalidArgument("start, limit and delta have different types");
    }
    constant = constant && bounds[i] != nullptr;
  }
  if (!constant) return SetLikeInput(context, UnknownDims(1));
  ERGO_ASSIGN_OR_RETURN(const int64_t count, RangeCount(*bounds[0], *bounds[1], *bounds[2]));
  return SetLikeInput(context, Shape{count});
}

Status InferConstantOfShape(InferContext& context) {
  const Tensor* value = context.GetNode().TensorAttr("value");
  if (value != nullptr && value->Elements() != 1) {
    return InvalidArgument("value has {} elements", value->Elements());
  }
  SymbolicShape output = UnknownDimsOfList(context, 0);
  if (const auto dims = context.InputInts(0)) {
    ERGO_ASSIGN_OR_RETURN(const Shape shape, Shape::Make(*dims));
    output = shape;
  }
  return context.SetOutput(0, value != nullptr ? value->Type() : DType::kF32, output);
}

}  // namespace ergo::move_schema
