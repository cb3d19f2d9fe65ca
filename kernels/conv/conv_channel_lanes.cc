// Convolution with output channels in the lanes. Vectors of positions are partly empty where planes
// are small (49 positions in vectors of 16), while channels come in plenty.
//
// The micro-kernel multiplies a run of positions of one output row, each broadcast from the padded
// planes, with vectors of packed weights. Strides and dilations only move where the broadcasts come
// from. Sums lie [position][channel] and are transposed when they are done.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/base/checked_math.h"
#include "kernels/base/simd_targets.h"
#include "kernels/conv/channel_panels.h"
#include "kernels/conv/conv.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/conv_channel_lanes.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/base/activation-inl.h"
#include "kernels/base/phase_rows-inl.h"
#include "kernels/base/simd-inl.h"

#ifndef ERGO_KERNELS_CONV_CONV_CHANNEL_LANES_CC_ONCE_
#define ERGO_KERNELS_CONV_CONV_CHANNEL_LANES_CC_ONCE_
namespace ergo {
namespace {

// Weights of a step of the depth stay in the L2 cache while all positions pass by.
constexpr int64_t kStepDepth = 512;

// A run of consecutive output positions of one row.
struct PositionRun {
  int64_t source;  // element of the padded planes under tap 0 of the first position
  int64_t target;  // of the first, in an output plane
  int64_t count;
};

struct ChannelLanesPlan {
  ConvProblem problem;
  int64_t lanes = 1;
  bool padded = false;  // planes are copied first, with their padding; else X is read in place
  int64_t plane_rows = 0, plane_columns = 0;  // of what is read
  std::vector<int64_t> offsets;               // [depth], of each product in the planes
  std::vector<PositionRun> runs;
  std::vector<ChannelPanel> panels;

  int64_t PlaneElements() const { return plane_rows * plane_columns; }
  int64_t PlanesElements() const {
    return padded ? problem.in_channels * PlaneElements() : int64_t{0};
  }
  int64_t PackedElements() const { return RoundUp(problem.out_channels, lanes) * problem.Depth(); }
  int64_t SumElements(int64_t vectors) const {  // of one worker
    return problem.window.OutElements() * vectors * lanes;
  }
};

// Sizes of the micro-kernel, which are those of the registers.
struct ChannelLanesTile {
  int64_t lanes;
  int64_t most_rows[kMaxPanelVectors];  // positions beside 1, 2 and 3 vectors of channels
};

struct ChannelLanesOperands {
  const float* planes;    // of one image
  const float* weights;   // packed
  const float* bias;      // or null
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

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

constexpr bool kManyRegisters =
    HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON;
constexpr size_t kMostRows[kMaxPanelVectors] = {8, kManyRegisters ? 12 : 6, kManyRegisters ? 8 : 4};

struct RunCall {
  const float* x;          // under tap 0 of the first position
  int64_t x_step;          // from one position to the next
  const int64_t* offsets;  // [depth]
  const float* weights;    // [depth][vectors]
  int64_t depth;
  float* sums;  // [position][vectors]
};

// sums += or, with `kFirst`, = products.
template <bool kFirst, size_t kRows, size_t kVectors>
void MultiplyRun(const RunCall& call) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  V sums[kRows][kVectors];
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t j = 0; j < kVectors; ++j) {
      sums[i][j] = kFirst ? hn::Zero(d) : hn::Load(d, call.sums + (i * kVectors + j) * lanes);
    }
  }
  const float* HWY_RESTRICT weights = call.weights;
  const int64_t* HWY_RESTRICT offsets = call.offsets;
  const int64_t step = call.x_step;
  for (int64_t k = 0; k < call.depth; ++k, weights += kVectors * lanes) {
    const float* HWY_RESTRICT x = call.x + offsets[k];
    V w[kVectors];
    for (size_t j = 0; j < kVectors; ++j) w[j] = hn::Load(d, weights + j * lanes);
    for (size_t i = 0; i < kRows; ++i) {
      const V value = hn::Set(d, x[static_cast<int64_t>(i) * step]);
      for (size_t j = 0; j < kVectors; ++j) sums[i][j] = hn::MulAdd(value, w[j], sums[i][j]);
    }
  }
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t j = 0; j < kVectors; ++j) {
      hn::Store(sums[i][j], d, call.sums + (i * kVectors + j) * lanes);
    }
  }
}

