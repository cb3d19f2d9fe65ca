// Each operator of the family against its definition in plain loops over random shapes.
#include "kernels/sample/sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/random_draw.h"
#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using testing::At;
using Draw = testing::RandomDraw;
using testing::MakeReference;
using testing::RunKernel;
using testing::TestTensor;
using testing::ThreadedFor;

template <typename Problem>
void ExpectOutput(std::span<const KernelVariant<Problem>> variants, const Problem& problem,
                  std::vector<TensorView> inputs, const Shape& shape,
                  const std::vector<double>& expected) {
  const TestTensor y(DType::kF32, shape);
  ThreadedFor parallel(3);
  RunKernel(*MakeReference(variants, problem), std::move(inputs), {y.View()}, parallel);
  EXPECT_TRUE(y.GuardIntact());
  ASSERT_EQ(expected.size(), y.Span<float>().size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(y.Span<float>()[i]), expected[i], 1e-5) << "element " << i;
  }
}

// A plane read between its pixels; `outside` is what stands beyond its edges.
double Bilinear(const TestTensor& x, int64_t base, int64_t height, int64_t width, double y,
                double column, bool clamp) {
  double sum = 0;
  const auto y0 = static_cast<int64_t>(std::floor(y)),
             x0 = static_cast<int64_t>(std::floor(column));
  for (int64_t yy = y0; yy <= y0 + 1; ++yy) {
    for (int64_t xx = x0; xx <= x0 + 1; ++xx) {
      const double weight = (1 - std::fabs(y - static_cast<double>(yy))) *
                            (1 - std::fabs(column - static_cast<double>(xx)));
      const int64_t cy = std::clamp<int64_t>(yy, 0, height - 1);
      const int64_t cx = std::clamp<int64_t>(xx, 0, width - 1);
      if (!clamp && (cy != yy || cx != xx)) continue;
      sum += weight * At(x, base + cy * width + cx);
    }
  }
  return sum;
}

TEST(GridSampleTest, ReadsBetweenPixelsOfTwoDimensions) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Draw draw(seed);
    GridSampleProblem p;
    p.batch = draw.Int(1, 3);
    p.channels = draw.Int(1, 3);
    p.in = {draw.Int(1, 7), draw.Int(1, 7)};
    p.out = {draw.Int(1, 5), draw.Int(1, 5)};
    p.align_corners = draw.Coin();
    const bool border = draw.Coin();
    p.padding = border ? GridSampleProblem::Padding::kBorder : GridSampleProblem::Padding::kZeros;
    const TestTensor x = draw.Floats({p.batch, p.channels, p.in[0], p.in[1]});
    const TestTensor grid = draw.Floats({p.batch, p.out[0], p.out[1], 2}, -1.3, 1.3);
    std::vector<double> expected;
    for (int64_t i = 0; i < p.batch * p.channels; ++i) {
      for (int64_t place = 0; place < p.out[0] * p.out[1]; ++place) {
        std::array<double, 2> at{};
        for (size_t axis = 0; axis < 2; ++axis) {
          const auto size = static_cast<double>(p.in[axis]);
          const double g = At(grid, (i / p.channels * p.out[0] * p.out[1] + place) * 2 + 1 -
                                        static_cast<int64_t>(axis));
          at[axis] = p.align_corners ? (g + 1) / 2 * (size - 1) : ((g + 1) * size - 1) / 2;
          if (border) at[axis] = std::clamp(at[axis], 0.0, size - 1);
        }
        expected.push_back(
            Bilinear(x, i * p.in[0] * p.in[1], p.in[0], p.in[1], at[0], at[1], false));
      }
    }
    ExpectOutput(GridSampleVariants(), p, {x.View(), grid.View()},
                 {p.batch, p.channels, p.out[0], p.out[1]}, expected);
  }
}

