// 3x3 convolution of stride 1 by Winograd's minimal filtering; winograd_plan.h has the algorithm.
// Three rounds of tasks for each block of tiles: input channels are transformed, a*a products of
// matrices computed, output channels transformed back with what follows a convolution.
#include <algorithm>
#include <memory>
#include <utility>

#include "kernels/base/simd_targets.h"
#include "kernels/conv/winograd_plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/conv_winograd.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/base/activation-inl.h"
#include "kernels/base/phase_rows-inl.h"
#include "kernels/base/simd-inl.h"
#include "kernels/conv/winograd_transforms-inl.h"

#ifndef ERGO_KERNELS_CONV_CONV_WINOGRAD_CC_ONCE_
#define ERGO_KERNELS_CONV_CONV_WINOGRAD_CC_ONCE_
namespace ergo {
namespace {

struct WinogradOperands {
  const float* x;
  const float* weights;   // packed
  const float* bias;      // or null
  const float* residual;  // or null
  float* y;
  float* transformed_in;   // [product][in channel][tile]
  float* transformed_out;  // [product][out channel][tile]
  float* scratch;          // of each worker
  int64_t scratch_elements;
};

// Rows of tiles [begin, end), counted over the images of the batch.
struct TileRows {
  int64_t begin, end;
};

}  // namespace
}  // namespace ergo
#endif

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {

// As in the patch engine: accumulators, a row of tiles and a weight fill the registers.
constexpr bool kManyRegisters =
    HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON;
constexpr size_t kMicroRows = kManyRegisters ? 8 : 4;
constexpr size_t kMicroVectors = 3;

WinogradMicroTile MicroTile() {
  return {static_cast<int64_t>(kMicroRows), static_cast<int64_t>(kMicroVectors),
          static_cast<int64_t>(hn::Lanes(WinogradTag()))};
}

template <int64_t kTile>
class Transforms {
 public:
  static constexpr int64_t kAlpha = kTile + 2;

  // Transforms the block's tiles of one input channel. `stage` holds [row][column][tile] of them.
  static void Input(const WinogradPlan& plan, const WinogradOperands& operands, TileRows block,
                    int64_t channel, float* HWY_RESTRICT scratch) {
    const WinogradTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    float* HWY_RESTRICT stage = scratch + plan.PaddedRowElements();
    const int64_t pitch = plan.BlockTiles() + lanes;
    Stage(plan, operands.x, block, channel, scratch, stage);
    const int64_t product_elements = plan.InProductElements();
    float* HWY_RESTRICT to = operands.transformed_in + channel * plan.BlockTiles();
    for (int64_t tile = 0; tile < plan.BlockTiles(); tile += lanes) {
      HWY_ALIGN float half[kAlpha * kAlpha * HWY_MAX_BYTES / sizeof(float)];  // [row][column]
      for (int64_t column = 0; column < kAlpha; ++column) {
        WinogradVec x[kAlpha], out[kAlpha];
        for (int64_t row = 0; row < kAlpha; ++row) {
          x[row] = hn::LoadU(d, stage + (row * kAlpha + column) * pitch + tile);
        }
        Winograd<kTile>::Input(x, out);
        for (int64_t row = 0; row < kAlpha; ++row) {
          hn::Store(out[row], d, half + (row * kAlpha + column) * lanes);
        }
      }
      for (int64_t row = 0; row < kAlpha; ++row) {
        WinogradVec x[kAlpha], out[kAlpha];
        for (int64_t column = 0; column < kAlpha; ++column) {
          x[column] = hn::Load(d, half + (row * kAlpha + column) * lanes);
        }
        Winograd<kTile>::Input(x, out);
        for (int64_t column = 0; column < kAlpha; ++column) {
          hn::StoreU(out[column], d, to + (row * kAlpha + column) * product_elements + tile);
        }
      }
    }
  }

  // Transforms the block's tiles of one output channel back and finishes them.
  static void Output(const WinogradPlan& plan, const WinogradOperands& operands, TileRows block,
                     int64_t channel, float* HWY_RESTRICT stage) {
    const WinogradTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const int64_t pitch = plan.BlockTiles() * kTile;  // rows of the tiles, one behind the other
    const int64_t product_elements = plan.OutProductElements();
    const float* HWY_RESTRICT from = operands.transformed_out + channel * plan.BlockTiles();
    const WinogradVec bias = hn::Set(d, operands.bias == nullptr ? 0.0f : operands.bias[channel]);
    for (int64_t tile = 0; tile < plan.BlockTiles(); tile += lanes) {
      HWY_ALIGN float half[kTile * kAlpha * HWY_MAX_BYTES / sizeof(float)];  // [row][column]
      for (int64_t column = 0; column < kAlpha; ++column) {
        WinogradVec x[kAlpha], out[kTile];
        for (int64_t row = 0; row < kAlpha; ++row) {
          x[row] = hn::LoadU(d, from + (row * kAlpha + column) * product_elements + tile);
        }
        Winograd<kTile>::Output(x, out);
        for (int64_t row = 0; row < kTile; ++row) {
          hn::Store(out[row], d, half + (row * kAlpha + column) * lanes);
        }
      }
      for (int64_t row = 0; row < kTile; ++row) {
        WinogradVec x[kAlpha], out[kTile];
        for (int64_t column = 0; column < kAlpha; ++column) {
          x[column] = hn::Load(d, half + (row * kAlpha + column) * lanes);
        }
        Winograd<kTile>::Output(x, out);
        for (int64_t column = 0; column < kTile; ++column) out[column] = hn::Add(out[column], bias);
        JoinTiles<kTile>(out, stage + row * pitch + tile * kTile);
      }
    }
    Finish(plan, operands, block, channel, stage);
  }

 private:
  // Rows of the image, padded, in the tiles' lanes.
  static void Stage(const WinogradPlan& plan, const float* x, TileRows block, int64_t channel,
                    float* HWY_RESTRICT padded, float* HWY_RESTRICT stage) {
    const WinogradTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const ConvProblem& p = plan.problem;
    const int64_t height = p.window.in[1], width = p.window.in[2];
    const int64_t pitch = plan.BlockTiles() + lanes;
    const int64_t left = p.window.pads_begin[2];
    const int64_t used = std::clamp<int64_t>(plan.PaddedRowElements() - left, 0, width);
    std::fill_n(padded, plan.PaddedRowElements(), 0.0f);
    for (int64_t index = block.begin; index < block.end; ++index) {
      const int64_t image = index / plan.tile_rows, tile_row = index % plan.tile_rows;
      const float* plane = x + (image * p.in_channels + channel) * height * width;
      float* const tiles = stage + (index - block.begin) * plan.tile_columns;
      for (int64_t row = 0; row < kAlpha; ++row) {
        const int64_t y = tile_row * kTile + row - p.window.pads_begin[1];
        float* const to = tiles + row * kAlpha * pitch;
        if (y < 0 || y >= height) {
          for (int64_t column = 0; column < kAlpha; ++column) {
            std::fill_n(to + column * pitch, plan.tile_columns, 0.0f);
          }
          continue;
        }
        CopyFloats(plane + y * width, used, padded + left);
        for (int64_t tile = 0; tile < plan.tile_columns; tile += lanes) {
          WinogradVec columns[kAlpha];
          SplitTiles<kTile>(padded + tile * kTile, columns);
          for (int64_t column = 0; column < kAlpha; ++column) {
            hn::StoreU(columns[column], d, to + column * pitch + tile);
          }
        }
      }
    }
  }

  // Residual, activation, and the rows to their places.
  static void Finish(const WinogradPlan& plan, const WinogradOperands& operands, TileRows block,
                     int64_t channel, float* HWY_RESTRICT stage) {
    const WinogradTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const ConvProblem& p = plan.problem;
    const int64_t height = p.window.out[1], width = p.window.out[2];
    const int64_t pitch = plan.BlockTiles() * kTile;
    for (int64_t index = block.begin; index < block.end; ++index) {
      const int64_t image = index / plan.tile_rows, tile_row = index % plan.tile_rows;
      const int64_t plane = (image * p.out_channels + channel) * height * width;
      float* const tiles = stage + (index - block.begin) * plan.tile_columns * kTile;
      for (int64_t row = 0; row < kTile && tile_row * kTile + row < height; ++row) {
        float* const sums = tiles + row * pitch;
        const int64_t at = plane + (tile_row * kTile + row) * width;
        if (operands.residual != nullptr) {
          const float* residual = operands.residual + at;
          int64_t i = 0;
          for (; i + lanes <= width; i += lanes) {
            hn::StoreU(hn::Add(hn::LoadU(d, sums + i), hn::LoadU(d, residual + i)), d, sums + i);
          }
          for (; i < width; ++i) sums[i] += residual[i];
        }
        ActivateRow(p.activation, sums, static_cast<size_t>(width));
        CopyFloats(sums, width, operands.y + at);
      }
    }
  }
};

struct MicroCall {
  const float* weights;  // [depth][rows]
  const float* in;       // [depth], `pitch` apart
  float* out;            // [rows], `pitch` apart
  int64_t depth, pitch;
};

template <size_t kRows, size_t kVectors>
void RunMicro(const MicroCall& call) {
  const WinogradTag d;
  const size_t lanes = hn::Lanes(d);
  WinogradVec sums[kRows][kVectors];
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t j = 0; j < kVectors; ++j) sums[i][j] = hn::Zero(d);
  }
  const float* HWY_RESTRICT in = call.in;
  const float* HWY_RESTRICT weights = call.weights;
  for (int64_t k = 0; k < call.depth; ++k, in += call.pitch, weights += kRows) {
    WinogradVec x[kVectors];
    for (size_t j = 0; j < kVectors; ++j) x[j] = hn::LoadU(d, in + j * lanes);
    for (size_t i = 0; i < kRows; ++i) {
      const WinogradVec w = hn::Set(d, weights[i]);
      for (size_t j = 0; j < kVectors; ++j) sums[i][j] = hn::MulAdd(w, x[j], sums[i][j]);
    }
  }
  for (size_t i = 0; i < kRows; ++i) {
    float* HWY_RESTRICT out = call.out + static_cast<int64_t>(i) * call.pitch;
    for (size_t j = 0; j < kVectors; ++j) hn::StoreU(sums[i][j], d, out + j * lanes);
  }
}

