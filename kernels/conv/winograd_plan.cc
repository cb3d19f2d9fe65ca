#include "kernels/conv/winograd_plan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "kernels/base/checked_math.h"

namespace ergo {
namespace {

constexpr int64_t kMaxAlpha = 8;
// Transformed tiles of a block, input and output together, for each worker. Smaller blocks fill
// their last vectors worse.
constexpr int64_t kBlockBytes = 3 << 20;

// A row of G.
using FilterRow = std::array<double, 3>;

std::span<const FilterRow> FilterTransform(int64_t tile) {
  static constexpr FilterRow kTwo[] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
  static constexpr FilterRow kFour[] = {
      {1.0 / 4, 0, 0},
      {-1.0 / 6, -1.0 / 6, -1.0 / 6},
      {-1.0 / 6, 1.0 / 6, -1.0 / 6},
      {1.0 / 24, 1.0 / 12, 1.0 / 6},
      {1.0 / 24, -1.0 / 12, 1.0 / 6},
      {0, 0, 1},
  };
  static constexpr FilterRow kSix[] = {
      {1, 0, 0},
      {-2.0 / 9, -2.0 / 9, -2.0 / 9},
      {-2.0 / 9, 2.0 / 9, -2.0 / 9},
      {1.0 / 90, 1.0 / 45, 2.0 / 45},
      {1.0 / 90, -1.0 / 45, 2.0 / 45},
      {32.0 / 45, 16.0 / 45, 8.0 / 45},
      {32.0 / 45, -16.0 / 45, 8.0 / 45},
      {0, 0, 1},
  };
  if (tile == 2) return kTwo;
  return tile == 4 ? std::span<const FilterRow>(kFour) : std::span<const FilterRow>(kSix);
}

// The largest entry of |A^T| times (row sums of |G| * row sums of |B^T|): how far one axis'
// absolute values grow over max |x| max |w|.
double Growth(int64_t tile) {
  switch (tile) {
    case 2: return 8;
    case 4: return 48;
    default: return 67.75;
  }
}

}  // namespace

void TransformWinogradFilter(int64_t tile, const float* w, double* to) {
  const std::span<const FilterRow> g = FilterTransform(tile);
  double half[kMaxAlpha][3];
  for (size_t i = 0; i < g.size(); ++i) {
    for (size_t j = 0; j < 3; ++j) {
      half[i][j] = g[i][0] * double{w[j]} + g[i][1] * double{w[3 + j]} + g[i][2] * double{w[6 + j]};
    }
  }
  for (size_t i = 0; i < g.size(); ++i) {
    for (const FilterRow& column : g) {
      *to++ = half[i][0] * column[0] + half[i][1] * column[1] + half[i][2] * column[2];
    }
  }
}

Status CheckWinogradFits(const ConvProblem& problem) {
  ERGO_RETURN_IF_ERROR(CheckConv(problem));
  const Window& w = problem.window;
  if (problem.dtype != DType::kF32) return Unsupported("{} tensors", DTypeName(problem.dtype));
  const bool flat = w.in[0] == 1 && w.kernel[0] == 1 && w.out[0] == 1;
  if (!flat || w.kernel != Spatial{1, 3, 3} || w.strides != Spatial{1, 1, 1} ||
      w.dilations != Spatial{1, 1, 1}) {
    return Unsupported("not a 3x3 window of stride 1: {}", w.ToString());
  }
  if (problem.weights == nullptr) return Unsupported("weights that only a run knows");
  if (problem.Depth() == 0) return Unsupported("no input channels");
  return {};
}

Status CheckWinogradPays(int64_t tile, FunctionRef<Result<double>(int64_t)> relative_cost) {
  ERGO_ASSIGN_OR_RETURN(const double cost, relative_cost(tile));
  if (cost >= 1) return Unsupported("{:.2f} times the work of a direct convolution", cost);
  for (const int64_t other : {2, 4, 6}) {
    ERGO_ASSIGN_OR_RETURN(const double rival, relative_cost(other));
    if (rival < cost) {
      return Unsupported("tiles of {0}x{0} outputs are less work than {1}x{1}", other, tile);
    }
  }
  return {};
}

Result<WinogradPlan> WinogradPlan::Make(const ConvProblem& problem, int64_t tile,
                                        const WinogradMicroTile& micro, int max_workers) {
  ERGO_RETURN_IF_ERROR(CheckWinogradFits(problem));
  WinogradPlan plan;
  plan.problem = problem;
  plan.tile = tile;
  plan.micro = micro;
  plan.tile_rows = CeilDiv(problem.window.out[1], tile);
  plan.tile_columns = CeilDiv(problem.window.out[2], tile);
  const int64_t channels = problem.in_channels + problem.out_channels;
  const auto row_bytes = CheckedMul<int64_t>(
      plan.Products() * std::max<int64_t>(plan.tile_columns, 1), channels * int64_t{sizeof(float)});
  if (!row_bytes) return Unsupported("rows of tiles that are too long");
  const int64_t fitting = std::max<int64_t>(1, kBlockBytes * max_workers / *row_bytes);
  // At least a vector of tiles, and blocks as even as can be.
  const int64_t least = CeilDiv(micro.lanes, std::max<int64_t>(plan.tile_columns, 1));
  const int64_t rows = std::max<int64_t>(plan.TotalRows(), 1);
  const int64_t blocks = CeilDiv(rows, std::clamp<int64_t>(fitting, std::min(least, rows), rows));
  plan.block_rows = CeilDiv(rows, blocks);
  // The transformed tiles are no larger than a tensor may be.
  const auto elements = CheckedMul<int64_t>(plan.BlockTiles(), plan.Products() * channels);
  if (!elements || *elements > kMaxTensorElements) return Unsupported("too many channels");
  return plan;
}

int64_t WinogradPlan::BlockTiles() const {
  return RoundUp(block_rows * tile_columns, micro.lanes);
}

// Stores of whole vectors may pass the last tile.
int64_t WinogradPlan::StageElements() const {
  return Products() * (BlockTiles() + micro.lanes);
}

int64_t WinogradPlan::PaddedRowElements() const {
  return RoundUp((RoundUp(tile_columns, micro.lanes) + micro.lanes) * tile + 2, micro.lanes);
}

int64_t WinogradPlan::MicroRows(int64_t remaining) const {
  int64_t rows = micro.rows;
  while (rows > remaining) rows /= 2;
  return rows;
}

void WinogradPlan::PackWeights(const float* weights, float* packed) const {
  const int64_t depth = problem.GroupInChannels();
  const int64_t product_elements = problem.out_channels * depth;
  const int64_t group_channels = problem.GroupOutChannels();
  double transformed[kMaxAlpha * kMaxAlpha];
  for (int64_t group = 0; group < problem.groups; ++group) {
    const int64_t end = (group + 1) * group_channels;
    for (int64_t first = group * group_channels; first < end;) {
      const int64_t rows = MicroRows(end - first);
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t c = 0; c < depth; ++c) {
          TransformWinogradFilter(tile, weights + ((first + row) * depth + c) * 9, transformed);
          float* to = packed + first * depth + c * rows + row;
          for (int64_t p = 0; p < Products(); ++p) {
            to[p * product_elements] = static_cast<float>(transformed[p]);
          }
        }
      }
      first += rows;
    }
  }
}

