#include "kernels/conv/patch_plan.h"

#include <algorithm>
#include <limits>

namespace ergo {
namespace {

// Slots behind a run of outputs that the taps of the window reach.
int64_t Reach(const Window& window, size_t axis) {
  return (window.Extent(axis) - 1) / window.strides[axis];
}

// The vectors of a block of rows x columns outputs, `pitch` slots apart from row to row.
PositionBlock MakeBlock(const PatchPlan& plan, int64_t rows, int64_t columns, bool whole_rows) {
  PositionBlock block;
  block.rows = rows;
  block.columns = columns;
  const int64_t lanes = plan.tile.lanes;
  // Without whole_rows the rows are one run of pitch * rows positions.
  const int64_t runs = whole_rows ? rows : 1;
  const int64_t run = whole_rows ? columns : (rows - 1) * plan.pitch + columns;
  for (int64_t r = 0; r < runs; ++r) {
    for (int64_t begin = 0; begin < run; begin += lanes) {
      const int64_t source = r * plan.pitch + begin;
      PositionVector vector{source, static_cast<uint32_t>(block.segments.size()), 0};
      for (int64_t lane = 0; lane < std::min(lanes, run - begin); ++lane) {
        const int64_t row = (source + lane) / plan.pitch, column = (source + lane) % plan.pitch;
        if (column >= columns) continue;
        const int64_t target = row * plan.y.row + column;
        if (vector.segment_count > 0) {
          PositionSegment& last = block.segments.back();
          if (last.lane + last.count == lane && last.target + last.count == target) {
            ++last.count;
            continue;
          }
        }
        block.segments.push_back({static_cast<int32_t>(lane), 1, target});
        ++vector.segment_count;
      }
      if (vector.segment_count > 0) block.vectors.push_back(vector);
    }
  }
  return block;
}

// How long the micro-kernel takes for `vectors` vectors, in units of one of them within a full
// tile.
double TileCost(const TileShape& tile, int64_t vectors) {
  constexpr double kPerCall = 0.5;
  return static_cast<double>(vectors) +
         kPerCall * static_cast<double>(CeilDiv(vectors, tile.vectors));
}

int64_t CountVectors(const PatchPlan& plan, int64_t rows, bool whole_rows) {
  const int64_t columns = plan.block_columns;
  return whole_rows ? rows * CeilDiv(columns, plan.tile.lanes)
                    : CeilDiv((rows - 1) * plan.pitch + columns, plan.tile.lanes);
}

// What all blocks of one column of blocks cost with `rows` rows each.
double BlockingCost(const PatchPlan& plan, int64_t rows, bool whole_rows) {
  const Window& window = plan.problem.window;
  const auto block_cost = [&](int64_t block_rows) {
    const double products =
        static_cast<double>(std::min(plan.problem.GroupOutChannels(), plan.task_channels)) *
        static_cast<double>(window.kernel[1] * window.kernel[2]);
    // A row of the patch costs about as much as two products a vector, and a few to begin with.
    const double copied = static_cast<double>(
        (block_rows + Reach(window, 1)) * std::min(window.strides[1], window.kernel[1]) *
        (4 + window.strides[2] * CeilDiv(plan.pitch, plan.tile.lanes)));
    return products * TileCost(plan.tile, CountVectors(plan, block_rows, whole_rows)) + 2 * copied;
  };
  const int64_t full = window.out[1] / rows, last = window.out[1] % rows;
  return static_cast<double>(full) * block_cost(rows) + (last > 0 ? block_cost(last) : 0);
}

// Rows of a block: as cheap as can be within `positions`, near enough to it to be worth a task.
void ChooseRows(PatchPlan& plan, const PatchOptions& options, bool& whole_rows) {
  const int64_t most =
      std::clamp<int64_t>(2 * options.positions / plan.pitch, 1, plan.problem.window.out[1]);
  double best = std::numeric_limits<double>::infinity();
  plan.block_rows = 1;
  for (const bool whole : {true, false}) {
    if (options.whole_rows && !whole) continue;
    for (int64_t rows = std::max<int64_t>(1, most / 4); rows <= most; ++rows) {
      // Vectors that span rows are gathered and scattered, which is not free.
      const double cost = BlockingCost(plan, rows, whole) * (whole ? 1.0 : 1.02);
      if (cost >= best) continue;
      best = cost;
      plan.block_rows = rows;
      whole_rows = whole;
    }
  }
}

void ChooseColumns(PatchPlan& plan, const PatchOptions& options) {
  const int64_t width = std::max<int64_t>(plan.problem.window.out[2], 1);
  plan.block_columns = width;
  if (width > 2 * options.positions) {
    const int64_t pieces = CeilDiv(width, options.positions);
    plan.block_columns = RoundUp(CeilDiv(width, pieces), plan.tile.vectors * plan.tile.lanes);
  }
  plan.column_blocks = CeilDiv(width, plan.block_columns);
  plan.pitch = plan.block_columns + Reach(plan.problem.window, 2);
  // Without a second row to span, a pitch of whole vectors costs nothing and aligns all channels.
  if (plan.problem.window.out[1] == 1) plan.pitch = RoundUp(plan.pitch, plan.tile.lanes);
}

// Fewer output channels a task where there are too few tasks to keep the workers busy.
void ChooseTaskChannels(PatchPlan& plan, const PatchOptions& options) {
  const ConvProblem& p = plan.problem;
  const int64_t channels = std::max<int64_t>(p.GroupOutChannels(), 1);
  int64_t blocks = CeilDiv(channels, options.out_channels);
  if (options.max_workers > 1) {
    const int64_t others =
        p.batch * p.groups * p.window.out[0] * plan.row_blocks * plan.column_blocks;
    const int64_t wanted = CeilDiv<int64_t>(8 * options.max_workers, std::max<int64_t>(others, 1));
    // Each task copies the patches anew, which must stay cheap beside its products.
    constexpr int64_t kLeast = 32;
    blocks = std::max(blocks, std::min(wanted, channels / kLeast));
  }
  plan.task_channels = RoundUp(CeilDiv(channels, blocks), plan.tile.rows);
  plan.channel_blocks = CeilDiv(channels, plan.task_channels);
}

void ChooseSteps(PatchPlan& plan, const PatchOptions& options) {
  const int64_t channels = std::max<int64_t>(plan.problem.GroupInChannels(), 1);
  const int64_t taps = plan.problem.window.KernelElements();
  const int64_t most = std::clamp<int64_t>(options.depth / taps, 1, channels);
  plan.step_channels = CeilDiv(channels, CeilDiv(channels, most));
}

// The patch's dimensions and the taps' offsets in it. False where those pass 32 bits.
bool LayOutPatch(PatchPlan& plan) {
  const Window& window = plan.problem.window;
  for (int64_t kh = 0; kh < window.kernel[1]; ++kh) {
    plan.row_phases.push_back(kh * window.dilations[1] % window.strides[1]);
  }
  std::sort(plan.row_phases.begin(), plan.row_phases.end());
  plan.row_phases.erase(std::unique(plan.row_phases.begin(), plan.row_phases.end()),
                        plan.row_phases.end());
  plan.patch_rows = plan.block_rows + Reach(window, 1);
  plan.phase_elements = plan.patch_rows * plan.pitch;
  const auto row_phases = static_cast<int64_t>(plan.row_phases.size());
  plan.channel_elements = window.kernel[0] * row_phases * window.strides[2] * plan.phase_elements;
  const auto step = CheckedMul(plan.channel_elements, plan.step_channels);
  if (!step || *step > std::numeric_limits<int32_t>::max()) return false;
  for (int64_t c = 0; c < plan.step_channels; ++c) {
    for (int64_t kd = 0; kd < window.kernel[0]; ++kd) {
      for (int64_t kh = 0; kh < window.kernel[1]; ++kh) {
        const int64_t row = kh * window.dilations[1];
        const auto phase = std::lower_bound(plan.row_phases.begin(), plan.row_phases.end(),
                                            row % window.strides[1]);
        const int64_t row_phase = kd * row_phases + (phase - plan.row_phases.begin());
        for (int64_t kw = 0; kw < window.kernel[2]; ++kw) {
          const int64_t column = kw * window.dilations[2];
          const int64_t plane = row_phase * window.strides[2] + column % window.strides[2];
          plan.offsets.push_back(static_cast<int32_t>(
              c * plan.channel_elements + plane * plan.phase_elements +
              row / window.strides[1] * plan.pitch + column / window.strides[2]));
        }
      }
    }
  }
  return true;
}

}  // namespace

Result<PatchPlan> PatchPlan::Make(const ConvProblem& problem, const PatchOptions& options) {
  const Window& window = problem.window;
  const PatchStrides x{problem.in_channels * window.InElements(), window.InElements(),
                       window.in[1] * window.in[2], window.in[2]};
  const PatchStrides y{problem.out_channels * window.OutElements(), window.OutElements(),
                       window.out[1] * window.out[2], window.out[2]};
  return Make(problem, x, y, options);
}

Result<PatchPlan> PatchPlan::Make(const ConvProblem& problem, const PatchStrides& x,
                                  const PatchStrides& y, const PatchOptions& options) {
  PatchPlan plan;
  plan.problem = problem;
  plan.x = x;
  plan.y = y;
  plan.tile = options.tile;
  plan.task_channels = options.out_channels;
  ChooseColumns(plan, options);
  bool whole_rows = true;
  ChooseRows(plan, options, whole_rows);
  const Spatial& out = problem.window.out;
  plan.row_blocks = CeilDiv(out[1], plan.block_rows);
  ChooseTaskChannels(plan, options);
  ChooseSteps(plan, options);
  if (!LayOutPatch(plan)) return Unsupported("a patch of the input passes 32-bit offsets");
  if (problem.OutputElements() == 0) return plan;
  const int64_t rows[2] = {plan.block_rows, out[1] - (plan.row_blocks - 1) * plan.block_rows};
  const int64_t columns[2] = {plan.block_columns,
                              out[2] - (plan.column_blocks - 1) * plan.block_columns};
  for (size_t last_row = 0; last_row < 2; ++last_row) {
    for (size_t last_column = 0; last_column < 2; ++last_column) {
      plan.blocks[last_row][last_column] =
          MakeBlock(plan, rows[last_row], columns[last_column], whole_rows);
    }
  }
  return plan;
}

int64_t PatchPlan::TaskCount() const {
  if (problem.OutputElements() == 0) return 0;
  return problem.batch * problem.groups * channel_blocks * problem.window.out[0] * row_blocks *
         column_blocks;
}

PatchTask PatchPlan::Task(int64_t index) const {
  const auto digit = [&index](int64_t base) {
    if (base == 1) return int64_t{0};  // most bases are; a division is not free for a tiny task
    const int64_t value = index % base;
    index /= base;
    return value;
  };
  // Positions change fastest, so that consecutive tasks use the same weights.
  const int64_t column_block = digit(column_blocks);
  const int64_t row_block = digit(row_blocks);
  PatchTask task{};
  task.column = column_block * block_columns;
  task.row = row_block * block_rows;
  task.block = &blocks[row_block + 1 == row_blocks][column_block + 1 == column_blocks];
  task.depth = digit(problem.window.out[0]);
  task.channel = digit(channel_blocks) * task_channels;
  task.channels = std::min(task_channels, problem.GroupOutChannels() - task.channel);
  task.group = digit(problem.groups);
  task.image = index;
  return task;
}

int64_t PatchPlan::PatchElements() const {
  // The last vector reads a few lanes behind what its positions look at.
  return RoundUp<int64_t>(step_channels * channel_elements + 2 * tile.lanes, kTensorAlignment);
}

int64_t PatchPlan::ScratchElements() const {
  int64_t partial = 0;
  if (Steps() > 1) {
    partial = task_channels * static_cast<int64_t>(blocks[0][0].vectors.size()) * tile.lanes;
  }
  return PatchElements() + RoundUp<int64_t>(partial, kTensorAlignment);
}

PhaseLayout PatchPlan::RowLayout(int64_t column) const {
  const Window& window = problem.window;
  const int64_t start = window.Start(2, column);
  PhaseLayout layout;
  layout.first = std::clamp<int64_t>(start, 0, window.in[2]);
  layout.in = window.in[2] - layout.first;
  layout.pad = std::max<int64_t>(-start, 0);
  layout.stride = window.strides[2];
  layout.dilation = window.dilations[2];
  layout.pitch = pitch;
  layout.phase_stride = phase_elements;
  return layout;
}

int64_t PatchPlan::TileRows(int64_t remaining) const {
  int64_t rows = tile.rows;
  while (rows > remaining) rows /= 2;
  return rows;
}

int64_t PatchPlan::PackedOffset(int64_t group, int64_t step, int64_t channel) const {
  const int64_t taps = problem.window.KernelElements();
  const int64_t first = step * step_channels;
  const int64_t depth = std::min(step_channels, problem.GroupInChannels() - first) * taps;
  return problem.GroupOutChannels() * (group * problem.Depth() + first * taps) + channel * depth;
}

void PatchPlan::PackWeights(const float* weights, int64_t group, float* packed) const {
  const int64_t taps = problem.window.KernelElements(), all = problem.Depth();
  const int64_t channels = problem.GroupOutChannels();
  const float* w = weights + group * channels * all;
  for (int64_t step = 0; step < Steps(); ++step) {
    const int64_t begin = step * step_channels * taps;
    const int64_t end = std::min(begin + step_channels * taps, all);
    for (int64_t channel = 0; channel < channels;) {
      const int64_t rows = TileRows(channels - channel);
      float* to = packed + PackedOffset(group, step, channel);
      for (int64_t k = begin; k < end; ++k) {
        for (int64_t row = 0; row < rows; ++row) *to++ = w[(channel + row) * all + k];
      }
      channel += rows;
    }
  }
}

std::string PatchPlan::PackFormat() const {
  return fmt::format("conv_patch/g{}m{}k{}/step{}rows{}", problem.groups, problem.out_channels,
                     problem.Depth(), step_channels * problem.window.KernelElements(), tile.rows);
}

}  // namespace ergo
