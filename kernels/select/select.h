// Selection: operators whose results have a size that only their values decide (ONNX NonZero,
// Compress, Unique, NonMaxSuppression). They return what they found instead of filling memory that
// was planned, so they are functions and not Kernels.
//
// All of them: inputs dense row-major on the CPU, results deterministic, thread-safe.
#ifndef ERGO_KERNELS_SELECT_SELECT_H_
#define ERGO_KERNELS_SELECT_SELECT_H_

#include <cstdint>
#include <vector>

#include "kernels/base/status.h"
#include "kernels/base/tensor_view.h"

namespace ergo {

// Flat indices of the elements that are not zero (NaN is not zero, -0 is), ascending. Any dtype of
// at least 8 bits.
Result<std::vector<int64_t>> FindNonZero(const TensorView& input);

struct UniqueResult {
  // Positions along the axis (or in the flattened input) of the first occurrence of each unique
  // slice, in the order of the result.
  std::vector<int64_t> first;
  std::vector<int64_t> inverse;  // for each position: the number of its unique slice
  std::vector<int64_t> counts;   // parallel to first
};
// Unique slices of `input` along `axis`, or unique elements for axis < 0. Sorted ascending
// (lexicographically for slices), or in order of first occurrence.
Result<UniqueResult> FindUnique(const TensorView& input, int axis, bool sorted);

struct NonMaxSuppressionParams {
  int64_t max_output_boxes_per_class = 0;
  float iou_threshold = 0;
  float score_threshold = 0;
  bool has_score_threshold = false;
  bool center_point_box =
      false;  // boxes are [x, y, width, height], else two opposite corners [y, x, y, x]
};
// Triples (batch, class, box). boxes: f32[batches, boxes, 4]; scores: f32[batches, classes, boxes].
// Greedy by descending score, equal scores by ascending box (Neubeck and Van Gool, Efficient
// Non-Maximum Suppression, 2006).
Result<std::vector<int64_t>> NonMaxSuppression(const TensorView& boxes, const TensorView& scores,
                                               const NonMaxSuppressionParams& params);

}  // namespace ergo

#endif  // ERGO_KERNELS_SELECT_SELECT_H_
