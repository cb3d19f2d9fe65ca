// Direct convolution: products of the input as it lies with packed weights. What is padded is
// copied first, with its padding, so that the operands of a row of taps follow each other.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/base/checked_math.h"
#include "kernels/base/simd_targets.h"
#include "kernels/conv/channel_panels.h"
#include "kernels/conv_nhwc/conv_nhwc.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_nhwc/conv_nhwc_direct.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv_nhwc/nhwc_tile-inl.h"

#ifndef ERGO_KERNELS_CONV_NHWC_CONV_NHWC_DIRECT_CC_ONCE_
#define ERGO_KERNELS_CONV_NHWC_CONV_NHWC_DIRECT_CC_ONCE_
namespace ergo {
namespace {

// Consecutive output positions whose inputs lie at one distance from each other.
struct PositionRun {
  int64_t source;  // element of the input under the first product of the first position
  int64_t target;  // the first position
  int64_t count;
};

struct Range {
  int64_t begin, end;
};

struct DirectPlan {
  NhwcConvProblem problem;
  int64_t lanes = 1;
  int64_t images = 1, positions = 1;          // of an image, which for a 1x1 window is the batch
  bool padded = false;                        // a copy with its padding is read; else X itself
  int64_t plane_rows = 0, plane_columns = 0;  // of what is read
  int64_t x_step = 0;                         // from one position to the next
  std::vector<DepthSegment> segments;
  std::vector<PositionRun> runs;
  std::vector<Range> blocks;  // of runs, whose input stays in the cache while panels pass by
  std::vector<ChannelPanel> panels;
  int64_t panel_step = 1;  // panels of one task

