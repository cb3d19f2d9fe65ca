// PatchPlan: a convolution cut into tasks for the patch engine (patch_engine.h), the common core of
// the depthwise, pointwise and implicit-GEMM variants.
//
// A task computes one block of output positions (a few rows and columns of one depth slice of one
// image) for a range of the output channels of one group. For each block of input channels in turn
// it copies what the output block looks at, padded and split by the strides, into a patch that
// stays in the cache, and multiplies packed weights with it. No im2col: in the patch, any tap of
// consecutive output positions is consecutive memory, so that a matrix product needs only a table
// of the taps' offsets. Columns of the implicit matrix are output positions, its rows output
// channels, its depth input channels times taps.
//
// Sources: Goto and van de Geijn (see gemm.h) for the blocking; Dukhan, The Indirect Convolution
// Algorithm, arXiv:1907.02129, for offsets in place of im2col.
#ifndef ERGO_KERNELS_CONV_PATCH_PLAN_H_
#define ERGO_KERNELS_CONV_PATCH_PLAN_H_

#include <vector>

#include "kernels/base/phase_layout.h"
#include "kernels/conv/conv.h"

namespace ergo {

// Largest product of one call of the micro-kernel: `rows` output channels by `vectors` vectors of
// `lanes` output positions. What remains is done in halves of the rows and fewer vectors.
struct TileShape {
  int64_t rows = 1;
  int64_t vectors = 1;
  int64_t lanes = 1;
};

// Lanes [lane, lane + count) of a vector of positions are output elements from `target` on,
// relative to the block's first.
struct PositionSegment {
  int32_t lane, count;
  int64_t target;
};

// A vector of output positions, some of which may be none (between rows, behind the last).
struct PositionVector {
  int64_t source;  // of lane 0 in a channel's patch, at tap offset 0
  uint32_t first_segment, segment_count;
};

struct PositionBlock {
  int64_t rows = 0, columns = 0;
  std::vector<PositionVector> vectors;
  std::vector<PositionSegment> segments;
};

// Elements between neighbours in X and Y, which need not be those of a dense [N, C, D, H, W]: the
// pointwise variant makes rows of the images of a batch.
struct PatchStrides {
  int64_t batch = 0, channel = 0, depth = 0, row = 0;
};

struct PatchTask {
  int64_t image, group, depth;
  int64_t row, column;  // of the block's first output
  const PositionBlock* block;
  int64_t channel, channels;  // output channels, within the group
};

// Knobs of a variant; sizes are in elements.
struct PatchOptions {
  TileShape tile;
  int64_t positions = 256;     // outputs of a block, roughly
  int64_t depth = 256;         // input channels times taps of a step, roughly
  int64_t out_channels = 192;  // of a task, at most
  bool whole_rows = false;     // a vector never spans two rows
  int max_workers = 1;
};

struct PatchPlan {
  ConvProblem problem;
  PatchStrides x, y;
  TileShape tile;

  // The patch of one input channel: [kernel depth][row phase][column phase][row][slot].
  int64_t pitch = 0, patch_rows = 0;
  int64_t phase_elements = 0, channel_elements = 0;
  std::vector<int64_t> row_phases;  // those that a tap looks at

  int64_t step_channels = 1;     // input channels of a step
  int64_t task_channels = 1;     // output channels of a task, the last of a group may have fewer
  std::vector<int32_t> offsets;  // of [step_channels][taps] in a step's patch

  int64_t block_rows = 1, block_columns = 1;
  int64_t row_blocks = 1, column_blocks = 1, channel_blocks = 1;
  PositionBlock blocks[2][2];  // [last row of blocks][last column of blocks]

  // Cuts the problem, whose tensors are dense. Unsupported where offsets pass 32 bits.
  static Result<PatchPlan> Make(const ConvProblem& problem, const PatchOptions& options);
  // The same with strides of the caller's.
  static Result<PatchPlan> Make(const ConvProblem& problem, const PatchStrides& x,
                                const PatchStrides& y, const PatchOptions& options);

  int64_t TaskCount() const;
  PatchTask Task(int64_t index) const;
  int64_t Steps() const { return CeilDiv(problem.GroupInChannels(), step_channels); }
  // The patches of all tasks have their padding in the same places.
  bool SamePadding() const {
    return row_blocks == 1 && column_blocks == 1 && problem.window.kernel[0] == 1 &&
           problem.window.pads_begin[0] == 0 && problem.window.pads_end[0] == 0;
  }
  // Floats of scratch that one worker needs.
  int64_t ScratchElements() const;
  int64_t PatchElements() const;
  // Where the columns of an input row stand in a row of the patch, for a block from `column` on.
  PhaseLayout RowLayout(int64_t column) const;

  // Packed weights: as many floats as the weights have, [group][step][tile][depth][row of tile].
  int64_t PackedOffset(int64_t group, int64_t step, int64_t channel) const;
  void PackWeights(const float* weights, int64_t group, float* packed) const;
  // Output channels of the tile that begins at `channel` when `remaining` are left.
  int64_t TileRows(int64_t remaining) const;
  // Names everything that the packed bytes depend on.
  std::string PackFormat() const;
};

}  // namespace ergo

#endif  // ERGO_KERNELS_CONV_PATCH_PLAN_H_
