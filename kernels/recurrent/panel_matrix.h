// PanelMatrix: a weight matrix in the order in which matrix-vector products like to read it.
//
// The rows are cut into panels of kPanelRows; within a panel the elements of all its rows for one k
// are neighbours, so that y += W x is one pass over memory of vector loads and multiply-adds with
// x[k] broadcast, without any horizontal sum. Missing rows of the last panel are 0. The layout does
// not depend on the SIMD target.
#ifndef ERGO_KERNELS_RECURRENT_PANEL_MATRIX_H_
#define ERGO_KERNELS_RECURRENT_PANEL_MATRIX_H_

#include <cstddef>
#include <cstdint>

#include "kernels/base/checked_math.h"

namespace ergo {

inline constexpr int64_t kPanelRows = 64;

struct PanelMatrix {
  const float* data = nullptr;
  int64_t rows = 0, depth = 0;

  int64_t Panels() const { return CeilDiv(rows, kPanelRows); }
  int64_t Floats() const { return Panels() * kPanelRows * depth; }
  const float* Panel(int64_t panel) const { return data + panel * kPanelRows * depth; }
};

// Writes the panels of a row-major matrix [rows, depth] to `packed`, PanelMatrix::Floats() of them.
void PackPanels(const float* matrix, int64_t rows, int64_t depth, float* packed);

}  // namespace ergo

#endif  // ERGO_KERNELS_RECURRENT_PANEL_MATRIX_H_
