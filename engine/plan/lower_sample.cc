#include "engine/graph/transposed_window.h"
#include "engine/graph/window_attributes.h"
#include "engine/plan/lowering.h"
#include "kernels/conv_transpose/conv_transpose.h"
#include "kernels/sample/sample.h"

namespace ergo {
namespace {

Status LowerGridSample(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& x = context.InputShape(0);
  const Shape& grid = context.InputShape(1);
  GridSampleProblem problem;
  problem.spatial = x.Rank() - 2;
  if (problem.spatial > kMaxSpatial) return Unsupported("{} spatial dimensions", problem.spatial);
  if (grid[0] != x[0] || grid[grid.Rank() - 1] != problem.spatial) {
    return InvalidArgument("grid {} for input {}", grid.ToString(), x.ToString());
  }
  problem.dtype = context.InputType(0);
  problem.grid_dtype = context.InputType(1);
  problem.batch = x[0];
  problem.channels = x[1];
  for (int i = 0; i < problem.spatial; ++i) {
    problem.in[static_cast<size_t>(i)] = x[2 + i];
    problem.out[static_cast<size_t>(i)] = grid[1 + i];
  }
  const std::string mode = node.StringAttr("mode", node.opset >= 20 ? "linear" : "bilinear");
  const std::string padding = node.StringAttr("padding_mode", "zeros");
  using P = GridSampleProblem;
  if (mode == "nearest") {
    problem.mode = P::Mode::kNearest;
  } else if (mode == "cubic" || mode == "bicubic") {
    problem.mode = P::Mode::kCubic;
  } else if (mode != "linear" && mode != "bilinear") {
    return InvalidArgument("mode '{}'", mode);
  }
  if (padding == "border") {
    problem.padding = P::Padding::kBorder;
  } else if (padding == "reflection") {
    problem.padding = P::Padding::kReflection;
  } else if (padding != "zeros") {
    return InvalidArgument("padding_mode '{}'", padding);
  }
  problem.align_corners = node.IntAttr("align_corners", 0) != 0;
  return context.Emit(GridSampleVariants(), problem, {In(0), In(1)}, {Out(0)});
}

Status LowerAffineGrid(LowerContext& context) {
  const Shape& grid = context.OutputShape(0);
  AffineGridProblem problem;
  problem.dtype = context.InputType(0);
  problem.batch = grid[0];
  problem.spatial = grid.Rank() - 2;
  if (!(context.InputShape(0) == Shape{grid[0], problem.spatial, problem.spatial + 1})) {
    return InvalidArgument("theta {}", context.InputShape(0).ToString());
  }
  for (int i = 0; i < problem.spatial; ++i) problem.out[static_cast<size_t>(i)] = grid[1 + i];
  problem.align_corners = context.GetNode().IntAttr("align_corners", 0) != 0;
  return context.Emit(AffineGridVariants(), problem, {In(0)}, {Out(0)});
}

Status LowerRoiAlign(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& x = context.InputShape(0);
  const Shape& rois = context.InputShape(1);
  if (x.Rank() != 4 || rois.Rank() != 2 || rois[1] != 4 ||
      !(context.InputShape(2) == Shape{rois[0]})) {
    return InvalidArgument("input {}, rois {}, batch_indices {}", x.ToString(), rois.ToString(),
                           context.InputShape(2).ToString());
  }
  RoiAlignProblem problem;
  problem.dtype = context.InputType(0);
  problem.batch = x[0];
  problem.channels = x[1];
  problem.height = x[2];
  problem.width = x[3];
  problem.count = rois[0];
  problem.out_height = context.OutputShape(0)[2];
  problem.out_width = context.OutputShape(0)[3];
  problem.sampling_ratio = node.IntAttr("sampling_ratio", 0);
  problem.spatial_scale = node.FloatAttr("spatial_scale", 1);
  problem.max = node.StringAttr("mode", "avg") == "max";
  problem.half_pixel = node.opset >= 16 && node.StringAttr("coordinate_transformation_mode",
                                                           "half_pixel") == "half_pixel";
  return context.Emit(RoiAlignVariants(), problem, {In(0), In(1), In(2)}, {Out(0)});
}

Status LowerMaxRoiPool(LowerContext& context) {
  const Shape& x = context.InputShape(0);
  const Shape& rois = context.InputShape(1);
  if (x.Rank() != 4 || rois.Rank() != 2 || rois[1] != 5) {
    return InvalidArgument("input {}, rois {}", x.ToString(), rois.ToString());
  }
  MaxRoiPoolProblem problem;
  problem.dtype = context.InputType(0);
  problem.batch = x[0];
  problem.channels = x[1];
  problem.height = x[2];
  problem.width = x[3];
  problem.count = rois[0];
  problem.out_height = context.OutputShape(0)[2];
  problem.out_width = context.OutputShape(0)[3];
  problem.spatial_scale = context.GetNode().FloatAttr("spatial_scale", 1);
  return context.Emit(MaxRoiPoolVariants(), problem, {In(0), In(1)}, {Out(0)});
}

Status LowerMaxUnpool(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& x = context.InputShape(0);
  const std::vector<int64_t>* kernel = node.IntsAttr("kernel_shape");
  if (kernel == nullptr || x.Rank() < 3 || !(context.InputShape(1) == x)) {
    return InvalidArgument("input {} and indices {}", x.ToString(),
                           context.InputShape(1).ToString());
  }
  ERGO_ASSIGN_OR_RETURN(const Window window,
                        ResolveTransposedWindow(node, x.Dims().subspan(2), *kernel));
  MaxUnpoolProblem problem;
  problem.dtype = context.InputType(0);
  problem.elements = x.Elements();
  problem.outer = context.OutputShape(0);
  problem.inner = Shape{x[0], x[1]};
  for (int i = 2; i < x.Rank(); ++i) {
    problem.inner.Append(window.in[kSpatialAxes - static_cast<size_t>(x.Rank() - i)]);
  }
  if (problem.outer.Rank() != x.Rank()) {
    return InvalidArgument("output_shape {}", problem.outer.ToString());
  }
  return context.Emit(MaxUnpoolVariants(), problem, {In(0), In(1)}, {Out(0)});
}

// Entry `i` of an attribute of one number an axis, or the default.
Result<int64_t> Entry(const Node& node, std::string_view attribute, size_t count, size_t i,
                      int64_t low, int64_t fallback) {
  const std::vector<int64_t>* values = node.IntsAttr(attribute);
  if (values == nullptr) return fallback;
  if (values->size() != count || (*values)[i] < low || (*values)[i] > kMaxTensorElements) {
    return InvalidArgument("attribute {}", attribute);
  }
  return (*values)[i];
}

Status LowerCol2Im(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& x = context.InputShape(0);
  ERGO_ASSIGN_OR_RETURN(const auto image, context.InputInts(1));
  ERGO_ASSIGN_OR_RETURN(const auto block, context.InputInts(2));
  const size_t spatial = image->size();
  if (spatial < 1 || spatial > kMaxSpatial || block->size() != spatial) {
    return Unsupported("{} spatial dimensions", spatial);
  }
  Col2ImProblem problem;
  problem.dtype = context.InputType(0);
  problem.batch = x[0];
  problem.channels = context.OutputShape(0)[1];
  problem.spatial = static_cast<int>(spatial);
  int64_t blocks = 1, taps = 1;
  for (size_t i = 0; i < spatial; ++i) {
    problem.image[i] = (*image)[i];
    problem.block[i] = (*block)[i];
    ERGO_ASSIGN_OR_RETURN(problem.strides[i], Entry(node, "strides", spatial, i, 1, 1));
    ERGO_ASSIGN_OR_RETURN(problem.dilations[i], Entry(node, "dilations", spatial, i, 1, 1));
    ERGO_ASSIGN_OR_RETURN(problem.pads_begin[i], Entry(node, "pads", 2 * spatial, i, 0, 0));
    ERGO_ASSIGN_OR_RETURN(const int64_t end, Entry(node, "pads", 2 * spatial, spatial + i, 0, 0));
    const int64_t room = problem.image[i] + problem.pads_begin[i] + end -
                         problem.dilations[i] * (problem.block[i] - 1) - 1;
    problem.blocks[i] = room < 0 ? 0 : room / problem.strides[i] + 1;
    blocks *= problem.blocks[i];
    taps *= problem.block[i];
  }
  if (x[1] != problem.channels * taps || x[2] != blocks) {
    return InvalidArgument("input {} for {} blocks of {}", x.ToString(), blocks, taps);
  }
  return context.Emit(Col2ImVariants(), problem, {In(0)}, {Out(0)});
}

Status LowerDeformConv(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& x = context.InputShape(0);
  const Shape& w = context.InputShape(1);
  ERGO_ASSIGN_OR_RETURN(const WindowAttributes attributes,
                        ReadWindowAttributes(node, 2, w.Dims().subspan(2)));
  ERGO_ASSIGN_OR_RETURN(const Window window, ResolveWindow(attributes, x.Dims().subspan(2)));
  DeformConvProblem p;
  p.dtype = context.InputType(0);
  p.batch = x[0];
  p.in_channels = x[1];
  p.out_channels = w[0];
  p.groups = node.IntAttr("group", 1);
  p.offset_groups = node.IntAttr("offset_group", 1);
  for (size_t i = 0; i < 2; ++i) {
    p.in[i] = window.in[i + 1];
    p.out[i] = window.out[i + 1];
    p.kernel[i] = window.kernel[i + 1];
    p.strides[i] = window.strides[i + 1];
    p.dilations[i] = window.dilations[i + 1];
    p.pads_begin[i] = window.pads_begin[i + 1];
  }
  const int64_t taps = p.kernel[0] * p.kernel[1];
  const bool groups_fit = p.groups >= 1 && p.offset_groups >= 1 && p.in_channels % p.groups == 0 &&
                          p.out_channels % p.groups == 0 && p.in_channels % p.offset_groups == 0;
  const Shape offset{p.batch, p.offset_groups * taps * 2, p.out[0], p.out[1]};
  if (!groups_fit || w[1] != p.in_channels / p.groups || !(context.InputShape(2) == offset)) {
    return InvalidArgument("input {}, weights {}, offset {}", x.ToString(), w.ToString(),
                           context.InputShape(2).ToString());
  }
  const Shape mask{p.batch, p.offset_groups * taps, p.out[0], p.out[1]};
  if (context.HasInput(4) && !(context.InputShape(4) == mask)) {
    return InvalidArgument("mask {}", context.InputShape(4).ToString());
  }
  return context.Emit(DeformConvVariants(), p, {In(0), In(1), In(2), In(3), In(4)}, {Out(0)});
}

Status LowerConvTranspose(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& x = context.InputShape(0);
  const Shape& w = context.InputShape(1);
  if (x.Rank() < 3 || w.Rank() != x.Rank() || w[0] != x[1]) {
    return InvalidArgument("input {} and weights {}", x.ToString(), w.ToString());
  }
  ConvTransposeProblem problem;
  problem.dtype = context.InputType(0);
  problem.batch = x[0];
  problem.in_channels = x[1];
  problem.groups = node.IntAttr("group", 1);
  if (problem.groups < 1 || x[1] % problem.groups != 0) {
    return InvalidArgument("{} channels in {} groups", x[1], problem.groups);
  }
  problem.out_channels = w[1] * problem.groups;
  problem.bias = context.HasInput(2);
  ERGO_ASSIGN_OR_RETURN(problem.window,
                        ResolveTransposedWindow(node, x.Dims().subspan(2), w.Dims().subspan(2)));
  return context.Emit(ConvTransposeVariants(), problem, {In(0), In(1), In(2)}, {Out(0)});
}

constexpr Lowering kLowerings[] = {
    {"", "GridSample", LowerGridSample}, {"", "AffineGrid", LowerAffineGrid},
    {"", "RoiAlign", LowerRoiAlign},     {"", "MaxRoiPool", LowerMaxRoiPool},
    {"", "MaxUnpool", LowerMaxUnpool},   {"", "Col2Im", LowerCol2Im},
    {"", "DeformConv", LowerDeformConv}, {"", "ConvTranspose", LowerConvTranspose},
};

}  // namespace

std::span<const Lowering> SampleLowerings() {
  return kLowerings;
}

}  // namespace ergo
