// Winograd's convolution (kernels/conv/winograd_plan.h) with channels innermost: lanes are
// channels, so that tiles are read and written as they lie, and the products are those of the
// direct convolution's micro-kernel.
//
// The tiles of a block are transformed to [product][tile][channel], multiplied to
// [product][tile][output channel] and transformed back before the next block.
#include <algorithm>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/base/checked_math.h"
#include "kernels/base/simd_targets.h"
#include "kernels/conv/channel_panels.h"
#include "kernels/conv/winograd_plan.h"
#include "kernels/conv_nhwc/conv_nhwc.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_nhwc/conv_nhwc_winograd.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv/winograd_transforms-inl.h"
#include "kernels/conv_nhwc/nhwc_tile-inl.h"

#ifndef ERGO_KERNELS_CONV_NHWC_CONV_NHWC_WINOGRAD_CC_ONCE_
#define ERGO_KERNELS_CONV_NHWC_CONV_NHWC_WINOGRAD_CC_ONCE_
namespace ergo {
namespace {

// Transformed tiles of a block, for each worker: half of the L2 cache, the other is for weights.
constexpr int64_t kBlockBytes = 512 << 10;
// Whole tiles of the micro-kernel.
constexpr int64_t kLeastTiles = 24;
// From one product to the next it is a cache line more than the tiles take, or all products of a
// tile might fall into the same cache set.
constexpr int64_t kLineElements = 16;

struct NhwcWinogradPlan {
  ConvProblem problem;
  int64_t tile = 4;  // outputs along each axis
  int64_t lanes = 1;
  int64_t tile_rows = 0, tile_columns = 0;  // of an image
  int64_t block_tiles = 1;
  std::vector<ChannelPanel> panels;

  int64_t Alpha() const { return tile + 2; }
  int64_t Products() const { return Alpha() * Alpha(); }
  int64_t Tiles() const { return problem.batch * tile_rows * tile_columns; }
  // Elements from one tile to the next.
  int64_t OutPitch() const { return RoundUp(problem.out_channels, lanes); }
  // Elements from one product to the next.
  int64_t InProduct() const { return block_tiles * problem.in_channels + kLineElements; }
  int64_t OutProduct() const { return block_tiles * OutPitch() + kLineElements; }
  int64_t PackedProduct() const { return OutPitch() * problem.in_channels; }
};

struct NhwcWinogradOperands {
  const float* x;
  const float* weights;  // [product][panel][in channel][channel of the panel]
  const float* bias;     // whole vectors
  const float* residual;
  float* y;
  const float* zeros;  // a position that is padding; also the bias of a product
  float* transformed_in;
  float* transformed_out;
};

// Where a tile stands.
struct TilePlace {
  int64_t image, row, column;

