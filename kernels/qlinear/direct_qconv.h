// What qconv_direct.cc knows of a made kernel, the same for all SIMD targets.
//
// Input channels go in fours: byte 4 i + c of a row of a four is column i of its channel c, so that
// a vector of 32-bit lanes holds four channels of consecutive columns. Rows and columns are padded
// with zero_x and split by the strides into phases: padded row r stands in row phase r % stride at
// r / stride. Output position (row, column) stands at row * pitch + column; every tap of it is a
// fixed distance from there. Lanes between the output's width and the pitch are computed and not
// used. With stride 1 the left padding of a row is the right padding of the one before it.
#ifndef ERGO_KERNELS_QLINEAR_DIRECT_QCONV_H_
#define ERGO_KERNELS_QLINEAR_DIRECT_QCONV_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/qlinear/qlinear.h"

namespace ergo {

struct DirectQConv {
  QConvProblem problem;
  bool pointwise = false;  // positions are one row, in pieces that are called rows here

  size_t group_in = 0, group_out = 0;  // channels
  size_t fours = 0;                    // of input channels of a group
  size_t steps = 0;                    // fours times taps
  std::vector<int32_t> offsets;        // bytes from an output position to each step of it

  size_t width = 0, rows = 0;      // of the output
  size_t pitch = 0;                // columns from row to row
  size_t pad = 0, shared_pad = 0;  // columns of padding before a row, and of those, shared
  size_t phase_rows = 0;           // of a block
  size_t phase_columns = 0;        // of a phase of a block, all its rows together
  size_t four_bytes = 0;           // of all phases
  // Which of the phases that are kept each phase is; -1 where no tap looks at it.
  std::vector<int> row_phases, column_phases;
  size_t column_phases_kept = 0;

  size_t block_rows = 1, row_blocks = 1;  // of the output, in one task
  size_t channel_blocks = 1;              // of a group
  size_t epilogue_rows = 1;               // of a block, summed before the epilogue takes them

  PackedWeights packed;      // tiles of channels: [step][channel]; behind them the channels' sums
  size_t channel_bytes = 0;  // of the workspace, for all workers
  size_t input_bytes = 0;    // of one worker: the block's input
  size_t sum_bytes = 0;      // sums of a tile of channels
  size_t row_bytes = 0;      // sums of one channel without the lanes that are not used

  size_t ScratchBytes() const { return input_bytes + sum_bytes + row_bytes; }
};

}  // namespace ergo

#endif  // ERGO_KERNELS_QLINEAR_DIRECT_QCONV_H_
