// Quantized addition by Highway: the first operand less its zero point stands for the sums of the
// epilogue, the second is its residual.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/qlinear/qadd_simd.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <memory>

#include "kernels/base/parallel_ranges.h"
#include "kernels/base/simd_targets.h"
#include "kernels/qlinear/epilogue-inl.h"
#include "kernels/qlinear/qlinear.h"

#ifndef ERGO_KERNELS_QLINEAR_QADD_SIMD_CC_ONCE_
#define ERGO_KERNELS_QLINEAR_QADD_SIMD_CC_ONCE_
namespace ergo {
namespace {

constexpr int64_t kGrainElements = 1 << 14;  // of one task

}  // namespace
}  // namespace ergo
#endif

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// The first operand less its zero point.
template <typename T>
struct CentredBytes {
  const T* from;
  int32_t zero;

  HWY_INLINE hn::Vec<RowEpilogue::I> operator()(size_t i, size_t count) const {
    const RowEpilogue::I d;
    const auto bytes = RowEpilogue::Load(hn::Rebind<T, RowEpilogue::I>(), from + i, count);
    return hn::Sub(hn::PromoteTo(d, bytes), hn::Set(d, zero));
  }
};

void RunQAdd(const QAddProblem& problem, const EpilogueScalars& scalars, const KernelArgs& args,
             int64_t begin, int64_t end) {
  float multiplier = scalars.Multiplier(1), offset = 0;
  int32_t bias = 0;
  const EpilogueChannels channel{&multiplier, &offset, &bias};
  const RowEpilogue epilogue(problem.epilogue, scalars, channel);
  const auto zero = static_cast<int32_t>(QNumber(QOperand(args, 2), 0, 0));
  const void* a = args.inputs[0].data;
  const auto* b = static_cast<const std::byte*>(args.inputs[kQResidual].data);
  auto* y = static_cast<std::byte*>(args.outputs[0].data);
  const auto b_bytes = static_cast<size_t>(DTypeBits(problem.epilogue.residual) / 8);
  const auto y_bytes = static_cast<size_t>(DTypeBits(problem.epilogue.y) / 8);
  const auto at = static_cast<size_t>(begin);
  EpilogueRow row;
  row.count = static_cast<size_t>(end - begin);
  row.residual = b + at * b_bytes;
  row.y = y + at * y_bytes;
  if (problem.a_dtype == DType::kU8) {
    const CentredBytes<uint8_t> sums{static_cast<const uint8_t*>(a) + at, zero};
    epilogue.Run<EpilogueForm::kPerRow>(row, sums);
  } else {
    const CentredBytes<int8_t> sums{static_cast<const int8_t*>(a) + at, zero};
    epilogue.Run<EpilogueForm::kPerRow>(row, sums);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(RunQAdd);

using QAddFunction = void (*)(const QAddProblem& problem, const EpilogueScalars& scalars,
                              const KernelArgs& args, int64_t begin, int64_t end);

class QAddSimd final : public Kernel {
 public:
  explicit QAddSimd(const QAddProblem& problem)
      : problem_(problem), run_(&HWY_DYNAMIC_DISPATCH(RunQAdd)) {}

  void Run(const KernelArgs& args) const override {
    const EpilogueScalars scalars = EpilogueScalars::Read(problem_.epilogue, args);
    ParallelRanges(
        args.parallel, problem_.elements, kGrainElements,
        [&](int64_t begin, int64_t end, int) { run_(problem_, scalars, args, begin, end); });
  }

 private:
  const QAddProblem problem_;
  const QAddFunction run_;
};

}  // namespace

MadeKernel MakeQAddSimd(const QAddProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckQAdd(problem));
  ChooseSimdTarget();
  return std::unique_ptr<Kernel>(std::make_unique<QAddSimd>(problem));
}

}  // namespace ergo
#endif  // HWY_ONCE
