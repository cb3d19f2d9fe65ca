// Binary operators on f32 vectors, over the rows of a BroadcastPlan.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/elementwise_binary_simd.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include "kernels/base/parallel_ranges.h"
#include "kernels/base/simd-inl.h"
#include "kernels/elementwise/broadcast.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/elementwise/limits.h"

namespace ergo {

// One row, or a piece of one: y[i] = op(a[i * a_stride], b[i * b_stride]) with strides 0 or 1; y
// may be a or b where its stride is 1.
using BinarySimdFn = void (*)(const float* a, int64_t a_stride, const float* b, int64_t b_stride,
                              float* y, size_t count);

}  // namespace ergo

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <BinaryOp op, class D, class V = hn::Vec<D>>
HWY_INLINE V ApplyBinary(D d, V a, V b) {
  if constexpr (op == BinaryOp::kAdd) return hn::Add(a, b);
  if constexpr (op == BinaryOp::kSub) return hn::Sub(a, b);
  if constexpr (op == BinaryOp::kMul) return hn::Mul(a, b);
  if constexpr (op == BinaryOp::kDiv) return hn::Div(a, b);
  // Where a is NaN, the comparison does not pick b.
  if constexpr (op == BinaryOp::kMax) {
    return hn::IfThenElse(hn::Or(hn::Lt(a, b), hn::IsNaN(b)), b, a);
  }
  if constexpr (op == BinaryOp::kMin) {
    return hn::IfThenElse(hn::Or(hn::Lt(b, a), hn::IsNaN(b)), b, a);
  }
  if constexpr (op == BinaryOp::kPRelu) {
    return hn::IfThenElse(hn::Lt(a, hn::Zero(d)), hn::Mul(a, b), a);
  }
}

template <BinaryOp op, bool kRepeatA, bool kRepeatB>
HWY_INLINE void RowOf(const float* a, const float* b, float* y, size_t count) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const size_t lanes = hn::Lanes(d);
  const V a0 = hn::Set(d, *a);
  const V b0 = hn::Set(d, *b);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const V va = kRepeatA ? a0 : hn::LoadU(d, a + i);
    const V vb = kRepeatB ? b0 : hn::LoadU(d, b + i);
    hn::StoreU(ApplyBinary<op>(d, va, vb), d, y + i);
  }
  if (i < count) {
    const V va = kRepeatA ? a0 : LoadTail(d, a + i, count - i);
    const V vb = kRepeatB ? b0 : LoadTail(d, b + i, count - i);
    StoreTail(ApplyBinary<op>(d, va, vb), d, y + i, count - i);
  }
}

template <BinaryOp op>
void BinaryRow(const float* a, int64_t a_stride, const float* b, int64_t b_stride, float* y,
               size_t count) {
  if (a_stride == 0) {
    RowOf<op, true, false>(a, b, y, count);
  } else if (b_stride == 0) {
    RowOf<op, false, true>(a, b, y, count);
  } else {
    RowOf<op, false, false>(a, b, y, count);
  }
}