  TilePlace(const NhwcWinogradPlan& plan, int64_t index)
      : image(index / (plan.tile_rows * plan.tile_columns)),
        row(index / plan.tile_columns % plan.tile_rows * plan.tile),
        column(index % plan.tile_columns * plan.tile) {}
};

}  // namespace
}  // namespace ergo
#endif

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {

int64_t WinogradLanes() {
  return static_cast<int64_t>(hn::Lanes(NhwcTag()));
}

template <int64_t kTile>
struct TileTransforms {
  static constexpr int64_t kAlpha = kTile + 2;

  // Tile `index` of all, number `slot` of the block.
  static void Input(const NhwcWinogradPlan& plan, const NhwcWinogradOperands& operands,
                    int64_t index, int64_t slot) {
    const NhwcTag d;
    const ConvProblem& p = plan.problem;
    const Window& w = p.window;
    const TilePlace place(plan, index);
    const float* from[kAlpha * kAlpha];
    for (int64_t i = 0; i < kAlpha * kAlpha; ++i) {
      const int64_t row = place.row + i / kAlpha - w.pads_begin[1];
      const int64_t column = place.column + i % kAlpha - w.pads_begin[2];
      const bool inside = row >= 0 && row < w.in[1] && column >= 0 && column < w.in[2];
      from[i] =
          inside ? operands.x + ((place.image * w.in[1] + row) * w.in[2] + column) * p.in_channels
                 : operands.zeros;
    }
    float* const to = operands.transformed_in + slot * p.in_channels;
    const int64_t product = plan.InProduct();
    int64_t c = 0;
    for (; c + plan.lanes <= p.in_channels; c += plan.lanes) {
      InputVector(
          product, [&](int64_t i) HWY_ATTR { return hn::LoadU(d, from[i] + c); },
          [&](NhwcVec v, int64_t at) HWY_ATTR { hn::StoreU(v, d, to + at + c); });
    }
    if (c < p.in_channels) {
      const auto rest = static_cast<size_t>(p.in_channels - c);
      InputVector(
          product, [&](int64_t i) HWY_ATTR { return LoadTail(d, from[i] + c, rest); },
          [&](NhwcVec v, int64_t at) HWY_ATTR { StoreTail(v, d, to + at + c, rest); });
    }
  }

  static void Output(const NhwcWinogradPlan& plan, const NhwcWinogradOperands& operands,
                     int64_t index, int64_t slot) {
    const NhwcTag d;
    const ConvProblem& p = plan.problem;
    const Window& w = p.window;
    const TilePlace place(plan, index);
    const int64_t rows = std::min(kTile, w.out[1] - place.row);
    const int64_t columns = std::min(kTile, w.out[2] - place.column);
    const int64_t first =
        ((place.image * w.out[1] + place.row) * w.out[2] + place.column) * p.out_channels;
    const float* const from = operands.transformed_out + slot * plan.OutPitch();
    const bool relu = p.activation.kind == Activation::kRelu;
    const bool clip = relu || p.activation.kind == Activation::kClip;
    const NhwcVec low = hn::Set(d, relu ? 0.0f : p.activation.alpha);
    const NhwcVec high =
        hn::Set(d, relu ? std::numeric_limits<float>::infinity() : p.activation.beta);
    for (int64_t c = 0; c < p.out_channels; c += plan.lanes) {
      HWY_ALIGN float tile[kTile * kTile * HWY_MAX_BYTES / sizeof(float)];
      OutputVector(from + c, plan.OutProduct(), hn::LoadU(d, operands.bias + c), tile);
      const auto rest = static_cast<size_t>(std::min(plan.lanes, p.out_channels - c));
      const bool whole = static_cast<int64_t>(rest) == plan.lanes;
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t column = 0; column < columns; ++column) {
          const int64_t at = first + (row * w.out[2] + column) * p.out_channels + c;
          NhwcVec v = hn::Load(d, tile + (row * kTile + column) * plan.lanes);
          if (operands.residual != nullptr) {
            const float* residual = operands.residual + at;
            v = hn::Add(v, whole ? hn::LoadU(d, residual) : LoadTail(d, residual, rest));
          }
          if (clip) v = ClampVector(v, low, high);
          if (whole) {
            hn::StoreU(v, d, operands.y + at);
          } else {
            StoreTail(v, d, operands.y + at, rest);
          }
        }
      }
    }
    if (clip || p.activation.kind == Activation::kNone) return;
    for (int64_t row = 0; row < rows; ++row) {
      ActivateRow(p.activation, operands.y + first + row * w.out[2] * p.out_channels,
                  static_cast<size_t>(columns * p.out_channels));
    }
  }

 private:
  template <class Load, class Store>
  static HWY_INLINE void InputVector(int64_t product, const Load& load, const Store& store) {
    const NhwcTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    HWY_ALIGN float half[kAlpha * kAlpha * HWY_MAX_BYTES / sizeof(float)];  // [row][column]
    for (int64_t column = 0; column < kAlpha; ++column) {
      NhwcVec x[kAlpha], out[kAlpha];
      for (int64_t row = 0; row < kAlpha; ++row) x[row] = load(row * kAlpha + column);
      Winograd<kTile>::Input(x, out);
      for (int64_t row = 0; row < kAlpha; ++row) {
        hn::Store(out[row], d, half + (row * kAlpha + column) * lanes);
      }
    }
    for (int64_t row = 0; row < kAlpha; ++row) {
      NhwcVec x[kAlpha], out[kAlpha];
      for (int64_t column = 0; column < kAlpha; ++column) {
        x[column] = hn::Load(d, half + (row * kAlpha + column) * lanes);
      }
      Winograd<kTile>::Input(x, out);
      for (int64_t column = 0; column < kAlpha; ++column) {
        store(out[column], (row * kAlpha + column) * product);
      }
    }
  }

  static HWY_INLINE void OutputVector(const float* HWY_RESTRICT from, int64_t product, NhwcVec bias,
                                      float* HWY_RESTRICT tile) {
    const NhwcTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    HWY_ALIGN float half[kTile * kAlpha * HWY_MAX_BYTES / sizeof(float)];  // [row][column]
    for (int64_t column = 0; column < kAlpha; ++column) {
      NhwcVec x[kAlpha], out[kTile];
      for (int64_t row = 0; row < kAlpha; ++row) {
        x[row] = hn::LoadU(d, from + (row * kAlpha + column) * product);
      }
      Winograd<kTile>::Output(x, out);
      for (int64_t row = 0; row < kTile; ++row) {
        hn::Store(out[row], d, half + (row * kAlpha + column) * lanes);
      }
    }
    for (int64_t row = 0; row < kTile; ++row) {
      NhwcVec x[kAlpha], out[kTile];
      for (int64_t column = 0; column < kAlpha; ++column) {
        x[column] = hn::Load(d, half + (row * kAlpha + column) * lanes);
      }
      Winograd<kTile>::Output(x, out);
      for (int64_t column = 0; column < kTile; ++column) {
        hn::Store(hn::Add(out[column], bias), d, tile + (row * kTile + column) * lanes);
      }
    }
  }
};

