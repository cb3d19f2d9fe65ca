// float32 to and from 8-bit integers, a vector at a time. Rows are cut into pieces, so that one
// long row (a tensor with one scale) also keeps several workers busy.
#include <algorithm>

#include "kernels/base/checked_math.h"
#include "kernels/base/parallel_ranges.h"
#include "kernels/quantize/scale_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantize/quantize_simd.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef ERGO_KERNELS_QUANTIZE_QUANTIZE_SIMD_ONCE
#define ERGO_KERNELS_QUANTIZE_QUANTIZE_SIMD_ONCE
namespace ergo {

// `count` elements with one scale, or with one each when `per_element`.
template <typename Integer>
struct QuantizedRow {
  int64_t count = 0;
  const float* scales = nullptr;
  const Integer* zeros = nullptr;  // null: 0
  bool per_element = false;

  float Scale(int64_t i) const { return scales[per_element ? i : 0]; }
  int32_t Zero(int64_t i) const { return zeros == nullptr ? 0 : zeros[per_element ? i : 0]; }
};

}  // namespace ergo
#endif  // ERGO_KERNELS_QUANTIZE_QUANTIZE_SIMD_ONCE

HWY_BEFORE_NAMESPACE();
namespace ergo::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using FloatTag = hn::ScalableTag<float>;
using IntTag = hn::RebindToSigned<FloatTag>;
using Floats = hn::Vec<FloatTag>;
using Ints = hn::Vec<IntTag>;

template <typename Integer>
using ByteTag = hn::Rebind<Integer, FloatTag>;

// Scales and zero points of the elements from i on.
template <typename Integer>
struct Operands {
  Floats scale;
  Ints zero;
};
template <typename Integer>
HWY_INLINE Operands<Integer> OperandsAt(const QuantizedRow<Integer>& row, int64_t i) {
  const FloatTag d;
  const IntTag di;
  if (!row.per_element) return {hn::Set(d, row.Scale(0)), hn::Set(di, row.Zero(0))};
  const Floats scale = hn::LoadU(d, row.scales + i);
  if (row.zeros == nullptr) return {scale, hn::Zero(di)};
  return {scale, hn::PromoteTo(di, hn::LoadU(ByteTag<Integer>(), row.zeros + i))};
}

template <typename Integer>
HWY_INLINE Ints QuantizeVector(Floats x, const Operands<Integer>& with) {
  const FloatTag d;
  const IntTag di;
  constexpr int32_t kLow = std::numeric_limits<Integer>::min();
  constexpr int32_t kHigh = std::numeric_limits<Integer>::max();
  const Floats scaled = hn::Div(x, with.scale);
  // Bounds are whole numbers, so that clamping before rounding is the same as after it.
  const Floats low = hn::ConvertTo(d, hn::Sub(hn::Set(di, kLow), with.zero));
  const Floats high = hn::ConvertTo(d, hn::Sub(hn::Set(di, kHigh), with.zero));
  const Floats clamped = hn::Min(hn::Max(scaled, low), high);
  const Floats numbers = hn::IfThenElseZero(hn::Eq(scaled, scaled), clamped);
  return hn::Add(hn::NearestInt(numbers), with.zero);
}

template <typename Integer>
void QuantizeRow(const float* from, Integer* to, const QuantizedRow<Integer>& row) {
  const FloatTag d;
  const ByteTag<Integer> bytes;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  if (row.per_element) {
    for (; i + lanes <= row.count; i += lanes) {
      const Ints q = QuantizeVector<Integer>(hn::LoadU(d, from + i), OperandsAt(row, i));
      hn::StoreU(hn::DemoteTo(bytes, q), bytes, to + i);
    }
  } else if (row.count >= lanes) {
    const Operands<Integer> with = OperandsAt(row, 0);
    for (; i + lanes <= row.count; i += lanes) {
      const Ints q = QuantizeVector<Integer>(hn::LoadU(d, from + i), with);
      hn::StoreU(hn::DemoteTo(bytes, q), bytes, to + i);
    }
  }
  for (; i < row.count; ++i) {
    to[i] = QuantizeOne<Integer>(from[i], row.Scale(i), static_cast<Integer>(row.Zero(i)));
  }
}

