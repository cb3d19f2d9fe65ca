#include "kernels/quantize/quantize.h"

#include "kernels/base/checked_math.h"
#include "kernels/quantize/scale_rows.h"

namespace ergo {
namespace {

template <typename Problem>
struct Table {
  static constexpr std::string_view kFamily = std::is_same_v<Problem, QuantizeProblem> ? "quantize"
                                              : std::is_same_v<Problem, DequantizeProblem>
                                                  ? "dequantize"
                                                  : "dynamic_quantize";
  static constexpr KernelVariant<Problem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{kFamily, #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/quantize/quantize_variants.inc"
#undef ERGO_KERNEL_VARIANT
  };
};

}  // namespace

Shape ScaleLayout::Scales() const {
  if (axis < 0) return Shape();
  if (block == 0) return Shape{shape[axis]};
  Shape scales = shape;
  scales[axis] = CeilDiv(shape[axis], block);
  return scales;
}

Result<ScaleRows> ScaleRows::Make(const ScaleLayout& layout) {
  const Shape& shape = layout.shape;
  ScaleRows rows;
  if (layout.axis >= shape.Rank() || layout.block < 0) {
    return InvalidArgument("axis {} and block {} of {}", layout.axis, layout.block,
                           shape.ToString());
  }
  if (layout.axis < 0) {
    rows.rows_ = shape.Elements() == 0 ? 0 : 1;
    rows.length_ = shape.Elements();
    return rows;
  }
  const int64_t outer = shape.Elements(0, layout.axis);
  rows.dim_ = shape[layout.axis];
  rows.inner_ = shape.Elements(layout.axis + 1, shape.Rank());
  if (shape.Elements() == 0) return rows;
  if (layout.block == 0) {
    rows.kind_ = rows.inner_ > 1 ? Kind::kSlices : Kind::kSliceElements;
    rows.rows_ = rows.inner_ > 1 ? outer * rows.dim_ : outer;
    rows.length_ = rows.inner_ > 1 ? rows.inner_ : rows.dim_;
  } else {
    rows.block_ = layout.block;
    rows.blocks_ = CeilDiv(rows.dim_, layout.block);
    rows.kind_ = rows.inner_ > 1 ? Kind::kBlockElements : Kind::kBlocks;
    rows.rows_ = outer * (rows.inner_ > 1 ? rows.dim_ : rows.blocks_);
    rows.length_ = rows.inner_ > 1 ? rows.inner_ : std::min(rows.block_, rows.dim_);
  }
  rows.per_element_ = rows.kind_ == Kind::kSliceElements || rows.kind_ == Kind::kBlockElements;
  return rows;
}

ScaleRow ScaleRows::Row(int64_t row) const {
  switch (kind_) {
    case Kind::kTensor: return {0, length_, 0};
    case Kind::kSlices: return {row * inner_, inner_, row % dim_};
    case Kind::kSliceElements: return {row * dim_, dim_, 0};
    case Kind::kBlocks: {
      const int64_t first = row % blocks_ * block_;
      return {row / blocks_ * dim_ + first, std::min(block_, dim_ - first), row};
    }
    case Kind::kBlockElements:
      return {row * inner_, inner_, (row / dim_ * blocks_ + row % dim_ / block_) * inner_};
  }
  return {};
}

std::span<const KernelVariant<QuantizeProblem>> QuantizeVariants() {
  return Table<QuantizeProblem>::kVariants;
}
std::span<const KernelVariant<DequantizeProblem>> DequantizeVariants() {
  return Table<DequantizeProblem>::kVariants;
}
std::span<const KernelVariant<DynamicQuantizeProblem>> DynamicQuantizeVariants() {
  return Table<DynamicQuantizeProblem>::kVariants;
}

KernelCost CostOf(const QuantizeProblem& problem) {
  const int64_t elements = problem.layout.shape.Elements();
  const int64_t scales = problem.layout.Scales().Elements();
  return {2 * elements,
          DTypeBytes(problem.from, elements) + DTypeBytes(problem.scale, scales) +
              (problem.zero_point ? DTypeBytes(problem.to, scales) : 0),
          DTypeBytes(problem.to, elements)};
}

KernelCost CostOf(const DequantizeProblem& problem) {
  const int64_t elements = problem.layout.shape.Elements();
  const int64_t scales = problem.layout.Scales().Elements();
  return {2 * elements,
          DTypeBytes(problem.from, elements) + DTypeBytes(problem.to, scales) +
              (problem.zero_point ? DTypeBytes(problem.from, scales) : 0),
          DTypeBytes(problem.to, elements)};
}

KernelCost CostOf(const DynamicQuantizeProblem& problem) {
  const int64_t elements = problem.shape.Elements();
  // The range must be known before the first element is quantized: x is read twice.
  return {4 * elements, 2 * DTypeBytes(DType::kF32, elements), elements + 5};
}

}  // namespace ergo
