#include "engine/graph/op_schema.h"
#include "engine/graph/window_attributes.h"

namespace ergo {
namespace {

// Two known dimensions that must be the same number.
Status CheckEqual(const Dim& a, int64_t b, std::string_view what) {
  if (!a.Known() || a.value == b) return {};
  return InvalidArgument("{} is {} where {} is needed", what, a.value, b);
}

Status CheckChannels(const InferContext& context, const SymbolicShape& x, const SymbolicShape& w) {
  const int64_t groups = context.GetNode().IntAttr("group", 1);
  if (groups < 1) return InvalidArgument("group is {}", groups);
  if (w[1].Known() && x[1].Known()) {
    if (x[1].value % groups != 0 || x[1].value / groups != w[1].value) {
      return InvalidArgument("{} input channels in {} groups, but weights {} take {} a group",
                             x[1].value, groups, w.ToString(), w[1].value);
    }
  }
  if (w[0].Known() && w[0].value % groups != 0) {
    return InvalidArgument("{} output channels do not divide into {} groups", w[0].value, groups);
  }
  if (context.HasInput(2) && w[0].Known()) {
    const SymbolicShape& bias = context.InputShape(2);
    if (bias.RankKnown() && bias.Rank() != 1) {
      return InvalidArgument("the bias has shape {}, not one dimension", bias.ToString());
    }
    if (bias.RankKnown()) {
      ERGO_RETURN_IF_ERROR(CheckEqual(bias[0], w[0].value, "the bias's length"));
    }
  }
  return {};
}

// Kernel sizes from the weights; -1 where they are not known.
std::vector<int64_t> KernelDims(const SymbolicShape& w) {
  std::vector<int64_t> dims;
  for (int axis = 2; axis < w.Rank(); ++axis) dims.push_back(w[axis].value);
  return dims;
}

Status InferConv(InferContext& context) {
  const DType dtype = context.InputType(0);
  const SymbolicShape& x = context.InputShape(0);
  const SymbolicShape& w = context.InputShape(1);
  if (!x.RankKnown() && !w.RankKnown()) return context.SetOutput(0, dtype, {});
  const int rank = x.RankKnown() ? x.Rank() : w.Rank();
  if (w.RankKnown() && w.Rank() != rank) {
    return InvalidArgument("input {} and weights {} have different ranks", x.ToString(),
                           w.ToString());
  }
  std::vector<Dim> dims(static_cast<size_t>(rank));
  if (rank > 0 && x.RankKnown()) dims[0] = x[0];
  if (rank > 1 && w.RankKnown()) dims[1] = w[0];
  if (x.RankKnown() && w.RankKnown() && rank > 2) {
    ERGO_RETURN_IF_ERROR(CheckChannels(context, x, w));
  }
  const bool has_kernel = context.GetNode().IntsAttr("kernel_shape") != nullptr;
  const std::vector<int64_t> kernel =
      w.RankKnown() && rank > 2 ? KernelDims(w) : std::vector<int64_t>();
  ERGO_ASSIGN_OR_RETURN(const WindowAttributes attributes,
                        ReadWindowAttributes(context.GetNode(), rank - 2, kernel));
  for (int i = 0; i < attributes.axes; ++i) {
    const int64_t size = kernel.empty() ? -1 : kernel[static_cast<size_t>(i)];
    const int64_t attribute = attributes.window.kernel[attributes.AxisOf(i)];
    if (size >= 0 && size != attribute) {
      return InvalidArgument("kernel_shape says {}, the weights have {}", attribute, size);
    }
    if (!x.RankKnown() || (size < 0 && !has_kernel)) continue;
    ERGO_ASSIGN_OR_RETURN(dims[static_cast<size_t>(i + 2)],
                          WindowOutputDim(attributes, i, x[i + 2]));
  }
  return context.SetOutput(0, dtype, SymbolicShape(std::move(dims)));
}

constexpr OpSchema kSchemas[] = {
    {"", "Conv", 1, 2, 3, 1, 1, InferConv},
    {"ergo", "FusedConv", 1, 2, 4, 1, 1, InferConv},
};

}  // namespace

std::span<const OpSchema> ConvSchemas() {
  return kSchemas;
}

}  // namespace ergo
