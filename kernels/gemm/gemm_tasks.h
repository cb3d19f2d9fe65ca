// How a batch of matrix products is dealt out to workers, and how packed weights of several
// matrices are found: what the gemm and qgemm variants share that depends on no SIMD target.
//
// Thread safety: pure functions.
#ifndef ERGO_KERNELS_GEMM_GEMM_TASKS_H_
#define ERGO_KERNELS_GEMM_GEMM_TASKS_H_

#include <algorithm>
#include <cstddef>
#include <string>

#include "kernels/base/checked_math.h"
#include "kernels/gemm/gemm.h"

namespace ergo {

// Below this many multiply-adds, a few microseconds, a second worker costs more than it brings.
inline constexpr int64_t kSerialMultiplyAdds = int64_t{1} << 17;

// A matrix of D in tiles of the variant's size.
struct GemmTiling {
  size_t rows = 0, tile_rows = 1;
  size_t panels = 0;  // tiles along a row of D
};

// Half-open ranges of rows and of panels.
struct GemmRange {
  size_t row_begin = 0, row_end = 0;
  size_t panel_begin = 0, panel_end = 0;
};

// Tasks along each side of a matrix.
struct GemmTaskGrid {
  size_t rows = 1, columns = 1;
  size_t Tasks() const { return rows * columns; }
};

// Columns are split first: that packs every part of B once, and packing A is cheap.
inline GemmTaskGrid ChooseTaskGrid(const GemmProblem& problem, const GemmTiling& tiling,
                                   int workers) {
  if (workers == 1 || problem.m * problem.n * problem.k < kSerialMultiplyAdds) return {};
  constexpr size_t kTasksPerWorker = 4;
  constexpr size_t kPanelsPerTask = 2;
  const size_t wanted = kTasksPerWorker * static_cast<size_t>(workers);
  const size_t batches = static_cast<size_t>(problem.batch.Elements());
  GemmTaskGrid grid;
  grid.columns =
      std::clamp(CeilDiv(wanted, batches), size_t{1}, CeilDiv(tiling.panels, kPanelsPerTask));
  grid.rows = std::clamp(CeilDiv(wanted, batches * grid.columns), size_t{1},
                         CeilDiv(tiling.rows, tiling.tile_rows));
  return grid;
}

inline GemmRange TaskRange(const GemmTiling& tiling, const GemmTaskGrid& grid, size_t task) {
  const size_t row = task % grid.rows;
  const size_t column = task / grid.rows;
  const size_t tiles = CeilDiv(tiling.rows, tiling.tile_rows);
  GemmRange range;
  range.row_begin = tiles * row / grid.rows * tiling.tile_rows;
  range.row_end = std::min(tiles * (row + 1) / grid.rows * tiling.tile_rows, tiling.rows);
  range.panel_begin = tiling.panels * column / grid.columns;
  range.panel_end = tiling.panels * (column + 1) / grid.columns;
  return range;
}

// Which of the different matrices of B belongs to a batch index: broadcast axes do not count.
inline size_t DistinctMatrixIndex(const GemmProblem& problem, int64_t batch_index) {
  int64_t index = 0, stride = 1;
  for (int axis = problem.batch.Rank() - 1; axis >= 0; --axis) {
    const int64_t at = batch_index % problem.batch[axis];
    batch_index /= problem.batch[axis];
    if (problem.b_batch_strides[static_cast<size_t>(axis)] == 0) continue;
    index += at * stride;
    stride *= problem.batch[axis];
  }
  return static_cast<size_t>(index);
}

inline size_t DistinctMatrices(const GemmProblem& problem) {
  const int64_t batches = problem.batch.Elements();
  return batches == 0 ? 0 : DistinctMatrixIndex(problem, batches - 1) + 1;
}

// Everything about B in a problem that the bytes of its packed form depend on, for PackWeights.
inline std::string WeightsFormat(const GemmProblem& problem) {
  std::string format = fmt::format("k{}n{}/{}{}", problem.k, problem.n, problem.trans_b ? "t" : "n",
                                   problem.BRowStride());
  for (int axis = 0; axis < problem.batch.Rank(); ++axis) {
    const int64_t stride = problem.b_batch_strides[static_cast<size_t>(axis)];
    if (stride != 0) format += fmt::format("/{}*{}", problem.batch[axis], stride);
  }
  return format;
}

}  // namespace ergo

#endif  // ERGO_KERNELS_GEMM_GEMM_TASKS_H_
