// Reductions, ArgMax and ArgMin, CumSum, CumProd.
#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

// The shape of a reduction whose axes are known.
Result<SymbolicShape> ReducedShape(const SymbolicShape& input, const std::vector<int64_t>& axes,
                                   bool keep) {
  std::vector<bool> reduced(static_cast<size_t>(input.Rank()), false);
  for (const int64_t axis : axes) {
    ERGO_ASSIGN_OR_RETURN(const int normal, NormalizeAxis(axis, input.Rank()));
    reduced[static_cast<size_t>(normal)] = true;
  }
  std::vector<Dim> dims;
  for (int axis = 0; axis < input.Rank(); ++axis) {
    if (!reduced[static_cast<size_t>(axis)]) {
      dims.push_back(input[axis]);
    } else if (keep) {
      dims.emplace_back(1);
    }
  }
  return SymbolicShape(std::move(dims));
}

std::vector<int64_t> AllAxes(int rank) {
  std::vector<int64_t> axes;
  for (int axis = 0; axis < rank; ++axis) axes.push_back(axis);
  return axes;
}

Status InferReduce(InferContext& context) {
  const SymbolicShape& input = context.InputShape(0);
  const Node& node = context.GetNode();
  const bool keep = node.IntAttr("keepdims", 1) != 0;
  if (!input.RankKnown()) return context.SetOutput(0, context.InputType(0), SymbolicShape());

  std::optional<std::vector<int64_t>> axes = context.IntsFromAttrOrInput("axes", 1);
  if (!axes && context.HasInput(1)) {
    // Axes known only at run time: with keepdims at least the rank is sure.
    const auto rank = static_cast<size_t>(input.Rank());
    return context.SetOutput(0, context.InputType(0),
                             keep ? SymbolicShape(std::vector<Dim>(rank)) : SymbolicShape());
  }
  if (!axes || axes->empty()) {
    const bool noop = node.IntAttr("noop_with_empty_axes", 0) != 0;
    axes = noop ? std::vector<int64_t>() : AllAxes(input.Rank());
  }
  ERGO_ASSIGN_OR_RETURN(const SymbolicShape shape, ReducedShape(input, *axes, keep));
  return context.SetOutput(0, context.InputType(0), shape);
}

Status InferArgReduce(InferContext& context) {
  const SymbolicShape& input = context.InputShape(0);
  if (!input.RankKnown()) return context.SetOutput(0, DType::kI64, SymbolicShape());
  const Node& node = context.GetNode();
  ERGO_ASSIGN_OR_RETURN(const SymbolicShape shape, ReducedShape(input, {node.IntAttr("axis", 0)},
                                                                node.IntAttr("keepdims", 1) != 0));
  return context.SetOutput(0, DType::kI64, shape);
}

Status InferCumulative(InferContext& context) {
  return context.SetOutput(0, context.InputType(0), context.InputShape(0));
}

// The axes moved from an attribute to an input at opset 13 for ReduceSum, at 18 for the others.
constexpr OpSchema AxesAttribute(std::string_view op) {
  return {"", op, 1, 1, 1, 1, 1, InferReduce};
}
constexpr OpSchema AxesInput(std::string_view op, int since) {
  return {"", op, since, 1, 2, 1, 1, InferReduce};
}

constexpr OpSchema kSchemas[] = {
    {"", "ArgMax", 1, 1, 1, 1, 1, InferArgReduce},
    {"", "ArgMin", 1, 1, 1, 1, 1, InferArgReduce},
    {"", "CumProd", 26, 2, 2, 1, 1, InferCumulative},
    {"", "CumSum", 11, 2, 2, 1, 1, InferCumulative},
    AxesAttribute("ReduceL1"),
    AxesAttribute("ReduceL2"),
    AxesAttribute("ReduceLogSum"),
    AxesAttribute("ReduceLogSumExp"),
    AxesAttribute("ReduceMax"),
    AxesAttribute("ReduceMean"),
    AxesAttribute("ReduceMin"),
    AxesAttribute("ReduceProd"),
    AxesAttribute("ReduceSum"),
    AxesAttribute("ReduceSumSquare"),
    AxesInput("ReduceL1", 18),
    AxesInput("ReduceL2", 18),
    AxesInput("ReduceLogSum", 18),
    AxesInput("ReduceLogSumExp", 18),
    AxesInput("ReduceMax", 18),
    AxesInput("ReduceMean", 18),
    AxesInput("ReduceMin", 18),
    AxesInput("ReduceProd", 18),
    AxesInput("ReduceSum", 13),
    AxesInput("ReduceSumSquare", 18),
};

}  // namespace

std::span<const OpSchema> ReduceSchemas() {
  return kSchemas;
}

}  // namespace ergo
