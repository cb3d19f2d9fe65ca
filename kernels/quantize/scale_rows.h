// Rows of elements that one scale, or one row of scales, belongs to; and the scalar arithmetic of
// the family. Shared by its variants.
#ifndef ERGO_KERNELS_QUANTIZE_SCALE_ROWS_H_
#define ERGO_KERNELS_QUANTIZE_SCALE_ROWS_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/quantize/quantize.h"

namespace ergo {

MadeKernel MakeQuantizeReference(const QuantizeProblem& problem, const MakeContext& context);
MadeKernel MakeQuantizeReference(const DequantizeProblem& problem, const MakeContext& context);
MadeKernel MakeQuantizeReference(const DynamicQuantizeProblem& problem, const MakeContext& context);
MadeKernel MakeQuantizeSimd(const QuantizeProblem& problem, const MakeContext& context);
MadeKernel MakeQuantizeSimd(const DequantizeProblem& problem, const MakeContext& context);
MadeKernel MakeQuantizeSimd(const DynamicQuantizeProblem& problem, const MakeContext& context);

struct ScaleRow {
  int64_t begin = 0;  // first element
  int64_t count = 0;  // elements, consecutive
  int64_t scale = 0;  // index of the first scale
};

// The tensor as consecutive rows. Either each row has one scale, or element i of a row has the
// scale i behind the row's first (PerElement()).
class ScaleRows {
 public:
  // InvalidArgument where the axis is outside the shape or the block is negative.
  static Result<ScaleRows> Make(const ScaleLayout& layout);

  int64_t Count() const { return rows_; }
  bool PerElement() const { return per_element_; }
  ScaleRow Row(int64_t row) const;
  int64_t LongestRow() const { return length_; }

 private:
  enum class Kind : uint8_t { kTensor, kSlices, kSliceElements, kBlocks, kBlockElements };
  Kind kind_ = Kind::kTensor;
  bool per_element_ = false;
  int64_t rows_ = 0, length_ = 0;
  int64_t dim_ = 1, inner_ = 1, block_ = 1, blocks_ = 1;
};

// Round to nearest even, saturated; NaN is 0.
inline int32_t SaturatingRound(float value, int32_t low, int32_t high) {
  if (std::isnan(value)) return 0;
  const float rounded = std::nearbyint(value);
  if (rounded <= static_cast<float>(low)) return low;
  return rounded >= static_cast<float>(high) ? high : static_cast<int32_t>(rounded);
}

// To a type of at most 16 bits.
template <typename To>
To QuantizeOne(float x, float scale, To zero_point) {
  constexpr int32_t kLow = std::numeric_limits<To>::min(), kHigh = std::numeric_limits<To>::max();
  const int32_t zero = zero_point;
  return static_cast<To>(SaturatingRound(x / scale, kLow - zero, kHigh - zero) + zero);
}

struct DynamicRange {
  float scale = 1;
  uint8_t zero_point = 0;
};
// From the least and greatest element, 0 counted among them.
inline DynamicRange DynamicRangeOf(float least, float greatest) {
  DynamicRange range;
  if (greatest != least) range.scale = (greatest - least) / 255.0f;
  range.zero_point = static_cast<uint8_t>(SaturatingRound(0.0f - least / range.scale, 0, 255));
  return range;
}

}  // namespace ergo

#endif  // ERGO_KERNELS_QUANTIZE_SCALE_ROWS_H_