using MicroFn = void (*)(const MicroCall& call);

MicroFn FindMicro(int64_t rows, int64_t vectors) {
  static_assert(kMicroVectors == 3);
  static constexpr MicroFn kTiles[4][kMicroVectors] = {
      {RunMicro<1, 1>, RunMicro<1, 2>, RunMicro<1, 3>},
      {RunMicro<2, 1>, RunMicro<2, 2>, RunMicro<2, 3>},
      {RunMicro<4, 1>, RunMicro<4, 2>, RunMicro<4, 3>},
      {RunMicro<kMicroRows, 1>, RunMicro<kMicroRows, 2>, RunMicro<kMicroRows, 3>},
  };
  return kTiles[rows == 8 ? 3 : rows / 2][vectors - 1];
}

// Output channels [begin, end) of a group for one of the a*a products.
void Multiply(const WinogradPlan& plan, const WinogradOperands& operands, int64_t product,
              int64_t group, int64_t begin, int64_t end) {
  const ConvProblem& p = plan.problem;
  const auto lanes = static_cast<int64_t>(hn::Lanes(WinogradTag()));
  const int64_t depth = p.GroupInChannels(), pitch = plan.BlockTiles();
  const int64_t first = group * p.GroupOutChannels();
  const float* in =
      operands.transformed_in + product * plan.InProductElements() + group * depth * pitch;
  float* out = operands.transformed_out + product * plan.OutProductElements();
  const float* weights = operands.weights + product * p.out_channels * depth;
  const int64_t vectors = pitch / lanes;
  int64_t tiles = CeilDiv(vectors, static_cast<int64_t>(kMicroVectors));
  for (int64_t v = 0, count = 0; v < vectors; v += count, --tiles) {
    count = CeilDiv(vectors - v, tiles);  // as even as can be
    for (int64_t channel = begin; channel < end;) {
      const int64_t rows = plan.MicroRows(p.GroupOutChannels() - channel);
      MicroCall call{};
      call.weights = weights + (first + channel) * depth;
      call.in = in + v * lanes;
      call.out = out + (first + channel) * pitch + v * lanes;
      call.depth = depth;
      call.pitch = pitch;
      FindMicro(rows, count)(call);
      channel += rows;
    }
  }
}