// The block's `tiles` for one of the products.
void Multiply(const NhwcWinogradPlan& plan, const NhwcWinogradOperands& operands, int64_t product,
              int64_t tiles) {
  const ConvProblem& p = plan.problem;
  static constexpr ActivationSpec kNothing;
  const DepthSegment segment{0, p.in_channels};
  NhwcTileCall call{};
  call.x_step = p.in_channels;
  call.segments = &segment;
  call.segment_count = 1;
  call.bias = operands.zeros;
  call.y_step = plan.OutPitch();
  call.tail = static_cast<size_t>(plan.lanes);
  call.activation = &kNothing;
  const float* in = operands.transformed_in + product * plan.InProduct();
  float* out = operands.transformed_out + product * plan.OutProduct();
  for (const ChannelPanel& panel : plan.panels) {
    call.weights = operands.weights + product * plan.PackedProduct() + panel.first * p.in_channels;
    call.x = in;
    call.y = out + panel.first;
    RunTiles(call, tiles, panel.vectors);
  }
}

template <int64_t kTile>
void RunBlocks(const NhwcWinogradPlan& plan, const NhwcWinogradOperands& operands,
               ParallelFor& parallel) {
  for (int64_t first = 0; first < plan.Tiles(); first += plan.block_tiles) {
    const int64_t tiles = std::min(plan.block_tiles, plan.Tiles() - first);
    parallel.Run(tiles, [&](int64_t slot, int) HWY_ATTR {
      TileTransforms<kTile>::Input(plan, operands, first + slot, slot);
    });
    parallel.Run(plan.Products(),
                 [&](int64_t product, int) HWY_ATTR { Multiply(plan, operands, product, tiles); });
    parallel.Run(tiles, [&](int64_t slot, int) HWY_ATTR {
      TileTransforms<kTile>::Output(plan, operands, first + slot, slot);
    });
  }
}