template <typename Integer>
void DequantizeRow(const Integer* from, float* to, const QuantizedRow<Integer>& row) {
  const FloatTag d;
  const IntTag di;
  const ByteTag<Integer> bytes;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  const auto dequantize = [&](const Operands<Integer>& with) HWY_ATTR {
    const Ints x = hn::PromoteTo(di, hn::LoadU(bytes, from + i));
    hn::StoreU(hn::Mul(hn::ConvertTo(d, hn::Sub(x, with.zero)), with.scale), d, to + i);
  };
  if (row.per_element) {
    for (; i + lanes <= row.count; i += lanes) dequantize(OperandsAt(row, i));
  } else if (row.count >= lanes) {
    const Operands<Integer> with = OperandsAt(row, 0);
    for (; i + lanes <= row.count; i += lanes) dequantize(with);
  }
  for (; i < row.count; ++i) {
    to[i] = static_cast<float>(from[i] - row.Zero(i)) * row.Scale(i);
  }
}

void QuantizeRowU8(const float* from, uint8_t* to, const QuantizedRow<uint8_t>& row) {
  QuantizeRow(from, to, row);
}
void QuantizeRowI8(const float* from, int8_t* to, const QuantizedRow<int8_t>& row) {
  QuantizeRow(from, to, row);
}
void DequantizeRowU8(const uint8_t* from, float* to, const QuantizedRow<uint8_t>& row) {
  DequantizeRow(from, to, row);
}
void DequantizeRowI8(const int8_t* from, float* to, const QuantizedRow<int8_t>& row) {
  DequantizeRow(from, to, row);
}

// Widens [*least, *greatest] by the elements that are numbers.
void WidenRange(const float* from, int64_t count, float* least, float* greatest) {
  const FloatTag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  Floats low = hn::Set(d, *least), high = hn::Set(d, *greatest);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const Floats x = hn::LoadU(d, from + i);
    // 0 is in the range already.
    const Floats number = hn::IfThenElseZero(hn::Eq(x, x), x);
    low = hn::Min(low, number);
    high = hn::Max(high, number);
  }
  *least = hn::GetLane(hn::MinOfLanes(d, low));
  *greatest = hn::GetLane(hn::MaxOfLanes(d, high));
  for (; i < count; ++i) {
    *least = from[i] < *least ? from[i] : *least;
    *greatest = from[i] > *greatest ? from[i] : *greatest;
  }
}

}  // namespace
}  // namespace ergo::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(QuantizeRowU8);
HWY_EXPORT(QuantizeRowI8);
HWY_EXPORT(DequantizeRowU8);
HWY_EXPORT(DequantizeRowI8);
HWY_EXPORT(WidenRange);

constexpr int64_t kPieceElements = int64_t{1} << 15;

void QuantizeDispatch(const float* from, uint8_t* to, const QuantizedRow<uint8_t>& row) {
  HWY_DYNAMIC_DISPATCH(QuantizeRowU8)(from, to, row);
}
void QuantizeDispatch(const float* from, int8_t* to, const QuantizedRow<int8_t>& row) {
  HWY_DYNAMIC_DISPATCH(QuantizeRowI8)(from, to, row);
}
void QuantizeDispatch(const uint8_t* from, float* to, const QuantizedRow<uint8_t>& row) {
  HWY_DYNAMIC_DISPATCH(DequantizeRowU8)(from, to, row);
}
void QuantizeDispatch(const int8_t* from, float* to, const QuantizedRow<int8_t>& row) {
  HWY_DYNAMIC_DISPATCH(DequantizeRowI8)(from, to, row);
}

template <typename From, typename To, typename Integer>
class SimdQuantize final : public Kernel {
 public:
  explicit SimdQuantize(const ScaleRows& rows)
      : rows_(rows),
        pieces_(std::max<int64_t>(1, CeilDiv(rows.LongestRow(), kPieceElements))),
        grain_(std::max<int64_t>(1, kPieceElements / std::max<int64_t>(1, rows.LongestRow()))) {}

  void Run(const KernelArgs& args) const override {
    const auto* from = static_cast<const From*>(args.inputs[0].data);
    const auto* scales = static_cast<const float*>(args.inputs[1].data);
    const auto* zeros =
        static_cast<const Integer*>(args.inputs.size() > 2 ? args.inputs[2].data : nullptr);
    auto* to = static_cast<To*>(args.outputs[0].data);
    ParallelRanges(args.parallel, rows_.Count() * pieces_, grain_,
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t item = begin; item < end; ++item) {
                       const ScaleRow row = rows_.Row(item / pieces_);
                       const int64_t first = item % pieces_ * kPieceElements;
                       if (first >= row.count) continue;
                       const int64_t scale = row.scale + (rows_.PerElement() ? first : 0);
                       QuantizedRow<Integer> piece;
                       piece.count = std::min(kPieceElements, row.count - first);
                       piece.scales = scales + scale;
                       piece.zeros = zeros == nullptr ? nullptr : zeros + scale;
                       piece.per_element = rows_.PerElement();
                       QuantizeDispatch(from + row.begin + first, to + row.begin + first, piece);
                     }
                   });
  }

 private:
  ScaleRows rows_;
  int64_t pieces_;
  int64_t grain_;
};

