// Depthwise convolution, row by row (nhwc_depthwise-inl.h).
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/base/checked_math.h"
#include "kernels/base/parallel_ranges.h"
#include "kernels/base/simd_targets.h"
#include "kernels/conv_nhwc/conv_nhwc.h"
#include "kernels/conv_nhwc/nhwc_depthwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_nhwc/conv_nhwc_depthwise.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv_nhwc/nhwc_depthwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {

int64_t DepthwiseLanes() {
  return static_cast<int64_t>(hn::Lanes(NhwcTag()));
}

// Output rows [begin, end) of all images.
void RunRows(const DepthwisePlan& plan, const DepthwiseOperands& operands, const KernelArgs& args,
             int64_t begin, int64_t end) {
  const ConvProblem& p = plan.problem;
  const Window& w = p.window;
  const DepthwiseRowFn run = FindDepthwiseRow(w);
  for (int64_t index = begin; index < end; ++index) {
    const int64_t image = index / w.out[1], oy = index % w.out[1];
    DepthwiseRow row{};
    row.taps = w.TapsWithin(1, oy);
    for (int64_t ky = 0; ky < row.taps.Count(); ++ky) {
      const int64_t at = w.Start(1, oy) + (row.taps.begin + ky) * w.dilations[1];
      row.rows[ky] = args.inputs[0].As<float>() + (image * w.in[1] + at) * w.in[2] * p.out_channels;
    }
    const int64_t first = index * w.out[2] * p.out_channels;
    row.residual = p.has_residual ? args.inputs[3].As<float>() + first : nullptr;
    row.y = args.outputs[0].As<float>() + first;
    run(plan, operands, row);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(DepthwiseLanes);
HWY_EXPORT(RunRows);

// Multiply-adds that make a task worth handing to another thread.
constexpr int64_t kGrain = 1 << 17;

class NhwcConvDepthwise final : public Kernel {
 public:
  NhwcConvDepthwise(DepthwisePlan plan, const MakeContext& context)
      : plan_(std::move(plan)),
        zeros_(static_cast<size_t>(plan_.pitch), 0.0f),
        packed_(plan_.Pack(context.packs)),
        run_(HWY_DYNAMIC_DISPATCH(RunRows)) {}

  size_t WorkspaceBytes() const override {
    return static_cast<size_t>(plan_.pitch) * sizeof(float);
  }

  bool MayRunInPlace(int index) const override { return index == 3 && plan_.problem.has_residual; }

  void Run(const KernelArgs& args) const override {
    const ConvProblem& p = plan_.problem;
    if (p.OutputElements() == 0) return;
    auto* bias = reinterpret_cast<float*>(args.workspace.data());
    std::fill_n(bias, plan_.pitch, 0.0f);
    if (p.has_bias) std::copy_n(args.inputs[2].As<float>(), p.out_channels, bias);
    const DepthwiseOperands operands{packed_->As<float>(), bias, zeros_.data()};
    const int64_t row = p.window.out[2] * p.out_channels * p.window.KernelElements();
    ParallelRanges(
        args.parallel, p.batch * p.window.out[1], CeilDiv(kGrain, std::max<int64_t>(row, 1)),
        [&](int64_t begin, int64_t end, int) { run_(plan_, operands, args, begin, end); });
  }

 private:
  DepthwisePlan plan_;
  std::vector<float> zeros_;
  PackedWeights packed_;
  void (*run_)(const DepthwisePlan& plan, const DepthwiseOperands& operands, const KernelArgs& args,
               int64_t begin, int64_t end);
};

}  // namespace

MadeKernel MakeNhwcConvDepthwise(const NhwcConvProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckNhwcConv(problem));
  ChooseSimdTarget();
  ERGO_ASSIGN_OR_RETURN(DepthwisePlan plan,
                        DepthwisePlan::Make(problem.conv, HWY_DYNAMIC_DISPATCH(DepthwiseLanes)()));
  return MadeKernel(std::make_unique<NhwcConvDepthwise>(std::move(plan), context));
}

}  // namespace ergo
#endif  // HWY_ONCE