TEST(AffineGridTest, MapsTheCornersOrTheCentersOfPixels) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Draw draw(seed);
    AffineGridProblem p;
    p.batch = draw.Int(1, 3);
    p.spatial = static_cast<int>(draw.Int(2, 3));
    p.align_corners = draw.Coin();
    int64_t places = 1;
    Shape shape{p.batch};
    for (size_t axis = 0; axis < static_cast<size_t>(p.spatial); ++axis) {
      p.out[axis] = draw.Int(2, 5);
      places *= p.out[axis];
      shape.Append(p.out[axis]);
    }
    shape.Append(p.spatial);
    const int64_t columns = p.spatial + 1;
    const TestTensor theta = draw.Floats({p.batch, p.spatial, columns});
    std::vector<double> expected;
    for (int64_t i = 0; i < p.batch * places; ++i) {
      // The last axis first, then 1.
      std::vector<double> point;
      int64_t rest = i % places;
      for (int axis = p.spatial - 1; axis >= 0; --axis) {
        const int64_t size = p.out[static_cast<size_t>(axis)];
        const auto at = static_cast<double>(rest % size), count = static_cast<double>(size);
        rest /= size;
        point.push_back(p.align_corners ? 2 * at / (count - 1) - 1 : (2 * at + 1) / count - 1);
      }
      point.push_back(1);
      for (int64_t row = 0; row < p.spatial; ++row) {
        double sum = 0;
        for (int64_t k = 0; k < columns; ++k) {
          sum += At(theta, (i / places * p.spatial + row) * columns + k) *
                 point[static_cast<size_t>(k)];
        }
        expected.push_back(sum);
      }
    }
    ExpectOutput(AffineGridVariants(), p, {theta.View()}, shape, expected);
  }
}

TEST(RoiAlignTest, AveragesSamplesOfEachBin) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Draw draw(seed);
    RoiAlignProblem p;
    p.batch = draw.Int(1, 3);
    p.channels = draw.Int(1, 3);
    p.height = draw.Int(4, 12);
    p.width = draw.Int(4, 12);
    p.count = draw.Int(1, 4);
    p.out_height = draw.Int(1, 3);
    p.out_width = draw.Int(1, 3);
    p.sampling_ratio = draw.Int(1, 3);
    p.spatial_scale = 0.5f;
    p.half_pixel = draw.Coin();
    const TestTensor x = draw.Floats({p.batch, p.channels, p.height, p.width});
    TestTensor rois(DType::kF32, {p.count, 4});
    TestTensor images(DType::kI64, {p.count});
    for (int64_t i = 0; i < p.count; ++i) {
      const auto at = static_cast<size_t>(i);
      for (const size_t axis : {size_t{0}, size_t{1}}) {
        const auto size = static_cast<float>(axis == 0 ? p.width : p.height);
        const float low = 0.1f * static_cast<float>(draw.Int(10, 19)) * size / 4;
        rois.Span<float>()[at * 4 + axis] = low;
        rois.Span<float>()[at * 4 + 2 + axis] =
            low + size * 0.1f * static_cast<float>(draw.Int(3, 9));
      }
      images.Span<int64_t>()[at] = draw.Int(0, p.batch - 1);
    }
    std::vector<double> expected;
    const int64_t bins = p.out_height * p.out_width;
    for (int64_t i = 0; i < p.count * p.channels * bins; ++i) {
      const int64_t roi = i / bins / p.channels, channel = i / bins % p.channels, bin = i % bins;
      const double shift = p.half_pixel ? 0.5 : 0;
      const auto edge = [&](int64_t k) { return At(rois, roi * 4 + k) * 0.5 - shift; };
      double width = edge(2) - edge(0), height = edge(3) - edge(1);
      if (!p.half_pixel) width = std::max(width, 1.0), height = std::max(height, 1.0);
      const auto n = static_cast<double>(p.sampling_ratio);
      double sum = 0;
      for (int64_t s = 0; s < p.sampling_ratio * p.sampling_ratio; ++s) {
        const double fy = (static_cast<double>(s / p.sampling_ratio) + 0.5) / n;
        const double fx = (static_cast<double>(s % p.sampling_ratio) + 0.5) / n;
        const double y = edge(1) + (static_cast<double>(bin / p.out_width) + fy) * height /
                                       static_cast<double>(p.out_height);
        const double column = edge(0) + (static_cast<double>(bin % p.out_width) + fx) * width /
                                            static_cast<double>(p.out_width);
        if (y < -1 || y > static_cast<double>(p.height) || column < -1 ||
            column > static_cast<double>(p.width)) {
          continue;
        }
        const int64_t image = images.Span<int64_t>()[static_cast<size_t>(roi)];
        sum += Bilinear(x, (image * p.channels + channel) * p.height * p.width, p.height, p.width,
                        std::clamp(y, 0.0, static_cast<double>(p.height - 1)),
                        std::clamp(column, 0.0, static_cast<double>(p.width - 1)), true);
      }
      expected.push_back(sum / (n * n));
    }
    ExpectOutput(RoiAlignVariants(), p, {x.View(), rois.View(), images.View()},
                 {p.count, p.channels, p.out_height, p.out_width}, expected);
  }
}