class SimdDynamicQuantize final : public Kernel {
 public:
  SimdDynamicQuantize(int64_t elements, int max_workers)
      : elements_(elements), max_workers_(max_workers) {}

  size_t WorkspaceBytes() const override {
    return static_cast<size_t>(max_workers_) * sizeof(WorkerRange);
  }

  void Run(const KernelArgs& args) const override {
    const auto* from = static_cast<const float*>(args.inputs[0].data);
    auto* to = static_cast<uint8_t*>(args.outputs[0].data);
    const DynamicRange range = FindRange(from, args);
    const int64_t piece = kPieceElements;
    ParallelRanges(args.parallel, elements_, piece, [&](int64_t begin, int64_t end, int) {
      const QuantizedRow<uint8_t> row{end - begin, &range.scale, &range.zero_point, false};
      QuantizeDispatch(from + begin, to + begin, row);
    });
    if (args.outputs[1].data != nullptr) *args.outputs[1].As<float>() = range.scale;
    if (args.outputs[2].data != nullptr) *args.outputs[2].As<uint8_t>() = range.zero_point;
  }

 private:
  // A cache line each, so that workers do not share one.
  struct alignas(kTensorAlignment) WorkerRange {
    float least = 0, greatest = 0;
  };

  DynamicRange FindRange(const float* from, const KernelArgs& args) const {
    auto* ranges = reinterpret_cast<WorkerRange*>(args.workspace.data());
    std::fill_n(ranges, max_workers_, WorkerRange());
    ParallelRanges(args.parallel, elements_, kPieceElements,
                   [&](int64_t begin, int64_t end, int worker) {
                     WorkerRange& range = ranges[worker];
                     HWY_DYNAMIC_DISPATCH(WidenRange)
                     (from + begin, end - begin, &range.least, &range.greatest);
                   });
    float least = 0, greatest = 0;
    for (int worker = 0; worker < max_workers_; ++worker) {
      least = std::min(least, ranges[worker].least);
      greatest = std::max(greatest, ranges[worker].greatest);
    }
    return DynamicRangeOf(least, greatest);
  }

  int64_t elements_;
  int max_workers_;
};

}  // namespace

MadeKernel MakeQuantizeSimd(const QuantizeProblem& problem, const MakeContext&) {
  if (problem.from != DType::kF32 || problem.scale != DType::kF32) {
    return Unsupported("{} by {}", DTypeName(problem.from), DTypeName(problem.scale));
  }
  ERGO_ASSIGN_OR_RETURN(const ScaleRows rows, ScaleRows::Make(problem.layout));
  if (problem.to == DType::kU8) {
    return MadeKernel(std::make_unique<SimdQuantize<float, uint8_t, uint8_t>>(rows));
  }
  if (problem.to == DType::kI8) {
    return MadeKernel(std::make_unique<SimdQuantize<float, int8_t, int8_t>>(rows));
  }
  return Unsupported("to {}", DTypeName(problem.to));
}

MadeKernel MakeQuantizeSimd(const DequantizeProblem& problem, const MakeContext&) {
  if (problem.to != DType::kF32) return Unsupported("to {}", DTypeName(problem.to));
  ERGO_ASSIGN_OR_RETURN(const ScaleRows rows, ScaleRows::Make(problem.layout));
  if (problem.from == DType::kU8) {
    return MadeKernel(std::make_unique<SimdQuantize<uint8_t, float, uint8_t>>(rows));
  }
  if (problem.from == DType::kI8) {
    return MadeKernel(std::make_unique<SimdQuantize<int8_t, float, int8_t>>(rows));
  }
  return Unsupported("from {}", DTypeName(problem.from));
}

MadeKernel MakeQuantizeSimd(const DynamicQuantizeProblem& problem, const MakeContext& context) {
  return MadeKernel(std::make_unique<SimdDynamicQuantize>(problem.shape.Elements(),
                                                          std::max(1, context.max_workers)));
}

}  // namespace ergo
#endif  // HWY_ONCE
