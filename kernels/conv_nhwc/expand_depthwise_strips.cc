// Strips of output rows: the expanded rows that a window looks at stand in a ring of as many rows,
// each computed when the window reaches it, and never leave the cache.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/base/checked_math.h"
#include "kernels/base/simd_targets.h"
#include "kernels/conv/channel_panels.h"
#include "kernels/conv_nhwc/expand_depthwise.h"
#include "kernels/conv_nhwc/nhwc_depthwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_nhwc/expand_depthwise_strips.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv_nhwc/nhwc_depthwise-inl.h"
#include "kernels/conv_nhwc/nhwc_tile-inl.h"

#ifndef ERGO_KERNELS_CONV_NHWC_EXPAND_DEPTHWISE_STRIPS_CC_ONCE_
#define ERGO_KERNELS_CONV_NHWC_EXPAND_DEPTHWISE_STRIPS_CC_ONCE_
namespace ergo {
namespace {

struct StripsPlan {
  ConvProblem expand;
  DepthwisePlan depthwise;
  std::vector<ChannelPanel> panels;  // of the expansion
  int64_t strip_rows = 1;            // output rows of one task

  // Rows of the input between the first and the last that one output row looks at.
  int64_t RingRows() const { return depthwise.problem.window.Extent(1); }
  int64_t RowElements() const { return expand.window.out[2] * expand.out_channels; }
};

struct StripsOperands {
  const float* x;
  const float* expand_weights;  // packed
  const float* expand_bias;     // whole vectors
  DepthwiseOperands depthwise;
  float* y;
};

}  // namespace
}  // namespace ergo
#endif

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {

int64_t StripsLanes() {
  return static_cast<int64_t>(hn::Lanes(NhwcTag()));
}

// Row `row` of the image `x`, expanded.
void ExpandRow(const StripsPlan& plan, const StripsOperands& operands, const float* x, int64_t row,
               float* to) {
  const ConvProblem& p = plan.expand;
  const DepthSegment segment{0, p.in_channels};
  const int64_t lanes = plan.depthwise.lanes;
  NhwcTileCall call{};
  call.x_step = p.in_channels;
  call.segments = &segment;
  call.segment_count = 1;
  call.y_step = p.out_channels;
  call.activation = &p.activation;
  for (const ChannelPanel& panel : plan.panels) {
    const int64_t whole = (panel.vectors - 1) * lanes;
    call.x = x + row * p.window.in[2] * p.in_channels;
    call.weights = operands.expand_weights + panel.first * p.in_channels;
    call.bias = operands.expand_bias + panel.first;
    call.y = to + panel.first;
    call.tail = static_cast<size_t>(std::min(lanes, p.out_channels - panel.first - whole));
    RunTiles(call, p.window.out[2], panel.vectors);
  }
}

void RunStrip(const StripsPlan& plan, const StripsOperands& operands, int64_t image, int64_t strip,
              float* ring) {
  const ConvProblem& p = plan.depthwise.problem;
  const Window& w = p.window;
  const float* x = operands.x + image * plan.expand.in_channels * plan.expand.window.InElements();
  const DepthwiseRowFn run = FindDepthwiseRow(w);
  const int64_t begin = strip * plan.strip_rows;
  const int64_t end = std::min(begin + plan.strip_rows, w.out[1]);
  int64_t expanded = 0;  // rows before this one were expanded, as far as they are still wanted
  for (int64_t oy = begin; oy < end; ++oy) {
    DepthwiseRow row{};
    row.taps = w.TapsWithin(1, oy);
    for (int64_t ky = 0; ky < row.taps.Count(); ++ky) {
      const int64_t at = w.Start(1, oy) + (row.taps.begin + ky) * w.dilations[1];
      float* const place = ring + at % plan.RingRows() * plan.RowElements();
      row.rows[ky] = place;
      if (w.dilations[1] == 1 && oy > begin && at < expanded) continue;
      ExpandRow(plan, operands, x, at, place);
      expanded = at + 1;
    }
    row.y = operands.y + (image * w.out[1] + oy) * w.out[2] * p.out_channels;
    run(plan.depthwise, operands.depthwise, row);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(StripsLanes);
HWY_EXPORT(RunStrip);

// Rows at the edge of a strip are expanded twice: strips are at least so many times their window.
constexpr int64_t kLeastWindows = 4;

class ExpandDepthwiseStrips final : public Kernel {
 public:
  ExpandDepthwiseStrips(StripsPlan plan, const MakeContext& context)
      : plan_(std::move(plan)),
        max_workers_(context.max_workers),
        zeros_(static_cast<size_t>(plan_.depthwise.pitch), 0.0f),
        depthwise_weights_(plan_.depthwise.Pack(context.packs)),
        run_(HWY_DYNAMIC_DISPATCH(RunStrip)) {
    const ConvProblem& p = plan_.expand;
    const auto* weights = static_cast<const float*>(p.weights);
    const int64_t lanes = plan_.depthwise.lanes;
    expand_weights_ =
        PackWeights(context.packs, weights,
                    fmt::format("expand_depthwise/{}/m{}c{}", lanes, p.out_channels, p.in_channels),
                    static_cast<size_t>(plan_.depthwise.pitch * p.in_channels) * sizeof(float),
                    [&](AlignedBuffer& packed) {
                      PackPanels(
                          plan_.panels, lanes, p.out_channels, p.in_channels,
                          [](int64_t k) { return k; }, weights, packed.As<float>());
                    });
  }

  size_t WorkspaceBytes() const override {
    return static_cast<size_t>(2 * BiasElements() + max_workers_ * RingElements()) * sizeof(float);
  }

  void Run(const KernelArgs& args) const override {
    const ConvProblem& p = plan_.depthwise.problem;
    if (p.OutputElements() == 0) return;
    auto* bias = reinterpret_cast<float*>(args.workspace.data());
    std::fill_n(bias, 2 * BiasElements(), 0.0f);
    if (plan_.expand.has_bias) std::copy_n(args.inputs[2].As<float>(), p.out_channels, bias);
    if (p.has_bias) {
      std::copy_n(args.inputs[4].As<float>(), p.out_channels, bias + BiasElements());
    }
    StripsOperands operands{};
    operands.x = args.inputs[0].As<float>();
    operands.expand_weights = expand_weights_->As<float>();
    operands.expand_bias = bias;
    operands.depthwise = {depthwise_weights_->As<float>(), bias + BiasElements(), zeros_.data()};
    operands.y = args.outputs[0].As<float>();
    float* const rings = bias + 2 * BiasElements();
    const int64_t strips = CeilDiv(p.window.out[1], plan_.strip_rows);
    args.parallel.Run(p.batch * strips, [&](int64_t task, int worker) {
      run_(plan_, operands, task / strips, task % strips, rings + worker * RingElements());
    });
  }

 private:
  int64_t BiasElements() const { return RoundUp<int64_t>(plan_.depthwise.pitch, kTensorAlignment); }
  int64_t RingElements() const {
    return RoundUp<int64_t>(plan_.RingRows() * plan_.RowElements(), kTensorAlignment);
  }

  StripsPlan plan_;
  int max_workers_;
  std::vector<float> zeros_;
  PackedWeights expand_weights_, depthwise_weights_;
  void (*run_)(const StripsPlan& plan, const StripsOperands& operands, int64_t image, int64_t strip,
               float* ring);
};

}  // namespace

MadeKernel MakeExpandDepthwiseStrips(const ExpandDepthwiseProblem& problem,
                                     const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckExpandDepthwise(problem));
  if (problem.expand.weights == nullptr) return Unsupported("weights that only a run knows");
  ChooseSimdTarget();
  StripsPlan plan;
  plan.expand = problem.expand;
  const int64_t lanes = HWY_DYNAMIC_DISPATCH(StripsLanes)();
  ERGO_ASSIGN_OR_RETURN(plan.depthwise, DepthwisePlan::Make(problem.depthwise, lanes));
  const Window& w = problem.depthwise.window;
  // A ring of more rows than the image has is larger than the expanded image itself.
  if (w.Extent(1) > std::max<int64_t>(w.in[1], 1) + w.pads_begin[1] + w.pads_end[1]) {
    return Unsupported("a window that is higher than the image");
  }
  plan.panels = CutPanels(problem.expand.out_channels, lanes);
  const int64_t most = std::max<int64_t>(w.out[1], 1);
  const int64_t fair =
      CeilDiv<int64_t>(most, context.max_workers == 1 ? 1 : 2 * context.max_workers);
  plan.strip_rows = std::clamp(fair, std::min(kLeastWindows * w.Extent(1), most), most);
  return MadeKernel(std::make_unique<ExpandDepthwiseStrips>(std::move(plan), context));
}

}  // namespace ergo
#endif  // HWY_ONCE
