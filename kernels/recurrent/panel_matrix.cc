#include "kernels/recurrent/panel_matrix.h"

#include <algorithm>

namespace ergo {

void PackPanels(const float* matrix, int64_t rows, int64_t depth, float* packed) {
  for (int64_t first = 0; first < rows; first += kPanelRows) {
    const int64_t count = std::min(kPanelRows, rows - first);
    for (int64_t k = 0; k < depth; ++k) {
      for (int64_t r = 0; r < count; ++r) packed[r] = matrix[(first + r) * depth + k];
      std::fill(packed + count, packed + kPanelRows, 0.0f);
      packed += kPanelRows;
    }
  }
}

}  // namespace ergo
