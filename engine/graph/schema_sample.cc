// GridSample, AffineGrid, RoiAlign, MaxRoiPool, MaxUnpool, Col2Im, DeformConv, ConvTranspose.
#include <algorithm>

#include "engine/graph/op_schema.h"
#include "engine/graph/transposed_window.h"
#include "engine/graph/window_attributes.h"

namespace ergo {
namespace {

// The known values of dimensions [2, rank); nullopt unless all are.
std::optional<std::vector<int64_t>> SpatialDims(const SymbolicShape& shape) {
  if (!shape.RankKnown() || shape.Rank() < 3) return std::nullopt;
  std::vector<int64_t> dims;
  for (int axis = 2; axis < shape.Rank(); ++axis) {
    if (!shape[axis].Known()) return std::nullopt;
    dims.push_back(shape[axis].value);
  }
  return dims;
}

// [batch, channels, ?...] of the given number of spatial dimensions.
SymbolicShape WithUnknownSpatial(const Dim& batch, const Dim& channels, int spatial) {
  std::vector<Dim> dims = {batch, channels};
  dims.resize(static_cast<size_t>(spatial) + 2);
  return SymbolicShape(std::move(dims));
}

Status InferGridSample(InferContext& context) {
  const SymbolicShape& x = context.InputShape(0);
  const SymbolicShape& grid = context.InputShape(1);
  SymbolicShape y;
  if (x.RankKnown() && grid.RankKnown()) {
    if (x.Rank() != grid.Rank() || x.Rank() < 3) {
      return InvalidArgument("input {} and grid {}", x.ToString(), grid.ToString());
    }
    y = WithUnknownSpatial(x[0], x[1], x.Rank() - 2);
    for (int i = 0; i < x.Rank() - 2; ++i) y[2 + i] = grid[1 + i];
  }
  return context.SetOutput(0, context.InputType(0), y);
}

Status InferAffineGrid(InferContext& context) {
  const auto size = context.InputInts(1);
  SymbolicShape grid;
  if (size) {
    if (size->size() < 4 || size->size() > 5) return InvalidArgument("size of {}", size->size());
    std::vector<Dim> dims = {Dim((*size)[0])};
    for (size_t i = 2; i < size->size(); ++i) dims.emplace_back((*size)[i]);
    dims.emplace_back(static_cast<int64_t>(size->size()) - 2);
    grid = SymbolicShape(std::move(dims));
  }
  return context.SetOutput(0, context.InputType(0), grid);
}

Status InferRoiAlign(InferContext& context) {
  const Node& node = context.GetNode();
  const SymbolicShape& x = context.InputShape(0);
  const SymbolicShape& rois = context.InputShape(1);
  const Dim count = rois.RankKnown() && rois.Rank() == 2 ? rois[0] : Dim();
  const Dim channels = x.RankKnown() && x.Rank() == 4 ? x[1] : Dim();
  return context.SetOutput(0, context.InputType(0),
                           SymbolicShape({count, channels, Dim(node.IntAttr("output_height", 1)),
                                          Dim(node.IntAttr("output_width", 1))}));
}

Status InferMaxRoiPool(InferContext& context) {
  const std::vector<int64_t>* pooled = context.GetNode().IntsAttr("pooled_shape");
  if (pooled == nullptr || pooled->size() != 2 || (*pooled)[0] < 1 || (*pooled)[1] < 1) {
    return InvalidArgument("needs a pooled_shape of two numbers");
  }
  const SymbolicShape& x = context.InputShape(0);
  const SymbolicShape& rois = context.InputShape(1);
  const Dim count = rois.RankKnown() && rois.Rank() == 2 ? rois[0] : Dim();
  const Dim channels = x.RankKnown() && x.Rank() == 4 ? x[1] : Dim();
  return context.SetOutput(0, context.InputType(0),
                           SymbolicShape({count, channels, Dim((*pooled)[0]), Dim((*pooled)[1])}));
}

Status InferMaxUnpool(InferContext& context) {
  const SymbolicShape& x = context.InputShape(0);
  if (context.HasInput(2)) {
    const auto wanted = context.InputInts(2);
    SymbolicShape y;
    if (wanted) y = SymbolicShape(std::vector<Dim>(wanted->begin(), wanted->end()));
    return context.SetOutput(0, context.InputType(0), y);
  }
  const auto spatial = SpatialDims(x);
  const std::vector<int64_t>* kernel = context.GetNode().IntsAttr("kernel_shape");
  if (kernel == nullptr) return InvalidArgument("needs kernel_shape");
  if (!spatial) {
    const SymbolicShape y = x.RankKnown() && x.Rank() > 2
                                ? WithUnknownSpatial(x[0], x[1], x.Rank() - 2)
                                : SymbolicShape();
    return context.SetOutput(0, context.InputType(0), y);
  }
  ERGO_ASSIGN_OR_RETURN(const Window window,
                        ResolveTransposedWindow(context.GetNode(), *spatial, *kernel));
  SymbolicShape y = x;
  for (int i = 0; i < x.Rank() - 2; ++i) {
    y[2 + i] = Dim(window.in[kSpatialAxes - static_cast<size_t>(x.Rank() - 2 - i)]);
  }
  return context.SetOutput(0, context.InputType(0), y);
}

Status InferCol2Im(InferContext& context) {
  const SymbolicShape& x = context.InputShape(0);
  const auto image = context.InputInts(1), block = context.InputInts(2);
  SymbolicShape y;
  if (image && block && x.RankKnown() && x.Rank() == 3) {
    int64_t taps = 1;
    for (const int64_t extent : *block) {
      if (extent < 1 || extent > kMaxTensorElements / taps) return InvalidArgument("block_shape");
      taps *= extent;
    }
    std::vector<Dim> dims = {x[0], x[1].Known() ? Dim(x[1].value / taps) : Dim()};
    for (const int64_t extent : *image) dims.emplace_back(extent);
    y = SymbolicShape(std::move(dims));
  }
  return context.SetOutput(0, context.InputType(0), y);
}

Status InferDeformConv(InferContext& context) {
  const SymbolicShape& x = context.InputShape(0);
  const SymbolicShape& w = context.InputShape(1);
  const SymbolicShape& offset = context.InputShape(2);
  SymbolicShape y;
  if (x.RankKnown() && w.RankKnown() && offset.RankKnown()) {
    if (x.Rank() != 4 || w.Rank() != 4 || offset.Rank() != 4) {
      return Unsupported("deformable convolution of {}", x.ToString());
    }
    y = SymbolicShape({x[0], w[0], offset[2], offset[3]});
  }
  return context.SetOutput(0, context.InputType(0), y);
}

Status InferConvTranspose(InferContext& context) {
  const Node& node = context.GetNode();
  const SymbolicShape& x = context.InputShape(0);
  const SymbolicShape& w = context.InputShape(1);
  if (!x.RankKnown() || x.Rank() < 3) return context.SetOutput(0, context.InputType(0), {});
  const int spatial = x.Rank() - 2;
  Dim channels;
  if (w.RankKnown() && w.Rank() == x.Rank() && w[1].Known()) {
    channels = Dim(w[1].value * std::max<int64_t>(node.IntAttr("group", 1), 1));
  }
  SymbolicShape y = WithUnknownSpatial(x[0], channels, spatial);
  const auto input = SpatialDims(x), kernel = SpatialDims(w);
  if (input && kernel) {
    ERGO_ASSIGN_OR_RETURN(const Window window, ResolveTransposedWindow(node, *input, *kernel));
    for (int i = 0; i < spatial; ++i) {
      y[2 + i] = Dim(window.in[kSpatialAxes - static_cast<size_t>(spatial - i)]);
    }
  }
  return context.SetOutput(0, context.InputType(0), y);
}

constexpr OpSchema kSchemas[] = {
    {"", "GridSample", 16, 2, 2, 1, 1, InferGridSample},
    {"", "AffineGrid", 20, 2, 2, 1, 1, InferAffineGrid},
    {"", "RoiAlign", 10, 3, 3, 1, 1, InferRoiAlign},
    {"", "MaxRoiPool", 1, 2, 2, 1, 1, InferMaxRoiPool},
    {"", "MaxUnpool", 9, 2, 3, 1, 1, InferMaxUnpool},
    {"", "Col2Im", 18, 3, 3, 1, 1, InferCol2Im},
    {"", "DeformConv", 19, 3, 5, 1, 1, InferDeformConv},
    {"", "ConvTranspose", 1, 2, 3, 1, 1, InferConvTranspose},
};

}  // namespace

std::span<const OpSchema> SampleSchemas() {
  return kSchemas;
}

}  // namespace ergo