template <int64_t kTile>
void RunBlock(const WinogradPlan& plan, const WinogradOperands& operands, TileRows block,
              ParallelFor& parallel) {
  const ConvProblem& p = plan.problem;
  const auto scratch = [&](int worker) {
    return operands.scratch + worker * operands.scratch_elements;
  };
  parallel.Run(p.in_channels, [&](int64_t channel, int worker) HWY_ATTR {
    Transforms<kTile>::Input(plan, operands, block, channel, scratch(worker));
  });
  // Enough tasks for every worker, each a whole number of the micro-kernel's rows.
  const int64_t channels = p.GroupOutChannels();
  const int64_t parts =
      std::clamp<int64_t>(CeilDiv<int64_t>(4 * parallel.Workers(), plan.Products() * p.groups), 1,
                          CeilDiv(channels, plan.micro.rows));
  const int64_t step = RoundUp(CeilDiv(channels, parts), plan.micro.rows);
  const int64_t chunks = CeilDiv(channels, step);
  parallel.Run(plan.Products() * p.groups * chunks, [&](int64_t index, int) HWY_ATTR {
    const int64_t begin = index % chunks * step, rest = index / chunks;
    Multiply(plan, operands, rest / p.groups, rest % p.groups, begin,
             std::min(begin + step, channels));
  });
  parallel.Run(p.out_channels, [&](int64_t channel, int worker) HWY_ATTR {
    Transforms<kTile>::Output(plan, operands, block, channel, scratch(worker));
  });
}