// Marks every pixel with the bins that it belongs to, instead of computing a bin's pixels.
TEST(MaxRoiPoolTest, TakesTheLargestOfEachBin) {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Draw draw(seed);
    MaxRoiPoolProblem p;
    p.batch = draw.Int(1, 3);
    p.channels = draw.Int(1, 3);
    p.height = draw.Int(1, 9);
    p.width = draw.Int(1, 9);
    p.count = draw.Int(0, 4);
    p.out_height = draw.Int(1, 4);
    p.out_width = draw.Int(1, 4);
    p.spatial_scale = 0.5f;
    const TestTensor x = draw.Floats({p.batch, p.channels, p.height, p.width});
    TestTensor rois(DType::kF32, {p.count, 5});
    std::vector<double> expected;
    for (int64_t roi = 0; roi < p.count; ++roi) {
      std::array<int64_t, 5> box = {draw.Int(-1, p.batch - 1), draw.Int(-3, 8), draw.Int(-3, 8), 0,
                                    0};
      box[3] = box[1] + draw.Int(-2, 8);
      box[4] = box[2] + draw.Int(-2, 8);
      for (size_t k = 0; k < 5; ++k) {
        rois.Span<float>()[static_cast<size_t>(roi) * 5 + k] =
            static_cast<float>(k == 0 ? box[k] : 2 * box[k]);
      }
      const int64_t width = std::max<int64_t>(box[3] - box[1] + 1, 1);
      const int64_t height = std::max<int64_t>(box[4] - box[2] + 1, 1);
      // Pixel `at` of `size` touches bin `bin` of `bins` where the open intervals overlap.
      const auto touches = [](int64_t at, int64_t size, int64_t bin, int64_t bins) {
        return at * bins < (bin + 1) * size && (at + 1) * bins > bin * size;
      };
      for (int64_t i = 0; i < p.channels * p.out_height * p.out_width; ++i) {
        const int64_t bin = i % (p.out_height * p.out_width);
        const int64_t channel = i / (p.out_height * p.out_width);
        double largest = -INFINITY;
        for (int64_t pixel = 0; box[0] >= 0 && pixel < p.height * p.width; ++pixel) {
          const int64_t y = pixel / p.width, column = pixel % p.width;
          if (touches(y - box[2], height, bin / p.out_width, p.out_height) &&
              touches(column - box[1], width, bin % p.out_width, p.out_width)) {
            largest = std::max(largest,
                               At(x, (box[0] * p.channels + channel) * p.height * p.width + pixel));
          }
        }
        expected.push_back(largest == -INFINITY ? 0 : largest);
      }
    }
    ExpectOutput(MaxRoiPoolVariants(), p, {x.View(), rois.View()},
                 {p.count, p.channels, p.out_height, p.out_width}, expected);
  }
}

TEST(MaxUnpoolTest, PutsValuesAtTheirPlaces) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Draw draw(seed);
    MaxUnpoolProblem p;
    p.inner = Shape{draw.Int(1, 2), draw.Int(1, 3), draw.Int(2, 6), draw.Int(2, 6)};
    p.outer = p.inner;
    if (draw.Coin()) p.outer[3] += draw.Int(1, 3);
    // Every third place of the inner tensor, in no order.
    std::vector<int64_t> places;
    for (int64_t i = 0; i < p.inner.Elements(); i += 3) places.push_back(i);
    draw.Shuffle(places);
    p.elements = static_cast<int64_t>(places.size());
    const TestTensor x = draw.Floats({p.elements});
    TestTensor indices(DType::kI64, {p.elements});
    std::vector<double> expected(static_cast<size_t>(p.outer.Elements()), 0);
    for (size_t i = 0; i < places.size(); ++i) {
      indices.Span<int64_t>()[i] = places[i];
      const int64_t row = places[i] / p.inner[3], column = places[i] % p.inner[3];
      expected[static_cast<size_t>(row * p.outer[3] + column)] = At(x, static_cast<int64_t>(i));
    }
    ExpectOutput(MaxUnpoolVariants(), p, {x.View(), indices.View()}, p.outer, expected);
  }
}