std::string WinogradPlan::PackFormat() const {
  return fmt::format("conv_winograd/{}/r{}/g{}c{}m{}", tile, micro.rows, problem.groups,
                     problem.in_channels, problem.out_channels);
}

double WinogradPlan::RelativeCost() const {
  // In multiply-adds of one lane, as measured: what a transformed element costs beside its
  // products, and a weight that comes from beyond the L2 cache.
  const double per_element = tile == 2 ? 14 : tile == 4 ? 18 : 40;
  constexpr double kWeight = 6;
  const auto products = static_cast<double>(Products());
  const auto blocks = static_cast<double>(Blocks());
  const double tiles = blocks * static_cast<double>(BlockTiles());
  const auto in = static_cast<double>(problem.in_channels);
  const auto out = static_cast<double>(problem.out_channels);
  const auto depth = static_cast<double>(problem.GroupInChannels());
  const double multiply = products * tiles * out * depth;
  const double transform = per_element * products * tiles * (in + out);
  const double weights = kWeight * blocks * static_cast<double>(PackedElements());
  const double direct =
      static_cast<double>(problem.OutputElements()) * static_cast<double>(problem.Depth()) +
      kWeight * static_cast<double>(problem.WeightElements());
  return direct == 0 ? 1 : (multiply + transform + weights) / direct;
}

double WinogradErrorBound(const ConvProblem& problem, int64_t tile, double peak) {
  const double unit = 0x1p-24;
  // Two transforms of the input and of the output with at most alpha terms each, and the sum.
  const auto steps = static_cast<double>(problem.GroupInChannels() + 4 * (tile + 2) + 8);
  const double growth = Growth(tile) * Growth(tile);
  const double slope = ActivationSlope(problem.activation);
  return slope * steps * unit * growth * peak + ActivationErrorBound(problem.activation, peak) +
         unit * (slope * peak + 0x1p-126);
}

}  // namespace ergo
