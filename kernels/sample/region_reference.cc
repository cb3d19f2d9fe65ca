// RoiAlign, MaxRoiPool, MaxUnpool, Col2Im and DeformConv.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/base/function_kernel.h"
#include "kernels/base/real_access.h"
#include "kernels/sample/sample_variants.h"

namespace ergo {
namespace {

bool IsSupported(DType dtype) {
  return IsFloatingPoint(dtype) && HasRealAccess(dtype);
}

// The four neighbours of a point in a plane and their weights.
struct Bilinear {
  std::array<int64_t, 4> index{};
  std::array<double, 4> weight{};
};

// RoiAlign's rule: points up to one pixel outside count as on the edge, others as nothing.
Bilinear Clamped(double y, double x, int64_t height, int64_t width) {
  Bilinear point;
  if (y < -1 || y > static_cast<double>(height) || x < -1 || x > static_cast<double>(width))
    return point;
  y = std::min(std::max(y, 0.0), static_cast<double>(height - 1));
  x = std::min(std::max(x, 0.0), static_cast<double>(width - 1));
  const auto y0 = static_cast<int64_t>(y), x0 = static_cast<int64_t>(x);
  const int64_t y1 = std::min(y0 + 1, height - 1), x1 = std::min(x0 + 1, width - 1);
  const double dy = y - static_cast<double>(y0), dx = x - static_cast<double>(x0);
  point.index = {y0 * width + x0, y0 * width + x1, y1 * width + x0, y1 * width + x1};
  point.weight = {(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx};
  return point;
}

void AlignOne(const RoiAlignProblem& p, const KernelArgs& args, int64_t roi) {
  const double shift = p.half_pixel ? 0.5 : 0;
  std::array<double, 4> box{};
  for (size_t i = 0; i < 4; ++i) {
    box[i] = ReadReal(args.inputs[1], roi * 4 + static_cast<int64_t>(i)) * p.spatial_scale - shift;
  }
  const auto& [x1, y1, x2, y2] = box;
  double width = x2 - x1, height = y2 - y1;
  if (!p.half_pixel) {
    width = std::max(width, 1.0);
    height = std::max(height, 1.0);
  }
  const double bin_height = height / static_cast<double>(p.out_height);
  const double bin_width = width / static_cast<double>(p.out_width);
  const auto samples = [&](double bin) {
    return p.sampling_ratio > 0 ? p.sampling_ratio
                                : std::max<int64_t>(static_cast<int64_t>(std::ceil(bin)), 0);
  };
  const int64_t rows = samples(bin_height), columns = samples(bin_width);
  const int64_t sample = args.inputs[2].As<int64_t>()[roi];
  const bool valid = sample >= 0 && sample < p.batch;
  const int64_t plane = p.height * p.width;
  for (int64_t c = 0; c < p.channels; ++c) {
    const int64_t base = (sample * p.channels + c) * plane;
    for (int64_t bin = 0; bin < p.out_height * p.out_width; ++bin) {
      const auto oy = static_cast<double>(bin / p.out_width);
      const auto ox = static_cast<double>(bin % p.out_width);
      double sum = 0, max = -INFINITY;
      for (int64_t s = 0; valid && s < rows * columns; ++s) {
        const double fy = (static_cast<double>(s / columns) + 0.5) / static_cast<double>(rows);
        const double fx = (static_cast<double>(s % columns) + 0.5) / static_cast<double>(columns);
        const Bilinear point =
            Clamped(y1 + (oy + fy) * bin_height, x1 + (ox + fx) * bin_width, p.height, p.width);
        for (size_t k = 0; k < 4; ++k) {
          const double term = point.weight[k] * ReadReal(args.inputs[0], base + point.index[k]);
          sum += term;
          max = std::max(max, term);
        }
      }
      const int64_t count = std::max<int64_t>(rows * columns, 1);
      const double value = p.max ? (max == -INFINITY ? 0 : max) : sum / static_cast<double>(count);
      WriteReal(args.outputs[0], (roi * p.channels + c) * p.out_height * p.out_width + bin, value);
    }
  }
}

// The pixels of bin `bin` of `bins` over `extent` pixels from `start` on, within [0, limit).
struct BinRange {
  int64_t begin, end;
};
BinRange RangeOf(int64_t bin, int64_t bins, int64_t start, int64_t extent, int64_t limit) {
  const double size = static_cast<double>(extent) / static_cast<double>(bins);
  const auto edge = [&](double at) {
    return std::clamp<int64_t>(start + static_cast<int64_t>(at), 0, limit);
  };
  return {edge(std::floor(static_cast<double>(bin) * size)),
          edge(std::ceil(static_cast<double>(bin + 1) * size))};
}

// A corner in pixels; far outside stays far outside.
int64_t PixelOf(double at) {
  constexpr double kFar = 1 << 30;
  return std::isnan(at) ? 0 : static_cast<int64_t>(std::round(std::clamp(at, -kFar, kFar)));
}

void PoolOne(const MaxRoiPoolProblem& p, const KernelArgs& args, int64_t roi) {
  const double image = ReadReal(args.inputs[1], roi * 5);
  std::array<int64_t, 4> box{};
  for (size_t i = 0; i < 4; ++i) {
    const double corner = ReadReal(args.inputs[1], roi * 5 + 1 + static_cast<int64_t>(i));
    box[i] = PixelOf(corner * p.spatial_scale);
  }
  const auto& [x1, y1, x2, y2] = box;
  const int64_t width = std::max<int64_t>(x2 - x1 + 1, 1);
  const int64_t height = std::max<int64_t>(y2 - y1 + 1, 1);
  const bool valid = image >= 0 && image < static_cast<double>(p.batch);
  const int64_t sample = valid ? static_cast<int64_t>(image) : 0;
  const int64_t bins = p.out_height * p.out_width;
  for (int64_t i = 0; i < p.channels * bins; ++i) {
    const int64_t bin = i % bins, base = (sample * p.channels + i / bins) * p.height * p.width;
    const BinRange rows = RangeOf(bin / p.out_width, p.out_height, y1, height, p.height);
    const BinRange columns = RangeOf(bin % p.out_width, p.out_width, x1, width, p.width);
    const bool empty = !valid || rows.begin >= rows.end || columns.begin >= columns.end;
    double largest = empty ? 0 : -INFINITY;
    for (int64_t y = rows.begin; !empty && y < rows.end; ++y) {
      for (int64_t x = columns.begin; x < columns.end; ++x) {
        largest = std::max(largest, ReadReal(args.inputs[0], base + y * p.width + x));
      }
    }
    WriteReal(args.outputs[0], roi * p.channels * bins + i, largest);
  }
}

// The flat position in `outer` of the coordinates that `flat` has in `inner`; -1 when outside.
int64_t CarryOver(int64_t flat, const Shape& inner, const Shape& outer) {
  if (flat < 0 || flat >= inner.Elements()) return -1;
  if (inner == outer) return flat;
  int64_t position = 0, stride = 1;
  for (int axis = inner.Rank() - 1; axis >= 0; --axis) {
    const int64_t at = flat % inner[axis];
    flat /= inner[axis];
    if (at >= outer[axis]) return -1;
    position += at * stride;
    stride *= outer[axis];
  }
  return position;
}

void RunMaxUnpool(const MaxUnpoolProblem& p, const KernelArgs& args) {
  const auto element = static_cast<size_t>(DTypeBits(p.dtype) / 8);
  auto* out = static_cast<std::byte*>(args.outputs[0].data);
  const auto bytes = static_cast<size_t>(args.outputs[0].Bytes());
  if (bytes == 0) return;
  std::memset(out, 0, bytes);
  const auto* in = static_cast<const std::byte*>(args.inputs[0].data);
  const int64_t* indices = args.inputs[1].As<int64_t>();
  for (int64_t i = 0; i < p.elements; ++i) {
    const int64_t to = CarryOver(indices[i], p.inner, p.outer);
    if (to < 0) continue;
    std::memcpy(out + static_cast<size_t>(to) * element, in + static_cast<size_t>(i) * element,
                element);
  }
}

void RunCol2Im(const Col2ImProblem& p, const KernelArgs& args) {
  int64_t image = 1, taps = 1, blocks = 1;
  for (size_t a = 0; a < static_cast<size_t>(p.spatial); ++a) {
    image *= p.image[a];
    taps *= p.block[a];
    blocks *= p.blocks[a];
  }
  // Each pixel gathers, so that pixels are independent.
  args.parallel.Run(p.batch * p.channels * image, [&](int64_t index, int) {
    double sum = 0;
    for (int64_t tap = 0; tap < taps; ++tap) {
      int64_t pixel = index % image, rest_tap = tap, block = 0, stride = 1;
      bool inside = true;
      for (int axis = p.spatial - 1; axis >= 0 && inside; --axis) {
        const auto a = static_cast<size_t>(axis);
        const int64_t at = pixel % p.image[a], k = rest_tap % p.block[a];
        pixel /= p.image[a];
        rest_tap /= p.block[a];
        const int64_t start = at + p.pads_begin[a] - k * p.dilations[a];
        inside = start >= 0 && start % p.strides[a] == 0 && start / p.strides[a] < p.blocks[a];
        block += inside ? start / p.strides[a] * stride : 0;
        stride *= p.blocks[a];
      }
      if (!inside) continue;
      sum += ReadReal(args.inputs[0], (index / image * taps + tap) * blocks + block);
    }
    WriteReal(args.outputs[0], index, sum);
  });
}

// Bilinear reading with zeros outside.
double ReadAt(const TensorView& x, int64_t base, double y, double column, int64_t height,
              int64_t width) {
  const double y0 = std::floor(y), x0 = std::floor(column);
  double sum = 0;
  for (int corner = 0; corner < 4; ++corner) {
    const double yy = y0 + corner / 2, xx = x0 + corner % 2;
    if (yy < 0 || xx < 0 || yy >= static_cast<double>(height) || xx >= static_cast<double>(width)) {
      continue;
    }
    const double weight = (1 - std::fabs(y - yy)) * (1 - std::fabs(column - xx));
    sum += weight * ReadReal(x, base + static_cast<int64_t>(yy) * width + static_cast<int64_t>(xx));
  }
  return sum;
}

void RunDeformConv(const DeformConvProblem& p, const KernelArgs& args) {
  const int64_t taps = p.kernel[0] * p.kernel[1], places = p.out[0] * p.out[1];
  const int64_t plane = p.in[0] * p.in[1];
  const int64_t group_in = p.in_channels / p.groups, group_out = p.out_channels / p.groups;
  const int64_t offset_in = p.in_channels / p.offset_groups;
  const bool has_bias = args.inputs.size() > 3 && args.inputs[3].Present();
  const bool has_mask = args.inputs.size() > 4 && args.inputs[4].Present();
  args.parallel.Run(p.batch * p.out_channels * places, [&](int64_t index, int) {
    const int64_t place = index % places, oc = index / places % p.out_channels;
    const int64_t b = index / places / p.out_channels;
    double sum = has_bias ? ReadReal(args.inputs[3], oc) : 0;
    for (int64_t c = 0; c < group_in; ++c) {
      const int64_t channel = oc / group_out * group_in + c;
      const int64_t group = channel / offset_in;
      for (int64_t tap = 0; tap < taps; ++tap) {
        const int64_t entry = (b * p.offset_groups + group) * taps + tap;
        const auto start = [&](size_t axis, int64_t o, int64_t k) {
          return static_cast<double>(o * p.strides[axis] - p.pads_begin[axis] +
                                     k * p.dilations[axis]);
        };
        const double y = start(0, place / p.out[1], tap / p.kernel[1]) +
                         ReadReal(args.inputs[2], entry * 2 * places + place);
        const double x = start(1, place % p.out[1], tap % p.kernel[1]) +
                         ReadReal(args.inputs[2], (entry * 2 + 1) * places + place);
        const double mask = has_mask ? ReadReal(args.inputs[4], entry * places + place) : 1;
        const double weight = ReadReal(args.inputs[1], (oc * group_in + c) * taps + tap);
        sum +=
            weight * mask *
            ReadAt(args.inputs[0], (b * p.in_channels + channel) * plane, y, x, p.in[0], p.in[1]);
      }
    }
    WriteReal(args.outputs[0], index, sum);
  });
}

}  // namespace

MadeKernel MakeSampleReference(const RoiAlignProblem& problem, const MakeContext&) {
  if (!IsSupported(problem.dtype))
    return Unsupported("{} is not supported", DTypeName(problem.dtype));
  return MakeFunctionKernel([problem](const KernelArgs& args) {
    args.parallel.Run(problem.count, [&](int64_t roi, int) { AlignOne(problem, args, roi); });
  });
}

MadeKernel MakeSampleReference(const MaxRoiPoolProblem& problem, const MakeContext&) {
  if (!IsSupported(problem.dtype))
    return Unsupported("{} is not supported", DTypeName(problem.dtype));
  return MakeFunctionKernel([problem](const KernelArgs& args) {
    args.parallel.Run(problem.count, [&](int64_t roi, int) { PoolOne(problem, args, roi); });
  });
}

MadeKernel MakeSampleReference(const MaxUnpoolProblem& problem, const MakeContext&) {
  if (DTypeBits(problem.dtype) < 8) return Unsupported("packed dtypes");
  return MakeFunctionKernel([problem](const KernelArgs& args) { RunMaxUnpool(problem, args); });
}

MadeKernel MakeSampleReference(const Col2ImProblem& problem, const MakeContext&) {
  if (!HasRealAccess(problem.dtype))
    return Unsupported("{} is not supported", DTypeName(problem.dtype));
  return MakeFunctionKernel([problem](const KernelArgs& args) { RunCol2Im(problem, args); });
}

MadeKernel MakeSampleReference(const DeformConvProblem& problem, const MakeContext&) {
  if (!IsSupported(problem.dtype))
    return Unsupported("{} is not supported", DTypeName(problem.dtype));
  return MakeFunctionKernel([problem](const KernelArgs& args) { RunDeformConv(problem, args); });
}

}  // namespace ergo