void RunWinograd(const WinogradPlan& plan, const WinogradOperands& operands,
                 ParallelFor& parallel) {
  if (plan.problem.OutputElements() == 0) return;
  for (int64_t row = 0; row < plan.TotalRows(); row += plan.block_rows) {
    const TileRows block{row, std::min(row + plan.block_rows, plan.TotalRows())};
    switch (plan.tile) {
      case 2: RunBlock<2>(plan, operands, block, parallel); break;
      case 4: RunBlock<4>(plan, operands, block, parallel); break;
      default: RunBlock<6>(plan, operands, block, parallel); break;
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

HWY_EXPORT(MicroTile);
HWY_EXPORT(RunWinograd);

class WinogradKernel final : public Kernel {
 public:
  WinogradKernel(WinogradPlan plan, const MakeContext& context)
      : plan_(std::move(plan)),
        max_workers_(context.max_workers),
        run_(HWY_DYNAMIC_DISPATCH(RunWinograd)) {
    const auto* weights = static_cast<const float*>(plan_.problem.weights);
    const size_t bytes = static_cast<size_t>(plan_.PackedElements()) * sizeof(float);
    packed_ =
        PackWeights(context.packs, weights, plan_.PackFormat(), bytes,
                    [&](AlignedBuffer& packed) { plan_.PackWeights(weights, packed.As<float>()); });
  }

  size_t WorkspaceBytes() const override {
    const int64_t elements =
        plan_.Products() * (plan_.InProductElements() + plan_.OutProductElements()) +
        max_workers_ * ScratchElements();
    return static_cast<size_t>(elements) * sizeof(float);
  }

  // A block's rows of Z are read before the same rows of Y are written.
  bool MayRunInPlace(int index) const override { return index == 3 && plan_.problem.has_residual; }

  void Run(const KernelArgs& args) const override {
    const ConvProblem& p = plan_.problem;
    auto* memory = reinterpret_cast<float*>(args.workspace.data());
    WinogradOperands operands{};
    operands.x = args.inputs[0].As<float>();
    operands.weights = packed_->As<float>();
    operands.bias = p.has_bias ? args.inputs[2].As<float>() : nullptr;
    operands.residual = p.has_residual ? args.inputs[3].As<float>() : nullptr;
    operands.y = args.outputs[0].As<float>();
    operands.transformed_in = memory;
    operands.transformed_out = memory + plan_.Products() * plan_.InProductElements();
    operands.scratch = operands.transformed_out + plan_.Products() * plan_.OutProductElements();
    operands.scratch_elements = ScratchElements();
    run_(plan_, operands, args.parallel);
  }

 private:
  int64_t ScratchElements() const {
    return RoundUp<int64_t>(plan_.PaddedRowElements() + plan_.StageElements(), kTensorAlignment);
  }

  WinogradPlan plan_;
  int max_workers_;
  void (*run_)(const WinogradPlan& plan, const WinogradOperands& operands, ParallelFor& parallel);
  PackedWeights packed_;
};

MadeKernel MakeWinograd(const ConvProblem& problem, int64_t tile, const MakeContext& context) {
  ChooseSimdTarget();
  const WinogradMicroTile micro = HWY_DYNAMIC_DISPATCH(MicroTile)();
  ERGO_ASSIGN_OR_RETURN(WinogradPlan plan,
                        WinogradPlan::Make(problem, tile, micro, context.max_workers));
  if (!context.even_if_slow) {
    ERGO_RETURN_IF_ERROR(CheckWinogradPays(tile, [&](int64_t other) -> Result<double> {
      ERGO_ASSIGN_OR_RETURN(const WinogradPlan rival,
                            WinogradPlan::Make(problem, other, micro, context.max_workers));
      return rival.RelativeCost();
    }));
  }
  return MadeKernel(std::make_unique<WinogradKernel>(std::move(plan), context));
}

}  // namespace

MadeKernel MakeConvWinograd2(const ConvProblem& problem, const MakeContext& context) {
  return MakeWinograd(problem, 2, context);
}
MadeKernel MakeConvWinograd4(const ConvProblem& problem, const MakeContext& context) {
  return MakeWinograd(problem, 4, context);
}
MadeKernel MakeConvWinograd6(const ConvProblem& problem, const MakeContext& context) {
  return MakeWinograd(problem, 6, context);
}

}  // namespace ergo
#endif  // HWY_ONCE