  int64_t PaddedElements() const {
    return padded ? plane_rows * plane_columns * problem.conv.in_channels : int64_t{0};
  }
  int64_t PackedElements() const {
    return RoundUp(problem.conv.out_channels, lanes) * problem.conv.Depth();
  }
};

struct DirectOperands {
  const float* x;         // of the image, as it is read
  const float* weights;   // packed
  const float* bias;      // whole vectors
  const float* residual;  // of the image, or null
  float* y;               // of the image
};

}  // namespace
}  // namespace ergo
#endif

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {

int64_t DirectLanes() {
  return static_cast<int64_t>(hn::Lanes(NhwcTag()));
}

void RunDirect(const DirectPlan& plan, const DirectOperands& operands, Range runs, Range panels) {
  const ConvProblem& p = plan.problem.conv;
  const int64_t depth = p.Depth();
  NhwcTileCall call{};
  call.x_step = plan.x_step;
  call.segments = plan.segments.data();
  call.segment_count = static_cast<int64_t>(plan.segments.size());
  call.y_step = p.out_channels;
  call.activation = &p.activation;
  for (int64_t n = panels.begin; n < panels.end; ++n) {
    const ChannelPanel& panel = plan.panels[static_cast<size_t>(n)];
    const int64_t whole = (panel.vectors - 1) * plan.lanes;
    call.weights = operands.weights + panel.first * depth;
    call.bias = operands.bias + panel.first;
    call.tail = static_cast<size_t>(std::min(plan.lanes, p.out_channels - panel.first - whole));
    for (int64_t r = runs.begin; r < runs.end; ++r) {
      const PositionRun& run = plan.runs[static_cast<size_t>(r)];
      const int64_t at = run.target * p.out_channels + panel.first;
      call.x = operands.x + run.source;
      call.y = operands.y + at;
      call.residual = operands.residual == nullptr ? nullptr : operands.residual + at;
      RunTiles(call, run.count, panel.vectors);
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(DirectLanes);
HWY_EXPORT(RunDirect);

// Inputs of a block of positions: in the L1 cache where the weights stay in the L2 cache and pass
// by for each block, or else in the L2 cache, so that fewer blocks read the weights from beyond it.
constexpr int64_t kSmallWeightsBytes = 256 << 10;
constexpr int64_t kSmallBlockBytes = 24 << 10;
constexpr int64_t kLargeBlockBytes = 384 << 10;
// Whole tiles of all heights.
constexpr int64_t kBlockPositions = 48;

void CutDepth(DirectPlan& plan) {
  const ConvProblem& p = plan.problem.conv;
  const Window& w = p.window;
  const bool planar = plan.problem.planar_input;
  const int64_t channel = planar ? 1 : p.in_channels;  // elements of one position that follow
  const int64_t column = w.dilations[2] * channel,
                row = w.dilations[1] * plan.plane_columns * channel;
  const bool joined = w.dilations[2] == 1;
  for (int64_t c = 0; c < (planar ? p.in_channels : 1); ++c) {
    for (int64_t y = 0; y < w.kernel[1]; ++y) {
      const int64_t first = c * plan.plane_rows * plan.plane_columns + y * row;
      for (int64_t x = 0; x < (joined ? 1 : w.kernel[2]); ++x) {
        plan.segments.push_back({first + x * column, joined ? w.kernel[2] * channel : channel});
      }
    }
  }
}

void CutPositions(DirectPlan& plan, int workers) {
  const ConvProblem& p = plan.problem.conv;
  const Window& w = p.window;
  const int64_t channel = plan.problem.planar_input ? 1 : p.in_channels;
  const int64_t position_bytes =
      std::max<int64_t>(p.in_channels * w.strides[1] * w.strides[2], 1) * int64_t{sizeof(float)};
  const bool small = plan.PackedElements() * int64_t{sizeof(float)} <= kSmallWeightsBytes;
  int64_t block = (small ? kSmallBlockBytes : kLargeBlockBytes) / position_bytes;
  // Enough blocks for all workers.
  const int64_t total = plan.images * plan.positions;
  if (workers > 1) block = std::min(block, total / (2 * workers));
  block = std::max(block / kBlockPositions, int64_t{1}) * kBlockPositions;
  if (w.IsPointwise() && !plan.problem.planar_input) {
    for (int64_t i = 0; i < plan.positions; i += block) {
      plan.runs.push_back({i * channel, i, std::min(block, plan.positions - i)});
    }
  } else {
    for (int64_t row = 0; row < w.out[1]; ++row) {
      plan.runs.push_back(
          {row * w.strides[1] * plan.plane_columns * channel, row * w.out[2], w.out[2]});
    }
  }
  const auto runs = static_cast<int64_t>(plan.runs.size());
  for (int64_t begin = 0, end = 0; begin < runs; begin = end) {
    for (int64_t sum = 0; end < runs && (sum == 0 || sum < block); ++end) {
      sum += plan.runs[static_cast<size_t>(end)].count;
    }
    plan.blocks.push_back({begin, end});
  }
  const auto blocks = std::max<int64_t>(static_cast<int64_t>(plan.blocks.size()), 1);
  const auto panels = static_cast<int64_t>(plan.panels.size());
  plan.panel_step = std::max<int64_t>(panels, 1);
  if (workers > 1 && blocks < 4 * workers) {
    const int64_t groups = std::min(CeilDiv<int64_t>(4 * workers, blocks), plan.panel_step);
    plan.panel_step = CeilDiv(plan.panel_step, groups);
  }
}

Result<DirectPlan> MakePlan(const NhwcConvProblem& problem, int64_t lanes, int workers) {
  ERGO_RETURN_IF_ERROR(CheckNhwcConv(problem));
  const ConvProblem& p = problem.conv;
  if (p.groups != 1) return Unsupported("{} groups", p.groups);
  if (p.weights == nullptr) return Unsupported("weights that only a run knows");
  DirectPlan plan;
  plan.problem = problem;
  plan.lanes = lanes;
  plan.panels = CutPanels(p.out_channels, lanes);
  const Window& w = p.window;
  plan.images = p.batch;
  plan.positions = w.OutElements();
  if (w.IsPointwise() && !problem.planar_input) {
    plan.images = 1;
    plan.positions *= p.batch;
  }
  plan.padded = w.pads_begin[1] + w.pads_begin[2] + w.pads_end[1] + w.pads_end[2] > 0;
  plan.plane_rows = w.in[1];
  plan.plane_columns = w.in[2];
  if (plan.padded) {
    plan.plane_rows += w.pads_begin[1] + w.pads_end[1];
    plan.plane_columns += w.pads_begin[2] + w.pads_end[2];
  }
  const auto plane = CheckedMul(plan.plane_rows, plan.plane_columns);
  const auto elements = plane ? CheckedMul(*plane, p.in_channels) : std::nullopt;
  if (!elements || *elements > kMaxTensorElements) return Unsupported("planes that are too large");
  plan.x_step = w.strides[2] * (problem.planar_input ? 1 : p.in_channels);
  CutDepth(plan);
  CutPositions(plan, workers);
  return plan;
}

class NhwcConvDirect final : public Kernel {
 public:
  NhwcConvDirect(DirectPlan plan, const MakeContext& context)
      : plan_(std::move(plan)), run_(HWY_DYNAMIC_DISPATCH(RunDirect)) {
    const ConvProblem& p = plan_.problem.conv;
    const auto* weights = static_cast<const float*>(p.weights);
    packed_ = PackWeights(
        context.packs, weights,
        fmt::format("conv_nhwc_direct/{}/{}m{}c{}k{}", plan_.lanes,
                    plan_.problem.planar_input ? "planar" : "", p.out_channels, p.in_channels,
                    p.window.KernelElements()),
        static_cast<size_t>(plan_.PackedElements()) * sizeof(float), [&](AlignedBuffer& packed) {
          // The place in ONNX's order of the k-th product.
          const int64_t channels = plan_.problem.planar_input ? 1 : p.in_channels;
          const int64_t taps = plan_.problem.planar_input ? 1 : p.window.KernelElements();
          PackPanels(
              plan_.panels, plan_.lanes, p.out_channels, p.Depth(),
              [&](int64_t k) { return k % channels * taps + k / channels; }, weights,
              packed.As<float>());
        });
  }

  size_t WorkspaceBytes() const override {
    return static_cast<size_t>(BiasElements() + plan_.PaddedElements()) * sizeof(float);
  }

  // Each element of Z is read just before the same one of Y is written.
  bool MayRunInPlace(int index) const override {
    return index == 3 && plan_.problem.conv.has_residual;
  }

  void Run(const KernelArgs& args) const override {
    const ConvProblem& p = plan_.problem.conv;
    if (p.OutputElements() == 0) return;
    auto* bias = reinterpret_cast<float*>(args.workspace.data());
    float* padded = bias + BiasElements();
    std::fill_n(bias, BiasElements(), 0.0f);
    if (p.has_bias) std::copy_n(args.inputs[2].As<float>(), p.out_channels, bias);
    const auto blocks = static_cast<int64_t>(plan_.blocks.size());
    const auto panels = static_cast<int64_t>(plan_.panels.size());
    const int64_t groups = CeilDiv(panels, plan_.panel_step);
    const int64_t image_elements = plan_.positions * p.out_channels;
    for (int64_t image = 0; image < plan_.images; ++image) {
      const float* x = args.inputs[0].As<float>() + image * p.in_channels * p.window.InElements();
      if (plan_.padded) Pad(x, padded, args.parallel);
      DirectOperands operands{};
      operands.x = plan_.padded ? padded : x;
      operands.weights = packed_->As<float>();
      operands.bias = bias;
      operands.residual =
          p.has_residual ? args.inputs[3].As<float>() + image * image_elements : nullptr;
      operands.y = args.outputs[0].As<float>() + image * image_elements;
      args.parallel.Run(blocks * groups, [&](int64_t task, int) {
        const int64_t first = task % groups * plan_.panel_step;
        run_(plan_, operands, plan_.blocks[static_cast<size_t>(task / groups)],
             {first, std::min(first + plan_.panel_step, panels)});
      });
    }
  }

 private:
  int64_t BiasElements() const {
    return RoundUp<int64_t>(RoundUp(plan_.problem.conv.out_channels, plan_.lanes),
                            kTensorAlignment);
  }

  // Rows of positions, all channels of a position together, or rows of each plane.
  void Pad(const float* x, float* padded, ParallelFor& parallel) const {
    const ConvProblem& p = plan_.problem.conv;
    const Window& w = p.window;
    const int64_t channel = plan_.problem.planar_input ? 1 : p.in_channels;
    const int64_t planes = plan_.problem.planar_input ? p.in_channels : 1;
    parallel.Run(planes * plan_.plane_rows, [&](int64_t row, int) {
      const int64_t plane = row / plan_.plane_rows;
      const int64_t y = row % plan_.plane_rows - w.pads_begin[1];
      float* to = padded + row * plan_.plane_columns * channel;
      const bool inside = y >= 0 && y < w.in[1];
      const int64_t left = inside ? w.pads_begin[2] * channel : plan_.plane_columns * channel;
      to = std::fill_n(to, left, 0.0f);
      if (!inside) return;
      to = std::copy_n(x + (plane * w.in[1] + y) * w.in[2] * channel, w.in[2] * channel, to);
      std::fill_n(to, w.pads_end[2] * channel, 0.0f);
    });
  }

  DirectPlan plan_;
  void (*run_)(const DirectPlan& plan, const DirectOperands& operands, Range runs, Range panels);
  PackedWeights packed_;
};

}  // namespace

MadeKernel MakeNhwcConvDirect(const NhwcConvProblem& problem, const MakeContext& context) {
  ChooseSimdTarget();
  ERGO_ASSIGN_OR_RETURN(
      DirectPlan plan, MakePlan(problem, HWY_DYNAMIC_DISPATCH(DirectLanes)(), context.max_workers));
  return MadeKernel(std::make_unique<NhwcConvDirect>(std::move(plan), context));
}

}  // namespace ergo
#endif  // HWY_ONCE