using RunFn = void (*)(const RunCall& call);

template <size_t kVectors, size_t... kIndex>
RunFn FindRun(bool first, int64_t rows, std::index_sequence<kIndex...>) {
  static constexpr RunFn kFirst[] = {MultiplyRun<true, kIndex + 1, kVectors>...};
  static constexpr RunFn kNext[] = {MultiplyRun<false, kIndex + 1, kVectors>...};
  return (first ? kFirst : kNext)[rows - 1];
}

RunFn FindRun(bool first, int64_t rows, int64_t vectors) {
  switch (vectors) {
    case 1: return FindRun<1>(first, rows, std::make_index_sequence<kMostRows[0]>());
    case 2: return FindRun<2>(first, rows, std::make_index_sequence<kMostRows[1]>());
    default: return FindRun<3>(first, rows, std::make_index_sequence<kMostRows[2]>());
  }
}

ChannelLanesTile Tile() {
  ChannelLanesTile tile{static_cast<int64_t>(hn::Lanes(D())), {}};
  for (size_t i = 0; i < kMaxPanelVectors; ++i)
    tile.most_rows[i] = static_cast<int64_t>(kMostRows[i]);
  return tile;
}

// [position][channel] -> [channel][position], with what follows.
void FinishPanel(const ChannelLanesPlan& plan, const ChannelLanesOperands& operands,
                 const ChannelPanel& panel, const float* HWY_RESTRICT sums) {
  const ConvProblem& p = plan.problem;
  const int64_t positions = p.window.OutElements();
  const int64_t pitch = panel.vectors * plan.lanes;
  const int64_t channels = std::min(pitch, p.out_channels - panel.first);
  for (int64_t c = 0; c < channels; ++c) {
    const int64_t channel = panel.first + c;
    const float bias = operands.bias == nullptr ? 0.0f : operands.bias[channel];
    const float* HWY_RESTRICT from = sums + c;
    float* y = operands.y + channel * positions;
    if (operands.residual == nullptr) {
      for (int64_t i = 0; i < positions; ++i) y[i] = from[i * pitch] + bias;
    } else {
      const float* residual = operands.residual + channel * positions;
      for (int64_t i = 0; i < positions; ++i) y[i] = from[i * pitch] + bias + residual[i];
    }
    ActivateRow(p.activation, y, static_cast<size_t>(positions));
  }
}

void RunPanel(const ChannelLanesPlan& plan, const ChannelLanesOperands& operands,
              const ChannelPanel& panel, float* sums) {
  const int64_t depth = plan.problem.Depth();
  const float* weights = operands.weights + panel.first * depth;
  for (int64_t k = 0; k < depth; k += kStepDepth) {
    const int64_t step = std::min(kStepDepth, depth - k);
    RunCall call{};
    call.x_step = plan.problem.window.strides[2];
    call.offsets = plan.offsets.data() + k;
    call.weights = weights + k * panel.vectors * plan.lanes;
    call.depth = step;
    for (const PositionRun& run : plan.runs) {
      const int64_t most = static_cast<int64_t>(kMostRows[panel.vectors - 1]);
      int64_t parts = CeilDiv(run.count, most);
      for (int64_t i = 0, rows = 0; i < run.count; i += rows, --parts) {
        rows = CeilDiv(run.count - i, parts);  // as even as can be
        call.x = operands.planes + run.source + i * call.x_step;
        call.sums = sums + (run.target + i) * panel.vectors * plan.lanes;
        FindRun(k == 0, rows, panel.vectors)(call);
      }
    }
  }
  FinishPanel(plan, operands, panel, sums);
}

