// Layout and shape operators, and the table of the whole family.
#include "engine/graph/schema_move.h"

#include <algorithm>
#include <array>

#include "engine/graph/move_params.h"
#include "kernels/base/checked_math.h"

namespace ergo {
namespace move_schema {
namespace {

// The product of dimensions: known when all are, and a symbol times ones stays that symbol.
Result<Dim> ProductDim(std::span<const Dim> dims) {
  Dim product(1);
  for (const Dim& dim : dims) {
    if (dim.Known() && dim.value == 0) return Dim(0);
  }
  for (const Dim& dim : dims) {
    if (product.Known() && product.value == 1) {
      product = dim;
    } else if (product.Known() && dim.Known()) {
      const auto value = CheckedMul(product.value, dim.value);
      if (!value || *value > kMaxTensorElements) {
        return ResourceExhausted("a dimension above {} elements", kMaxTensorElements);
      }
      product = Dim(*value);
    } else if (!(dim.Known() && dim.value == 1)) {
      product = Dim();
      break;
    }
  }
  return product;
}

// Spatial dimensions times or through the block size, channels the other way.
Status InferDepthSpace(InferContext& context, bool to_space) {
  const int64_t block = context.GetNode().IntAttr("blocksize", 0);
  if (block <= 0 || block > kMaxTensorElements) return InvalidArgument("blocksize {}", block);
  const SymbolicShape& input = context.InputShape(0);
  if (!input.RankKnown()) return SetLikeInput(context, input);
  if (input.Rank() != 4) {
    return InvalidArgument("input {} must have 4 dimensions", input.ToString());
  }
  const auto scale = [block](const Dim& dim, bool grow, int times) -> Result<Dim> {
    Dim result = dim;
    for (int i = 0; i < times && result.Known(); ++i) {
      if (!grow && result.value % block != 0) {
        return InvalidArgument("dimension {} is not a multiple of blocksize {}", dim.value, block);
      }
      const auto value = grow ? CheckedMul(result.value, block) : result.value / block;
      if (!value) return ResourceExhausted("dimension {} times {}", dim.value, block);
      result = Dim(*value);
    }
    return block != 1 && !dim.Known() ? Dim() : result;
  };
  SymbolicShape output = input;
  ERGO_ASSIGN_OR_RETURN(output[1], scale(input[1], !to_space, 2));
  ERGO_ASSIGN_OR_RETURN(output[2], scale(input[2], to_space, 1));
  ERGO_ASSIGN_OR_RETURN(output[3], scale(input[3], to_space, 1));
  return SetLikeInput(context, output);
}

}  // namespace

IntList ReadIntList(const InferContext& context, std::string_view attribute, size_t input) {
  IntList list;
  list.given = context.HasInput(input) || context.GetNode().IntsAttr(attribute) != nullptr;
  if (list.given) list.values = context.IntsFromAttrOrInput(attribute, input);
  return list;
}

SymbolicShape UnknownDims(int64_t rank) {
  if (rank > kMaxRank) return {};
  return SymbolicShape(std::vector<Dim>(static_cast<size_t>(rank)));
}

SymbolicShape UnknownDimsOfList(const InferContext& context, size_t i) {
  const SymbolicShape& list = context.InputShape(i);
  if (!list.RankKnown() || list.Rank() != 1 || !list[0].Known()) return {};
  return UnknownDims(list[0].value);
}

Status SetLikeInput(InferContext& context, const SymbolicShape& shape) {
  return context.SetOutput(0, context.InputType(0), shape);
}

Status InferSameAsInput(InferContext& context) {
  return SetLikeInput(context, context.InputShape(0));
}

Status InferTranspose(InferContext& context) {
  const SymbolicShape& input = context.InputShape(0);
  const auto* perm_attr = context.GetNode().IntsAttr("perm");
  if (!input.RankKnown()) {
    return SetLikeInput(context, perm_attr == nullptr
                                     ? SymbolicShape()
                                     : UnknownDims(static_cast<int64_t>(perm_attr->size())));
  }
  ERGO_ASSIGN_OR_RETURN(const std::vector<int> perm, TransposePermutation(perm_attr, input.Rank()));
  std::vector<Dim> dims;
  for (const int axis : perm) dims.push_back(input[axis]);
  return SetLikeInput(context, SymbolicShape(std::move(dims)));
}

Status InferReshape(InferContext& context) {
  const auto target = context.InputInts(1);
  if (!target) return SetLikeInput(context, UnknownDimsOfList(context, 1));
  const bool allow_zero = context.GetNode().IntAttr("allowzero", 0) != 0;
  ERGO_ASSIGN_OR_RETURN(const SymbolicShape output,
                        ReshapeShape(context.InputShape(0), *target, allow_zero));
  return SetLikeInput(context, output);
}

Status InferFlatten(InferContext& context) {
  const SymbolicShape& input = context.InputShape(0);
  if (!input.RankKnown()) return SetLikeInput(context, UnknownDims(2));
  const int64_t axis = context.GetNode().IntAttr("axis", 1);
  const int rank = input.Rank();
  if (axis < -rank || axis > rank) {
    return InvalidArgument("axis {} of {}", axis, input.ToString());
  }
  const auto split = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  const std::span<const Dim> dims = input.Dims();
  ERGO_ASSIGN_OR_RETURN(const Dim outer, ProductDim(dims.first(split)));
  ERGO_ASSIGN_OR_RETURN(const Dim inner, ProductDim(dims.subspan(split)));
  return SetLikeInput(context, SymbolicShape({outer, inner}));
}

Status InferSqueeze(InferContext& context) {
  const IntList axes = ReadIntList(context, "axes", 1);
  if (axes.Unknown()) return SetLikeInput(context, {});
  ERGO_ASSIGN_OR_RETURN(const SymbolicShape output,
                        SqueezeShape(context.InputShape(0), axes.OrNull()));
  return SetLikeInput(context, output);
}

Status InferUnsqueeze(InferContext& context) {
  const IntList axes = ReadIntList(context, "axes", 1);
  if (!axes.given) return InvalidArgument("no axes");
  if (axes.Unknown()) return SetLikeInput(context, {});
  ERGO_ASSIGN_OR_RETURN(const SymbolicShape output,
                        UnsqueezeShape(context.InputShape(0), *axes.values));
  return SetLikeInput(context, output);
}

Status InferConcat(InferContext& context) {
  SymbolicShape output;
  for (size_t i = 0; i < context.InputCount(); ++i) {
    if (!context.HasInput(i)) return InvalidArgument("input {} is absent", i);
    if (context.InputType(i) != context.InputType(0)) {
      return InvalidArgument("input {} is {}, input 0 is {}", i, DTypeName(context.InputType(i)),
                             DTypeName(context.InputType(0)));
    }
    if (context.InputShape(i).RankKnown()) output = context.InputShape(i);
  }
  if (!output.RankKnown()) return SetLikeInput(context, {});
  ERGO_ASSIGN_OR_RETURN(const int axis,
                        NormalizeAxis(context.GetNode().IntAttr("axis", 1), output.Rank()));
  Dim total(0);
  for (size_t i = 0; i < context.InputCount(); ++i) {
    const SymbolicShape& input = context.InputShape(i);
    if (!input.RankKnown()) {
      total = Dim();
      continue;
    }
    if (input.Rank() != output.Rank()) {
      return InvalidArgument("{} and {} have different ranks", input.ToString(), output.ToString());
    }
    for (int d = 0; d < input.Rank(); ++d) {
      if (d == axis || !input[d].Known()) continue;
      if (output[d].Known() && output[d].value != input[d].value) {
        return InvalidArgument("input {} {} does not fit the others at axis {}", i,
                               input.ToString(), d);
      }
      output[d] = input[d];
    }
    const bool known = total.Known() && input[axis].Known();
    const auto sum = known ? CheckedAdd(total.value, input[axis].value) : std::nullopt;
    total = sum ? Dim(*sum) : Dim();
  }
  output[axis] = context.InputCount() == 1 ? output[axis] : total;
  return SetLikeInput(context, output);
}

Status InferSplit(InferContext& context) {
  const Node& node = context.GetNode();
  const IntList sizes = ReadIntList(context, "split", 1);
  const auto parts_wanted = static_cast<int64_t>(context.OutputCount());
  if (node.IntAttr("num_outputs", parts_wanted) != parts_wanted) {
    return InvalidArgument("num_outputs {} with {} outputs", node.IntAttr("num_outputs", 0),
                           parts_wanted);
  }
  const SymbolicShape& input = context.InputShape(0);
  std::vector<Dim> parts(context.OutputCount());
  int axis = 0;
  if (input.RankKnown()) {
    ERGO_ASSIGN_OR_RETURN(axis, NormalizeAxis(node.IntAttr("axis", 0), input.Rank()));
    if (input[axis].Known() && !sizes.Unknown()) {
      ERGO_ASSIGN_OR_RETURN(
          const std::vector<int64_t> known,
          SplitSizes(input[axis].value, sizes.OrNull(), parts.size(), node.opset < 18));
      parts.assign(known.begin(), known.end());
    } else if (sizes.values && sizes.values->size() == parts.size()) {
      parts.assign(sizes.values->begin(), sizes.values->end());
    }
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    SymbolicShape output = input;
    if (output.RankKnown()) output[axis] = parts[i];
    ERGO_RETURN_IF_ERROR(context.SetOutput(i, context.InputType(0), output));
  }
  return {};
}

Status InferExpand(InferContext& context) {
  const auto target = context.InputInts(1);
  SymbolicShape wanted = UnknownDimsOfList(context, 1);
  if (target) {
    ERGO_ASSIGN_OR_RETURN(const Shape shape, Shape::Make(*target));
    wanted = shape;
  }
  ERGO_ASSIGN_OR_RETURN(const SymbolicShape output,
                        BroadcastSymbolic(context.InputShape(0), wanted));
  return SetLikeInput(context, output);
}

Status InferTile(InferContext& context) {
  const SymbolicShape& input = context.InputShape(0);
  const auto repeats = context.InputInts(1);
  if (!input.RankKnown()) return SetLikeInput(context, UnknownDimsOfList(context, 1));
  if (!repeats) return SetLikeInput(context, UnknownDims(input.Rank()));
  if (static_cast<int>(repeats->size()) != input.Rank()) {
    return InvalidArgument("{} repeats for {}", repeats->size(), input.ToString());
  }
  SymbolicShape output = input;
  for (int axis = 0; axis < input.Rank(); ++axis) {
    const int64_t count = (*repeats)[static_cast<size_t>(axis)];
    const auto dim = CheckedMul(input[axis].Known() ? input[axis].value : 1, count);
    if (count < 0 || !dim || *dim > kMaxTensorElements) {
      return InvalidArgument("{} repeats along axis {} of {}", count, axis, input.ToString());
    }
    if (input[axis].Known()) output[axis] = Dim(*dim);
    if (!input[axis].Known() && count != 1) output[axis] = count == 0 ? Dim(0) : Dim();
  }
  return SetLikeInput(context, output);
}

Status InferDepthToSpace(InferContext& context) {
  return InferDepthSpace(context, true);
}

Status InferSpaceToDepth(InferContext& context) {
  return InferDepthSpace(context, false);
}

Status InferShape(InferContext& context) {
  const SymbolicShape& input = context.InputShape(0);
  if (!input.RankKnown()) return context.SetOutput(0, DType::kI64, UnknownDims(1));
  const Node& node = context.GetNode();
  const AxisRange range =
      ShapeRange(node.IntAttr("start", 0), node.IntAttr("end", input.Rank()), input.Rank());
  return context.SetOutput(0, DType::kI64, Shape{range.last - range.first});
}

Status InferSize(InferContext& context) {
  return context.SetOutput(0, DType::kI64, Shape());
}

}  // namespace move_schema

namespace {

using namespace move_schema;  // NOLINT: the table of just these rules

constexpr std::array kSchemas = {
    OpSchema{"", "CenterCropPad", 18, 2, 2, 1, 1, InferCenterCropPad},
    OpSchema{"", "Concat", 4, 1, -1, 1, 1, InferConcat},
    OpSchema{"", "ConstantOfShape", 9, 1, 1, 1, 1, InferConstantOfShape},
    OpSchema{"", "DepthToSpace", 1, 1, 1, 1, 1, InferDepthToSpace},
    OpSchema{"", "Expand", 8, 2, 2, 1, 1, InferExpand},
    OpSchema{"", "EyeLike", 9, 1, 1, 1, 1, InferEyeLike},
    OpSchema{"", "Flatten", 1, 1, 1, 1, 1, InferFlatten},
    OpSchema{"", "Gather", 1, 2, 2, 1, 1, InferGather},
    OpSchema{"", "GatherElements", 11, 2, 2, 1, 1, InferGatherElements},
    OpSchema{"", "GatherND", 11, 2, 2, 1, 1, InferGatherNd},
    OpSchema{"", "OneHot", 9, 3, 3, 1, 1, InferOneHot},
    OpSchema{"", "Pad", 2, 1, 1, 1, 1, InferPad},
    OpSchema{"", "Pad", 11, 2, 3, 1, 1, InferPad},
    OpSchema{"", "Pad", 18, 2, 4, 1, 1, InferPad},
    OpSchema{"", "Range", 11, 3, 3, 1, 1, InferRange},
    OpSchema{"", "Reshape", 5, 2, 2, 1, 1, InferReshape},
    OpSchema{"", "Resize", 10, 2, 2, 1, 1, InferResize},
    OpSchema{"", "Resize", 11, 1, 4, 1, 1, InferResize},
    OpSchema{"", "ReverseSequence", 10, 2, 2, 1, 1, InferSameAsInput},
    OpSchema{"", "Scatter", 9, 3, 3, 1, 1, InferScatter},
    OpSchema{"", "ScatterElements", 11, 3, 3, 1, 1, InferScatter},
    OpSchema{"", "ScatterND", 11, 3, 3, 1, 1, InferScatter},
    OpSchema{"", "Shape", 1, 1, 1, 1, 1, InferShape},
    OpSchema{"", "Size", 1, 1, 1, 1, 1, InferSize},
    OpSchema{"", "Slice", 1, 1, 1, 1, 1, InferSlice},
    OpSchema{"", "Slice", 10, 3, 5, 1, 1, InferSlice},
    OpSchema{"", "SpaceToDepth", 1, 1, 1, 1, 1, InferSpaceToDepth},
    OpSchema{"", "Split", 2, 1, 1, 1, -1, InferSplit},
    OpSchema{"", "Split", 13, 1, 2, 1, -1, InferSplit},
    OpSchema{"", "Squeeze", 1, 1, 1, 1, 1, InferSqueeze},
    OpSchema{"", "Squeeze", 13, 1, 2, 1, 1, InferSqueeze},
    OpSchema{"", "Tile", 6, 2, 2, 1, 1, InferTile},
    OpSchema{"", "Transpose", 1, 1, 1, 1, 1, InferTranspose},
    OpSchema{"", "Trilu", 14, 1, 2, 1, 1, InferSameAsInput},
    OpSchema{"", "Unsqueeze", 1, 1, 1, 1, 1, InferUnsqueeze},
    OpSchema{"", "Unsqueeze", 13, 2, 2, 1, 1, InferUnsqueeze},
    OpSchema{"", "Upsample", 7, 1, 1, 1, 1, InferResize},
    OpSchema{"", "Upsample", 9, 2, 2, 1, 1, InferResize},
};

}  // namespace

std::span<const OpSchema> MoveSchemas() {
  return kSchemas;
}

}  // namespace ergo
