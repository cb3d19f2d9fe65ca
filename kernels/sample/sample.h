// Sampling: reading a tensor at places that other tensors name. ONNX GridSample, AffineGrid,
// RoiAlign, MaxRoiPool, MaxUnpool, Col2Im and DeformConv.
//
// All operands are dense and row-major; arithmetic is in double, rounded once, and results do not
// depend on the number of workers.
#ifndef ERGO_KERNELS_SAMPLE_SAMPLE_H_
#define ERGO_KERNELS_SAMPLE_SAMPLE_H_

#include <array>
#include <span>

#include "kernels/base/kernel.h"

namespace ergo {

inline constexpr int kMaxSpatial = 3;

// ONNX GridSample, opset 16 and later.
//   input 0   x `dtype` [batch, channels, in[0..spatial)]
//   input 1   grid `grid_dtype` [batch, out[0..spatial), spatial]: for each place of the output
//   where
//             in x to read, from -1 to 1 in each axis, the last axis of x first
//   output 0  `dtype` [batch, channels, out...]
struct GridSampleProblem {
  DType dtype = DType::kF32, grid_dtype = DType::kF32;
  int64_t batch = 0, channels = 0;
  int spatial = 2;
  std::array<int64_t, kMaxSpatial> in{}, out{};
  enum class Mode { kNearest, kLinear, kCubic } mode = Mode::kLinear;
  enum class Padding { kZeros, kBorder, kReflection } padding = Padding::kZeros;
  bool align_corners = false;
};
KernelCost CostOf(const GridSampleProblem& problem);
std::span<const KernelVariant<GridSampleProblem>> GridSampleVariants();

// ONNX AffineGrid, opset 20: the grid that GridSample takes, from one affine map a sample.
//   input 0   theta `dtype` [batch, spatial, spatial + 1]
//   output 0  `dtype` [batch, out..., spatial]
struct AffineGridProblem {
  DType dtype = DType::kF32;
  int64_t batch = 0;
  int spatial = 2;
  std::array<int64_t, kMaxSpatial> out{};
  bool align_corners = false;
};
KernelCost CostOf(const AffineGridProblem& problem);
std::span<const KernelVariant<AffineGridProblem>> AffineGridVariants();

// ONNX RoiAlign, opset 10 and later (He et al., Mask R-CNN, 2017).
//   inputs    x `dtype` [batch, channels, height, width]; rois `dtype` [count, 4] as x1, y1, x2,
//   y2;
//             batch_indices int64 [count] (outside the batch: zeros come out)
//   output    `dtype` [count, channels, out_height, out_width]
struct RoiAlignProblem {
  DType dtype = DType::kF32;
  int64_t batch = 0, channels = 0, height = 0, width = 0, count = 0;
  int64_t out_height = 1, out_width = 1;
  int64_t sampling_ratio = 0;  // 0: as many samples as the bin has pixels
  float spatial_scale = 1;
  bool max = false;        // else the mean of the samples
  bool half_pixel = true;  // coordinates are shifted by half a pixel
};
KernelCost CostOf(const RoiAlignProblem& problem);
std::span<const KernelVariant<RoiAlignProblem>> RoiAlignVariants();

// ONNX MaxRoiPool (Girshick, Fast R-CNN, 2015).
//   inputs    x `dtype` [batch, channels, height, width]; rois `dtype` [count, 5] as the number in
//             the batch (outside of it: zeros come out), x1, y1, x2, y2, both corners inside
//   output    `dtype` [count, channels, out_height, out_width]: the largest of each bin, 0 where a
//             bin is empty
struct MaxRoiPoolProblem {
  DType dtype = DType::kF32;
  int64_t batch = 0, channels = 0, height = 0, width = 0, count = 0;
  int64_t out_height = 1, out_width = 1;
  float spatial_scale = 1;
};
KernelCost CostOf(const MaxRoiPoolProblem& problem);
std::span<const KernelVariant<MaxRoiPoolProblem>> MaxRoiPoolVariants();

// ONNX MaxUnpool, opset 9 and later.
//   inputs    x `dtype` [elements], indices int64 [elements]: flat positions in a tensor of the
//             shape `inner`
//   output    `dtype` [outer]: zeros, and x at its places; where `outer` differs from `inner` the
//             positions are carried over by coordinates, those outside are dropped
struct MaxUnpoolProblem {
  DType dtype = DType::kF32;
  int64_t elements = 0;
  Shape inner, outer;
};
KernelCost CostOf(const MaxUnpoolProblem& problem);
std::span<const KernelVariant<MaxUnpoolProblem>> MaxUnpoolVariants();

// ONNX Col2Im, opset 18: the sum of overlapping blocks.
//   input 0   `dtype` [batch, channels * prod(block), blocks]
//   output 0  `dtype` [batch, channels, image...]
struct Col2ImProblem {
  DType dtype = DType::kF32;
  int64_t batch = 0, channels = 0;
  int spatial = 2;
  std::array<int64_t, kMaxSpatial> image{}, block{}, strides{}, dilations{}, pads_begin{}, blocks{};
};
KernelCost CostOf(const Col2ImProblem& problem);
std::span<const KernelVariant<Col2ImProblem>> Col2ImVariants();

// ONNX DeformConv, opset 19 (Dai et al., Deformable Convolutional Networks, 2017; Zhu et al., 2018,
// for the mask), two spatial dimensions.
//   inputs    x [batch, in_channels, height, width]; w [out_channels, in_channels / groups, kh,
//   kw];
//             offset [batch, offset_groups * kh * kw * 2, out_height, out_width] (y, then x); bias
//             [out_channels] or absent; mask [batch, offset_groups * kh * kw, out...] or absent
//   output    [batch, out_channels, out_height, out_width]
struct DeformConvProblem {
  DType dtype = DType::kF32;
  int64_t batch = 0, in_channels = 0, out_channels = 0, groups = 1, offset_groups = 1;
  std::array<int64_t, 2> in{}, out{}, kernel{}, strides{}, dilations{}, pads_begin{};
};
KernelCost CostOf(const DeformConvProblem& problem);
std::span<const KernelVariant<DeformConvProblem>> DeformConvVariants();

}  // namespace ergo

#endif  // ERGO_KERNELS_SAMPLE_SAMPLE_H_