// A plane of X with its padding, which was zeroed before.
void PadPlane(const ChannelLanesPlan& plan, const float* HWY_RESTRICT x, float* HWY_RESTRICT to) {
  const Window& w = plan.problem.window;
  const int64_t columns = std::min(w.in[2], plan.plane_columns - w.pads_begin[2]);
  std::fill_n(to, plan.PlaneElements(), 0.0f);
  for (int64_t row = 0; row < w.in[1]; ++row) {
    const int64_t at = row + w.pads_begin[1];
    if (at >= plan.plane_rows) break;
    CopyFloats(x + row * w.in[2], columns, to + at * plan.plane_columns + w.pads_begin[2]);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(Tile);
HWY_EXPORT(RunPanel);
HWY_EXPORT(PadPlane);

Status CheckFits(const ConvProblem& p) {
  ERGO_RETURN_IF_ERROR(CheckConv(p));
  if (p.dtype != DType::kF32) return Unsupported("{} tensors", DTypeName(p.dtype));
  const Window& w = p.window;
  if (w.in[0] != 1 || w.kernel[0] != 1 || w.out[0] != 1) {
    return Unsupported("not two-dimensional: {}", w.ToString());
  }
  if (p.groups != 1) return Unsupported("{} groups", p.groups);
  if (p.weights == nullptr) return Unsupported("weights that only a run knows");
  if (p.Depth() == 0) return Unsupported("no input channels");
  return {};
}

// Positions and channels cut into tiles.
void CutTiles(ChannelLanesPlan& plan) {
  const Window& w = plan.problem.window;
  if (w.IsPointwise()) {
    plan.runs.push_back({0, 0, w.OutElements()});
  } else {
    for (int64_t row = 0; row < w.out[1]; ++row) {
      plan.runs.push_back({row * w.strides[1] * plan.plane_columns, row * w.out[2], w.out[2]});
    }
  }
  plan.panels = CutPanels(plan.problem.out_channels, plan.lanes);
}

Result<ChannelLanesPlan> MakePlan(const ConvProblem& problem, const ChannelLanesTile& tile) {
  ERGO_RETURN_IF_ERROR(CheckFits(problem));
  ChannelLanesPlan plan;
  plan.problem = problem;
  plan.lanes = tile.lanes;
  const Window& w = problem.window;
  plan.padded = w.pads_begin[1] + w.pads_begin[2] + w.pads_end[1] + w.pads_end[2] > 0;
  // What the windows reach; padding behind that is not looked at.
  plan.plane_rows = w.in[1];
  plan.plane_columns = w.in[2];
  if (plan.padded) {
    plan.plane_rows = w.pads_begin[1] + w.in[1] + w.pads_end[1];
    plan.plane_columns = w.pads_begin[2] + w.in[2] + w.pads_end[2];
  }
  const auto plane = CheckedMul(plan.plane_rows, plan.plane_columns);
  const auto planes = plane ? CheckedMul(*plane, problem.in_channels) : std::nullopt;
  if (!planes || *planes > kMaxTensorElements) return Unsupported("planes that are too large");
  for (int64_t c = 0; c < problem.in_channels; ++c) {
    for (int64_t y = 0; y < w.kernel[1]; ++y) {
      for (int64_t x = 0; x < w.kernel[2]; ++x) {
        plan.offsets.push_back(c * plan.PlaneElements() + y * w.dilations[1] * plan.plane_columns +
                               x * w.dilations[2]);
      }
    }
  }
  CutTiles(plan);
  return plan;
}

class ChannelLanesKernel final : public Kernel {
 public:
  ChannelLanesKernel(ChannelLanesPlan plan, const MakeContext& context)
      : plan_(std::move(plan)),
        max_workers_(context.max_workers),
        run_panel_(HWY_DYNAMIC_DISPATCH(RunPanel)),
        pad_plane_(HWY_DYNAMIC_DISPATCH(PadPlane)) {
    const auto* weights = static_cast<const float*>(plan_.problem.weights);
    const std::string format = fmt::format("conv_channel_lanes/{}/m{}k{}", plan_.lanes,
                                           plan_.problem.out_channels, plan_.problem.Depth());
    packed_ = PackWeights(
        context.packs, weights, format, static_cast<size_t>(plan_.PackedElements()) * sizeof(float),
        [&](AlignedBuffer& packed) {
          PackPanels(
              plan_.panels, plan_.lanes, plan_.problem.out_channels, plan_.problem.Depth(),
              [](int64_t k) { return k; }, weights, packed.As<float>());
        });
  }

  size_t WorkspaceBytes() const override {
    return static_cast<size_t>(PlanesElements() + max_workers_ * SumElements()) * sizeof(float);
  }

  bool MayRunInPlace(int index) const override { return index == 3 && plan_.problem.has_residual; }

  void Run(const KernelArgs& args) const override {
    const ConvProblem& p = plan_.problem;
    if (p.OutputElements() == 0) return;
    auto* planes = reinterpret_cast<float*>(args.workspace.data());
    float* sums = planes + PlanesElements();
    const int64_t in = p.window.InElements(), out = p.window.OutElements();
    for (int64_t image = 0; image < p.batch; ++image) {
      const float* x = args.inputs[0].As<float>() + image * p.in_channels * in;
      ChannelLanesOperands operands{};
      operands.planes = plan_.padded ? planes : x;
      operands.weights = packed_->As<float>();
      operands.bias = p.has_bias ? args.inputs[2].As<float>() : nullptr;
      operands.residual =
          p.has_residual ? args.inputs[3].As<float>() + image * p.out_channels * out : nullptr;
      operands.y = args.outputs[0].As<float>() + image * p.out_channels * out;
      if (plan_.padded) {
        args.parallel.Run(p.in_channels, [&](int64_t channel, int) {
          pad_plane_(plan_, x + channel * in, planes + channel * plan_.PlaneElements());
        });
      }
      args.parallel.Run(static_cast<int64_t>(plan_.panels.size()), [&](int64_t i, int worker) {
        run_panel_(plan_, operands, plan_.panels[static_cast<size_t>(i)],
                   sums + worker * SumElements());
      });
    }
  }

 private:
  int64_t PlanesElements() const {
    return RoundUp<int64_t>(plan_.PlanesElements(), kTensorAlignment);
  }
  int64_t SumElements() const { return RoundUp<int64_t>(plan_.SumElements(3), kTensorAlignment); }

  ChannelLanesPlan plan_;
  int max_workers_;
  void (*run_panel_)(const ChannelLanesPlan& plan, const ChannelLanesOperands& operands,
                     const ChannelPanel& panel, float* sums);
  void (*pad_plane_)(const ChannelLanesPlan& plan, const float* x, float* to);
  PackedWeights packed_;
};

}  // namespace

MadeKernel MakeConvChannelLanes(const ConvProblem& problem, const MakeContext& context) {
  ChooseSimdTarget();
  ERGO_ASSIGN_OR_RETURN(ChannelLanesPlan plan, MakePlan(problem, HWY_DYNAMIC_DISPATCH(Tile)()));
  // As measured: what the transposition of the sums costs, a long depth makes up for.
  constexpr int64_t kSmallPlane = 64, kMediumPlane = 1024, kLongDepth = 256;
  const int64_t plane = problem.window.OutElements();
  const bool pays =
      plane <= kSmallPlane || (plane <= kMediumPlane && problem.Depth() >= kLongDepth);
  if (!pays && !context.even_if_slow) {
    return Unsupported("planes of {} outputs fill vectors themselves", plane);
  }
  return MadeKernel(std::make_unique<ChannelLanesKernel>(std::move(plan), context));
}

}  // namespace ergo
#endif  // HWY_ONCE
