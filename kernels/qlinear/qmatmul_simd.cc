// Quantized matrix products: the sums by qgemm, then the epilogue by Highway.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/qlinear/qmatmul_simd.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <memory>

#include "kernels/base/checked_math.h"
#include "kernels/base/parallel_ranges.h"
#include "kernels/base/simd_targets.h"
#include "kernels/qgemm/qgemm.h"
#include "kernels/qlinear/epilogue-inl.h"
#include "kernels/qlinear/qlinear.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {

// Rows [begin, end) of the result.
void FinishRows(const QEpilogue& epilogue, const EpilogueScalars& scalars,
                const EpilogueChannels& columns, const int32_t* sums, int64_t begin, int64_t end,
                const KernelArgs& args) {
  const RowEpilogue rows(epilogue, scalars, columns);
  const MutableTensorView& y = args.outputs[0];
  const auto n = static_cast<size_t>(y.shape[y.shape.Rank() - 1]);
  const TensorView residual = QOperand(args, kQResidual);
  const auto y_bytes = static_cast<size_t>(DTypeBits(y.dtype) / 8);
  const auto z_bytes = static_cast<size_t>(DTypeBits(residual.dtype) / 8);
  for (auto row = static_cast<size_t>(begin); row < static_cast<size_t>(end); ++row) {
    EpilogueRow out{sums + row * n, n, 0, nullptr,
                    static_cast<std::byte*>(y.data) + row * n * y_bytes};
    if (epilogue.residual != DType::kUndefined) {
      out.residual = static_cast<const std::byte*>(residual.data) + row * n * z_bytes;
    }
    rows.Run<EpilogueForm::kPerColumn>(out);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(FinishRows);

using FinishFunction = void (*)(const QEpilogue& epilogue, const EpilogueScalars& scalars,
                                const EpilogueChannels& columns, const int32_t* sums, int64_t begin,
                                int64_t end, const KernelArgs& args);

// Results of one task of the epilogue: below that a second worker costs more than it brings.
constexpr int64_t kGrainElements = 1 << 14;

class QMatMulSimd final : public Kernel {
 public:
  QMatMulSimd(const QMatMulProblem& problem, std::unique_ptr<Kernel> product)
      : problem_(problem),
        product_(std::move(product)),
        rows_(problem.y.Elements(0, problem.y.Rank() - 1)),
        columns_(problem.y[problem.y.Rank() - 1]),
        channel_bytes_(EpilogueChannels::Bytes(columns_)),
        // The last row is read in whole vectors.
        sum_bytes_(
            RoundUp(static_cast<size_t>(rows_ * columns_) * sizeof(int32_t) + kTensorAlignment,
                    size_t{kTensorAlignment})),
        finish_(&HWY_DYNAMIC_DISPATCH(FinishRows)) {}

  size_t WorkspaceBytes() const override {
    return channel_bytes_ + sum_bytes_ + product_->WorkspaceBytes();
  }

  void Run(const KernelArgs& args) const override {
    if (rows_ * columns_ == 0) return;
    static constexpr uint8_t kZero = 0;
    const auto zero_or = [&](size_t input, DType dtype) {
      const TensorView view = QOperand(args, input);
      return view.Present() ? view : TensorView{&kZero, dtype, Device::kCpu, Shape()};
    };
    const TensorView inputs[] = {args.inputs[0], args.inputs[1], zero_or(2, problem_.a_dtype),
                                 QOperand(args, 3)};
    std::byte* sums = args.workspace.data() + channel_bytes_;
    const MutableTensorView product{sums, DType::kI32, Device::kCpu, problem_.y};
    product_->Run({inputs, std::span(&product, 1),
                   args.workspace.subspan(channel_bytes_ + sum_bytes_), args.parallel});
    const EpilogueScalars scalars = EpilogueScalars::Read(problem_.epilogue, args);
    const EpilogueChannels channels =
        EpilogueChannels::Fill(problem_.epilogue, scalars, args, columns_, args.workspace.data());
    ParallelRanges(args.parallel, rows_, CeilDiv(kGrainElements, columns_),
                   [&](int64_t begin, int64_t end, int) {
                     finish_(problem_.epilogue, scalars, channels,
                             reinterpret_cast<const int32_t*>(sums), begin, end, args);
                   });
  }

 private:
  const QMatMulProblem problem_;
  const std::unique_ptr<Kernel> product_;
  const int64_t rows_, columns_;
  const size_t channel_bytes_, sum_bytes_;
  const FinishFunction finish_;
};

Shape BatchOf(const Shape& shape) {
  return Shape(shape.Dims().first(static_cast<size_t>(shape.Rank() - 2)));
}

}  // namespace

MadeKernel MakeQMatMulSimd(const QMatMulProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckEpilogue(problem.epilogue));
  if (problem.a_per_row) return Unsupported("a scale or zero point a row");
  QGemmProblem product;
  product.a_dtype = problem.a_dtype;
  product.b_dtype = problem.b_dtype;
  product.m = problem.a[problem.a.Rank() - 2];
  product.k = problem.a[problem.a.Rank() - 1];
  product.n = problem.b[problem.b.Rank() - 1];
  product.a_batch = BatchOf(problem.a);
  product.b_batch = BatchOf(problem.b);
  product.a_zero = ZeroPoint::kScalar;
  product.b_zero = problem.b_zeros == 0   ? ZeroPoint::kNone
                   : problem.b_zeros == 1 ? ZeroPoint::kScalar
                                          : ZeroPoint::kVector;
  product.constant_b = problem.weights;
  ERGO_ASSIGN_OR_RETURN(Selected selected,
                        SelectKernel(QGemmVariants(), product, context, SelectOptions{}));
  ChooseSimdTarget();
  return std::unique_ptr<Kernel>(
      std::make_unique<QMatMulSimd>(problem, std::move(selected.kernel)));
}

}  // namespace ergo
#endif  // HWY_ONCE
