// WinogradPlan: a 3x3 convolution of stride 1 as products of transformed tiles. With tiles of m x m
// outputs, a = m + 2, and matrices A, B, G from the Chinese remainder theorem, a tile of the output
// is
//
//   Y = A^T [ sum over c of (G W_c G^T) * (B^T X_c B) ] A          (* elementwise, a x a)
//
// so that one output needs a*a / (m*m) products for each input channel instead of 9: 4, 2.25
// or 1.78 for m = 2, 4, 6. For each of the a*a positions the sum over channels is a matrix product
// of [output channels x input channels] with [input channels x tiles].
//
// A block is a number of rows of tiles. Its tiles are transformed, multiplied and transformed back
// before the next block, so that what lies between stays in the cache.
//
// Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, arXiv:1509.09308; the
// matrices for m = 6 have the points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity.
#ifndef ERGO_KERNELS_CONV_WINOGRAD_PLAN_H_
#define ERGO_KERNELS_CONV_WINOGRAD_PLAN_H_

#include <string>

#include "kernels/conv/conv.h"

namespace ergo {

// What the micro-kernel multiplies at once: `rows` output channels by `vectors` vectors of `lanes`
// tiles.
struct WinogradMicroTile {
  int64_t rows = 1;
  int64_t vectors = 1;
  int64_t lanes = 1;
};

struct WinogradPlan {
  ConvProblem problem;
  int64_t tile = 4;  // m: outputs of a tile along each axis
  WinogradMicroTile micro;
  int64_t tile_columns = 0;  // of an image
  int64_t tile_rows = 0;     // of an image
  int64_t block_rows = 1;    // rows of tiles of a block; blocks may span images

  // Unsupported, saying why, for what is not a two-dimensional 3x3 convolution of stride 1.
  static Result<WinogradPlan> Make(const ConvProblem& problem, int64_t tile,
                                   const WinogradMicroTile& micro, int max_workers);

  static constexpr int64_t kLineElements = 16;

  int64_t Alpha() const { return tile + 2; }
  int64_t Products() const { return Alpha() * Alpha(); }
  int64_t TotalRows() const { return problem.batch * tile_rows; }
  int64_t Blocks() const { return TotalRows() == 0 ? 0 : CeilRows(); }
  // Tiles of a whole block, padded to vectors: the row length of all transformed data.
  int64_t BlockTiles() const;
  // Transformed tiles lie as [product][channel][tile]. From one product to the next it is a cache
  // line more than the channels take, or all products of a tile might fall into the same cache set.
  int64_t InProductElements() const { return problem.in_channels * BlockTiles() + kLineElements; }
  int64_t OutProductElements() const { return problem.out_channels * BlockTiles() + kLineElements; }
  // Scratch of one worker, in floats: the tiles of one channel, and one padded row of an image.
  int64_t StageElements() const;
  int64_t PaddedRowElements() const;

  // Transformed weights, [product][group][tile of out channels][in channel][row of the tile].
  int64_t PackedElements() const {
    return Products() * problem.out_channels * problem.GroupInChannels();
  }
  void PackWeights(const float* weights, float* packed) const;
  // Output channels of the micro-kernel's tile when `remaining` are left.
  int64_t MicroRows(int64_t remaining) const;
  std::string PackFormat() const;

  // How much longer than the multiplications of a direct convolution this is expected to take, on
  // one core; below 1 it pays.
  double RelativeCost() const;

 private:
  int64_t CeilRows() const { return (TotalRows() + block_rows - 1) / block_rows; }
};

// Unsupported, saying why, for what is not a two-dimensional 3x3 convolution of stride 1 with
// constant weights.
Status CheckWinogradFits(const ConvProblem& problem);

// Unsupported unless tiles of `tile` outputs are expected to be the cheapest of all and cheaper
// than a direct convolution, whose cost is 1.
Status CheckWinogradPays(int64_t tile, FunctionRef<Result<double>(int64_t tile)> relative_cost);

// G w G^T of one 3x3 filter `w`: (tile + 2) squared numbers, in double.
void TransformWinogradFilter(int64_t tile, const float* w, double* to);

// |error| of one output against exact arithmetic. `peak` bounds |X| over the whole input times the
// sum of |W| over the taps and input channels of the output channel, plus |B| + |Z| of the element:
// what a tile's other outputs look at takes part in this one's rounding, so that the bound does not
// follow the magnitude of single outputs as ConvErrorBound does. Each step of the algorithm errs by
// a few units of roundoff of its absolute values; these grow by the row sums of |A|, |B| and |G|.
double WinogradErrorBound(const ConvProblem& problem, int64_t tile, double peak);

}  // namespace ergo

#endif  // ERGO_KERNELS_CONV_WINOGRAD_PLAN_H_