// Null for operators without a vector form.
BinarySimdFn FindBinary(BinaryOp op) {
  switch (op) {
    case BinaryOp::kAdd: return BinaryRow<BinaryOp::kAdd>;
    case BinaryOp::kSub: return BinaryRow<BinaryOp::kSub>;
    case BinaryOp::kMul: return BinaryRow<BinaryOp::kMul>;
    case BinaryOp::kDiv: return BinaryRow<BinaryOp::kDiv>;
    case BinaryOp::kMax: return BinaryRow<BinaryOp::kMax>;
    case BinaryOp::kMin: return BinaryRow<BinaryOp::kMin>;
    case BinaryOp::kPRelu: return BinaryRow<BinaryOp::kPRelu>;
    default: return nullptr;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(FindBinary);

class BinarySimd final : public Kernel {
 public:
  BinarySimd(const BinaryProblem& problem, const BroadcastPlan& plan, BinarySimdFn row)
      : plan_(plan), row_(row), in_place_{problem.a == plan.output, problem.b == plan.output} {}

  bool MayRunInPlace(int index) const override { return in_place_[static_cast<size_t>(index)]; }

  void Run(const KernelArgs& args) const override {
    const auto* a = args.inputs[0].As<float>();
    const auto* b = args.inputs[1].As<float>();
    auto* y = args.outputs[0].As<float>();
    const int64_t a_stride = plan_.row_stride[0], b_stride = plan_.row_stride[1];
    ParallelRanges(args.parallel, plan_.output.Elements(), kElementwiseGrain,
                   [&](int64_t begin, int64_t end, int) {
                     ForEachRowPiece(
                         plan_, begin, end,
                         [&](int64_t at, int64_t length, const RowWalker& walker, int64_t column) {
                           row_(a + walker.Offset(0) + column * a_stride, a_stride,
                                b + walker.Offset(1) + column * b_stride, b_stride, y + at,
                                static_cast<size_t>(length));
                         });
                   });
  }

 private:
  BroadcastPlan plan_;
  BinarySimdFn row_;
  std::array<bool, 2> in_place_;
};

// The operand, of two, that is one short row for all rows of the other; -1 when neither is.
int RepeatedShortRow(const BroadcastPlan& plan) {
  if (plan.outer_rank != 1 || plan.row_length >= kShortRow) return -1;
  for (size_t i = 0; i < 2; ++i) {
    const size_t other = 1 - i;
    if (plan.row_stride[i] == 1 && plan.outer_strides[i][0] == 0 && plan.row_stride[other] == 1 &&
        plan.outer_strides[other][0] == plan.row_length) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

// For a row shorter than vectors like: it is first written many times over into the workspace, and
// that long row is then met with the other operand's elements.
class TiledBinarySimd final : public Kernel {
 public:
  TiledBinarySimd(const BroadcastPlan& plan, int repeated, BinarySimdFn row)
      : elements_(plan.output.Elements()),
        row_length_(plan.row_length),
        tile_(CeilDiv(kTileElements, plan.row_length) * plan.row_length),
        repeated_(repeated),
        row_(row) {}

  size_t WorkspaceBytes() const override { return static_cast<size_t>(tile_) * sizeof(float); }
  bool MayRunInPlace(int index) const override { return index != repeated_; }

  void Run(const KernelArgs& args) const override {
    const auto* row = args.inputs[static_cast<size_t>(repeated_)].As<float>();
    const auto* walked = args.inputs[static_cast<size_t>(1 - repeated_)].As<float>();
    auto* y = args.outputs[0].As<float>();
    auto* tile = reinterpret_cast<float*>(args.workspace.data());
    for (int64_t i = 0; i < std::min(tile_, elements_); ++i) tile[i] = row[i % row_length_];
    const int64_t grain = CeilDiv(kElementwiseGrain, tile_) * tile_;
    ParallelRanges(args.parallel, elements_, grain, [&](int64_t begin, int64_t end, int) {
      for (int64_t at = begin; at < end; at += tile_) {
        const auto count = static_cast<size_t>(std::min(tile_, end - at));
        if (repeated_ == 1) {
          row_(walked + at, 1, tile, 1, y + at, count);
        } else {
          row_(tile, 1, walked + at, 1, y + at, count);
        }
      }
    });
  }

 private:
  int64_t elements_, row_length_, tile_;
  int repeated_;
  BinarySimdFn row_;
};

}  // namespace

MadeKernel MakeElementwiseSimd(const BinaryProblem& problem, const MakeContext&) {
  if (problem.dtype != DType::kF32 || problem.b_dtype != DType::kF32) {
    return Unsupported("takes float32, not {} and {}", DTypeName(problem.dtype),
                       DTypeName(problem.b_dtype));
  }
  const BinarySimdFn row = HWY_DYNAMIC_DISPATCH(FindBinary)(problem.op);
  if (row == nullptr) return Unsupported("{} has no vector form", BinaryOpName(problem.op));
  const Shape shapes[] = {problem.a, problem.b};
  ERGO_ASSIGN_OR_RETURN(const BroadcastPlan plan, PlanBroadcast(shapes));
  const int repeated = plan.output.Elements() > 0 ? RepeatedShortRow(plan) : -1;
  if (repeated >= 0) return MadeKernel(std::make_unique<TiledBinarySimd>(plan, repeated, row));
  return MadeKernel(std::make_unique<BinarySimd>(problem, plan, row));
}

}  // namespace ergo
#endif  // HWY_ONCE