TEST(Col2ImTest, AddsUpOverlappingBlocks) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Draw draw(seed);
    Col2ImProblem p;
    p.batch = draw.Int(1, 2);
    p.channels = draw.Int(1, 3);
    for (size_t axis = 0; axis < 2; ++axis) {
      p.block[axis] = draw.Int(1, 3);
      p.strides[axis] = draw.Int(1, 3);
      p.dilations[axis] = draw.Int(1, 2);
      p.pads_begin[axis] = draw.Int(0, 1);
      p.blocks[axis] = draw.Int(1, 4);
      p.image[axis] = (p.blocks[axis] - 1) * p.strides[axis] +
                      (p.block[axis] - 1) * p.dilations[axis] + 1 - p.pads_begin[axis];
      p.image[axis] = std::max<int64_t>(p.image[axis], 1);
    }
    const int64_t taps = p.block[0] * p.block[1], blocks = p.blocks[0] * p.blocks[1];
    const TestTensor x = draw.Floats({p.batch, p.channels * taps, blocks});
    std::vector<double> expected(
        static_cast<size_t>(p.batch * p.channels * p.image[0] * p.image[1]), 0);
    // Scatters, where the kernel gathers.
    for (int64_t i = 0; i < p.batch * p.channels * taps * blocks; ++i) {
      const int64_t block = i % blocks, tap = i / blocks % taps, plane = i / blocks / taps;
      const int64_t y =
          block / p.blocks[1] * p.strides[0] + tap / p.block[1] * p.dilations[0] - p.pads_begin[0];
      const int64_t column =
          block % p.blocks[1] * p.strides[1] + tap % p.block[1] * p.dilations[1] - p.pads_begin[1];
      if (y < 0 || column < 0 || y >= p.image[0] || column >= p.image[1]) continue;
      expected[static_cast<size_t>((plane * p.image[0] + y) * p.image[1] + column)] += At(x, i);
    }
    ExpectOutput(Col2ImVariants(), p, {x.View()}, {p.batch, p.channels, p.image[0], p.image[1]},
                 expected);
  }
}

TEST(DeformConvTest, ConvolvesWhatOffsetsPointAt) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Draw draw(seed);
    DeformConvProblem p;
    p.batch = draw.Int(1, 2);
    p.groups = draw.Int(1, 2);
    p.offset_groups = draw.Int(1, 2);
    p.in_channels = 2 * draw.Int(1, 2);
    p.out_channels = p.groups * draw.Int(1, 2);
    for (size_t axis = 0; axis < 2; ++axis) {
      p.in[axis] = draw.Int(4, 7);
      p.kernel[axis] = draw.Int(1, 3);
      p.strides[axis] = draw.Int(1, 2);
      p.dilations[axis] = 1;
      p.pads_begin[axis] = draw.Int(0, 1);
      p.out[axis] = (p.in[axis] + 2 * p.pads_begin[axis] - p.kernel[axis]) / p.strides[axis] + 1;
    }
    const int64_t taps = p.kernel[0] * p.kernel[1], places = p.out[0] * p.out[1];
    const int64_t per_group = p.in_channels / p.groups;
    const TestTensor x = draw.Floats({p.batch, p.in_channels, p.in[0], p.in[1]});
    const TestTensor w = draw.Floats({p.out_channels, per_group, p.kernel[0], p.kernel[1]});
    const TestTensor offset =
        draw.Floats({p.batch, p.offset_groups * taps * 2, p.out[0], p.out[1]}, -1.5, 1.5);
    const TestTensor bias = draw.Floats({p.out_channels});
    const TestTensor mask =
        draw.Floats({p.batch, p.offset_groups * taps, p.out[0], p.out[1]}, 0, 1);
    const bool masked = draw.Coin(), biased = draw.Coin();
    std::vector<double> expected(static_cast<size_t>(p.batch * p.out_channels * places));
    for (int64_t i = 0; i < p.batch * p.out_channels * places; ++i) {
      const int64_t place = i % places, oc = i / places % p.out_channels;
      const int64_t image = i / places / p.out_channels;
      double sum = biased ? At(bias, oc) : 0;
      for (int64_t k = 0; k < per_group * taps; ++k) {
        const int64_t channel = oc / (p.out_channels / p.groups) * per_group + k / taps;
        const int64_t tap = k % taps;
        const int64_t entry =
            (image * p.offset_groups + channel / (p.in_channels / p.offset_groups)) * taps + tap;
        const double y = static_cast<double>(place / p.out[1] * p.strides[0] - p.pads_begin[0] +
                                             tap / p.kernel[1]) +
                         At(offset, 2 * entry * places + place);
        const double column = static_cast<double>(place % p.out[1] * p.strides[1] -
                                                  p.pads_begin[1] + tap % p.kernel[1]) +
                              At(offset, (2 * entry + 1) * places + place);
        const double value = Bilinear(x, (image * p.in_channels + channel) * p.in[0] * p.in[1],
                                      p.in[0], p.in[1], y, column, false);
        sum += At(w, oc * per_group * taps + k) * value *
               (masked ? At(mask, entry * places + place) : 1);
      }
      expected[static_cast<size_t>(i)] = sum;
    }
    ExpectOutput(
        DeformConvVariants(), p,
        {x.View(), w.View(), offset.View(), biased ? TensorView(bias.View()) : TensorView(),
         masked ? TensorView(mask.View()) : TensorView()},
        {p.batch, p.out_channels, p.out[0], p.out[1]}, expected);
  }
}

}  // namespace
}  // namespace ergo