void RunNhwcWinograd(const NhwcWinogradPlan& plan, const NhwcWinogradOperands& operands,
                     ParallelFor& parallel) {
  switch (plan.tile) {
    case 2: return RunBlocks<2>(plan, operands, parallel);
    case 4: return RunBlocks<4>(plan, operands, parallel);
    default: return RunBlocks<6>(plan, operands, parallel);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(WinogradLanes);
HWY_EXPORT(RunNhwcWinograd);

Status CheckFits(const NhwcConvProblem& problem) {
  ERGO_RETURN_IF_ERROR(CheckNhwcConv(problem));
  ERGO_RETURN_IF_ERROR(CheckWinogradFits(problem.conv));
  if (problem.planar_input) return Unsupported("an input of planes");
  if (problem.conv.groups != 1) return Unsupported("{} groups", problem.conv.groups);
  if (problem.conv.out_channels == 0) return Unsupported("no output channels");
  return {};
}

Result<NhwcWinogradPlan> MakePlan(const NhwcConvProblem& problem, int64_t tile, int64_t lanes,
                                  int workers) {
  ERGO_RETURN_IF_ERROR(CheckFits(problem));
  NhwcWinogradPlan plan;
  plan.problem = problem.conv;
  plan.tile = tile;
  plan.lanes = lanes;
  plan.tile_rows = CeilDiv(problem.conv.window.out[1], tile);
  plan.tile_columns = CeilDiv(problem.conv.window.out[2], tile);
  plan.panels = CutPanels(problem.conv.out_channels, lanes);
  const auto tile_bytes = CheckedMul<int64_t>(problem.conv.in_channels + plan.OutPitch(),
                                              plan.Products() * int64_t{sizeof(float)});
  if (!tile_bytes) return Unsupported("too many channels");
  const int64_t tiles = std::max<int64_t>(plan.Tiles(), 1);
  const int64_t fitting = std::max(kBlockBytes * workers / *tile_bytes, kLeastTiles);
  // Blocks as even as can be.
  plan.block_tiles = CeilDiv(tiles, CeilDiv(tiles, fitting));
  const auto elements = CheckedMul<int64_t>(plan.block_tiles, *tile_bytes);
  if (!elements || *elements > kMaxTensorElements) return Unsupported("too many channels");
  return plan;
}

// The multiply-adds of the products and what the transforms and weights cost beside them, over the
// multiply-adds of a direct convolution; below 1 it pays.
double RelativeCost(const NhwcWinogradPlan& plan) {
  // In multiply-adds of one lane, as measured: what a transformed element costs beside its
  // products, a weight that comes from the L3 cache, and one that comes from memory: those of a
  // layer so large are not the only ones of their model.
  const double per_element = plan.tile == 2 ? 5 : plan.tile == 4 ? 6 : 8;
  constexpr double kWeight = 2.5, kFarWeight = 8;
  constexpr int64_t kFarBytes = 4 << 20;
  const ConvProblem& p = plan.problem;
  const auto products = static_cast<double>(plan.Products());
  const auto tiles = static_cast<double>(plan.Tiles());
  const auto in = static_cast<double>(p.in_channels);
  const auto out = static_cast<double>(p.out_channels);
  const double blocks = static_cast<double>(CeilDiv(plan.Tiles(), plan.block_tiles));
  const double multiply = products * tiles * in * out;
  const double transform = per_element * products * tiles * (in + out);
  const auto weights_of = [&](double count, double passes) {
    const bool far = count * sizeof(float) > static_cast<double>(kFarBytes);
    return count * ((far ? kFarWeight : kWeight) + kWeight * (passes - 1));
  };
  const double weights = weights_of(products * in * out, blocks);
  const double direct = static_cast<double>(p.OutputElements()) * static_cast<double>(p.Depth()) +
                        weights_of(static_cast<double>(p.WeightElements()), 1);
  return direct == 0 ? 1 : (multiply + transform + weights) / direct;
}

void PackProducts(const NhwcWinogradPlan& plan, const float* weights, float* packed) {
  const ConvProblem& p = plan.problem;
  constexpr int64_t kMostProducts = 64;
  double transformed[kMostProducts];
  std::fill_n(packed, plan.Products() * plan.PackedProduct(), 0.0f);
  for (const ChannelPanel& panel : plan.panels) {
    const int64_t width = panel.vectors * plan.lanes;
    const int64_t channels = std::min(width, p.out_channels - panel.first);
    for (int64_t i = 0; i < channels * p.in_channels; ++i) {
      const int64_t m = i / p.in_channels, c = i % p.in_channels;
      TransformWinogradFilter(plan.tile, weights + ((panel.first + m) * p.in_channels + c) * 9,
                              transformed);
      float* to = packed + panel.first * p.in_channels + c * width + m;
      for (int64_t product = 0; product < plan.Products(); ++product) {
        to[product * plan.PackedProduct()] = static_cast<float>(transformed[product]);
      }
    }
  }
}

class NhwcConvWinograd final : public Kernel {
 public:
  NhwcConvWinograd(NhwcWinogradPlan plan, const MakeContext& context)
      : plan_(std::move(plan)), run_(HWY_DYNAMIC_DISPATCH(RunNhwcWinograd)) {
    const ConvProblem& p = plan_.problem;
    const auto* weights = static_cast<const float*>(p.weights);
    packed_ = PackWeights(
        context.packs, weights,
        fmt::format("conv_nhwc_winograd/{}/{}m{}c{}", plan_.tile, plan_.lanes, p.out_channels,
                    p.in_channels),
        static_cast<size_t>(plan_.Products() * plan_.PackedProduct()) * sizeof(float),
        [&](AlignedBuffer& packed) { PackProducts(plan_, weights, packed.As<float>()); });
  }

  size_t WorkspaceBytes() const override {
    const int64_t elements = BiasElements() + ZeroElements() +
                             plan_.Products() * (plan_.InProduct() + plan_.OutProduct());
    return static_cast<size_t>(elements) * sizeof(float);
  }

  // A tile of Z is read before the same tile of Y is written.
  bool MayRunInPlace(int index) const override { return index == 3 && plan_.problem.has_residual; }

  void Run(const KernelArgs& args) const override {
    const ConvProblem& p = plan_.problem;
    if (p.OutputElements() == 0) return;
    auto* bias = reinterpret_cast<float*>(args.workspace.data());
    std::fill_n(bias, BiasElements() + ZeroElements(), 0.0f);
    if (p.has_bias) std::copy_n(args.inputs[2].As<float>(), p.out_channels, bias);
    NhwcWinogradOperands operands{};
    operands.x = args.inputs[0].As<float>();
    operands.weights = packed_->As<float>();
    operands.bias = bias;
    operands.residual = p.has_residual ? args.inputs[3].As<float>() : nullptr;
    operands.y = args.outputs[0].As<float>();
    operands.zeros = bias + BiasElements();
    operands.transformed_in = bias + BiasElements() + ZeroElements();
    operands.transformed_out = operands.transformed_in + plan_.Products() * plan_.InProduct();
    run_(plan_, operands, args.parallel);
  }

 private:
  int64_t BiasElements() const { return RoundUp<int64_t>(plan_.OutPitch(), kTensorAlignment); }
  int64_t ZeroElements() const {
    const int64_t panel = static_cast<int64_t>(kMaxPanelVectors) * plan_.lanes;
    return RoundUp<int64_t>(std::max(plan_.problem.in_channels, panel), kTensorAlignment);
  }

  NhwcWinogradPlan plan_;
  void (*run_)(const NhwcWinogradPlan& plan, const NhwcWinogradOperands& operands,
               ParallelFor& parallel);
  PackedWeights packed_;
};

MadeKernel MakeNhwcWinograd(const NhwcConvProblem& problem, int64_t tile,
                            const MakeContext& context) {
  ChooseSimdTarget();
  const int64_t lanes = HWY_DYNAMIC_DISPATCH(WinogradLanes)();
  ERGO_ASSIGN_OR_RETURN(NhwcWinogradPlan plan, MakePlan(problem, tile, lanes, context.max_workers));
  if (!context.even_if_slow) {
    ERGO_RETURN_IF_ERROR(CheckWinogradPays(tile, [&](int64_t other) -> Result<double> {
      ERGO_ASSIGN_OR_RETURN(const NhwcWinogradPlan rival,
                            MakePlan(problem, other, lanes, context.max_workers));
      return RelativeCost(rival);
    }));
  }
  return MadeKernel(std::make_unique<NhwcConvWinograd>(std::move(plan), context));
}

}  // namespace

MadeKernel MakeNhwcConvWinograd2(const NhwcConvProblem& problem, const MakeContext& context) {
  return MakeNhwcWinograd(problem, 2, context);
}
MadeKernel MakeNhwcConvWinograd4(const NhwcConvProblem& problem, const MakeContext& context) {
  return MakeNhwcWinograd(problem, 4, context);
}
MadeKernel MakeNhwcConvWinograd6(const NhwcConvProblem& problem, const MakeContext& context) {
  return MakeNhwcWinograd(problem, 6, context);
}

}  // namespace ergo
#endif  // HWY_ONCE
