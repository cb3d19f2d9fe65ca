// Quantized convolution by Highway, directly: a block of the input is laid out in fours of channels
// (kernels/qlinear/direct_qconv.h), and every vector of consecutive columns is multiplied from
// there by four weights of each of a few output channels, whose sums stay in registers over the
// whole depth. They go through the epilogue while they are in the L1 cache.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/qlinear/qconv_direct.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include "kernels/base/checked_math.h"
#include "kernels/base/function_kernel.h"
#include "kernels/base/real_access.h"
#include "kernels/base/simd_targets.h"
#include "kernels/qgemm/dot4-inl.h"
#include "kernels/qgemm/vnni.h"
#include "kernels/qlinear/direct_qconv.h"
#include "kernels/qlinear/epilogue-inl.h"
#include "kernels/qlinear/fours-inl.h"
#include "kernels/qlinear/qlinear.h"

#ifndef ERGO_KERNELS_QLINEAR_QCONV_DIRECT_CC_ONCE_
#define ERGO_KERNELS_QLINEAR_QCONV_DIRECT_CC_ONCE_
namespace ergo {
namespace {

constexpr uint8_t kFlip = 0x80;  // signed bytes as unsigned ones, plus 128

size_t Size(int64_t value) {
  return static_cast<size_t>(value);
}

}  // namespace
}  // namespace ergo
#endif

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

void RunPlain(const DirectQConv&, const KernelArgs&) {}
void RunVnni(const DirectQConv&, const KernelArgs&) {}
size_t PreparePlain(DirectQConv&, const MakeContext&) {
  return 0;
}
size_t PrepareVnni(DirectQConv&, const MakeContext&) {
  return 0;
}

#else

// Registers: the sums, the columns, weights, and what the plain product takes besides.
#if HWY_TARGET == HWY_AVX3
constexpr size_t kTileChannels = 8;
constexpr size_t kTileVectors = 3;
#else
constexpr size_t kTileChannels = 4;
constexpr size_t kTileVectors = 2;
#endif

constexpr size_t kPointwiseRow = 48;  // positions that are called a row
constexpr size_t kPointwiseBlockBytes = 32 << 10;
constexpr size_t kBlockBytes = 128 << 10;  // of input, if it is more than one row
constexpr size_t kEpiloguePositions = 512;

struct DirectTile {
  const uint8_t* columns = nullptr;  // step 0 of the first output position
  const int32_t* offsets = nullptr;  // of each step
  size_t steps = 0;
  const std::byte* weights = nullptr;
  const int32_t* start = nullptr;  // one a channel
  int32_t* sums = nullptr;
  size_t sum_stride = 0;  // from channel to channel
};

template <class Dot, size_t kChannels, size_t kVectors>
void RunTile(const DirectTile& tile) {
  const DotTag d;
  typename Dot::Sums sums[kChannels][kVectors];
  HWY_UNROLL(8)
  for (size_t c = 0; c < kChannels; ++c) {
    HWY_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v) sums[c][v] = Dot::Start(hn::Set(d, tile.start[c]));
  }
  const std::byte* HWY_RESTRICT weights = tile.weights;
  for (size_t step = 0; step < tile.steps; ++step) {
    const auto* columns = reinterpret_cast<const int32_t*>(tile.columns + tile.offsets[step]);
    typename Dot::Bytes bytes[kVectors];
    HWY_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v) {
      bytes[v] = Dot::Take(hn::LoadU(d, columns + v * kDotLanes));
    }
    HWY_UNROLL(8)
    for (size_t c = 0; c < kChannels; ++c, weights += Dot::kWeightBytes) {
      const auto four = Dot::Broadcast(weights);
      HWY_UNROLL(8)
      for (size_t v = 0; v < kVectors; ++v) Dot::MulAdd(bytes[v], four, sums[c][v]);
    }
  }
  HWY_UNROLL(8)
  for (size_t c = 0; c < kChannels; ++c) {
    HWY_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(Dot::Total(sums[c][v]), d, tile.sums + c * tile.sum_stride + v * kDotLanes);
    }
  }
}

using TileFunction = void (*)(const DirectTile& tile);

template <class Dot, size_t... kIndex>
constexpr std::array<TileFunction, sizeof...(kIndex)> TileFunctions(
    std::index_sequence<kIndex...>) {
  return {&RunTile<Dot, kIndex / kTileVectors + 1, kIndex % kTileVectors + 1>...};
}

template <class Dot>
TileFunction FindTile(size_t channels, size_t vectors) {
  static constexpr auto kTiles =
      TileFunctions<Dot>(std::make_index_sequence<kTileChannels * kTileVectors>());
  return kTiles[(channels - 1) * kTileVectors + vectors - 1];
}

// Channels of a group go in tiles of about equal size.
size_t TileCount(const DirectQConv& conv) {
  return CeilDiv(conv.group_out, kTileChannels);
}
size_t TileBegin(const DirectQConv& conv, size_t tile) {
  return conv.group_out * tile / TileCount(conv);
}

template <class Dot>
size_t WeightBytes(const DirectQConv& conv) {
  return RoundUp(Size(conv.problem.out_channels) * conv.steps * Dot::kWeightBytes,
                 size_t{kTensorAlignment});
}

// One task on one worker.
template <class Dot>
class DirectTask {
 public:
  DirectTask(const DirectQConv& conv, const KernelArgs& args, const RowEpilogue& epilogue,
             const int32_t* starts, std::byte* scratch)
      : conv_(conv),
        problem_(conv.problem),
        args_(args),
        epilogue_(epilogue),
        starts_(starts),
        input_(reinterpret_cast<uint8_t*>(scratch)),
        sums_(reinterpret_cast<int32_t*>(scratch + conv.input_bytes)),
        row_(reinterpret_cast<int32_t*>(scratch + conv.input_bytes + conv.sum_bytes)) {}

  void Run(int64_t index) {
    size_t rest = Size(index);
    const size_t channel_block = rest % conv_.channel_blocks;
    rest /= conv_.channel_blocks;
    const size_t block = rest % conv_.row_blocks;
    rest /= conv_.row_blocks;
    group_ = rest % Size(problem_.groups);
    image_ = rest / Size(problem_.groups);
    const size_t begin = block * conv_.block_rows;
    const size_t end = std::min(begin + conv_.block_rows, conv_.rows);
    FillInput(begin, end);
    const size_t tiles = TileCount(conv_);
    const size_t last = tiles * (channel_block + 1) / conv_.channel_blocks;
    for (size_t t = tiles * channel_block / conv_.channel_blocks; t < last; ++t) {
      for (size_t row = begin; row < end; row += conv_.epilogue_rows) {
        RunRows(t, row - begin, row, std::min(row + conv_.epilogue_rows, end));
      }
    }
  }

 private:
  // Output positions of rows [begin, end) that are computed, and those that there are.
  size_t Lanes(size_t begin, size_t end) const {
    return conv_.pointwise ? Positions(begin, end) : (end - begin - 1) * conv_.pitch + conv_.width;
  }
  size_t Positions(size_t begin, size_t end) const {
    return std::min(end * conv_.width, Plane()) - begin * conv_.width;
  }
  size_t Plane() const { return Size(problem_.window.OutElements()); }

  void FillInput(size_t begin, size_t end) {
    const size_t plane = Size(problem_.window.InElements());
    const auto* x = static_cast<const uint8_t*>(args_.inputs[0].data);
    const bool is_signed = problem_.x_dtype == DType::kI8;
    const auto zero_x =
        static_cast<uint8_t>(static_cast<int32_t>(QNumber(QOperand(args_, 2), 0, 0)));
    const uint8_t flip = is_signed ? kFlip : uint8_t{0};
    const FourWriter writer(conv_, flip, zero_x ^ flip,
                            x + Size(problem_.batch * problem_.in_channels) * plane);
    const uint8_t* group =
        x + (image_ * Size(problem_.in_channels) + group_ * conv_.group_in) * plane;
    for (size_t four = 0; four < conv_.fours; ++four) {
      FourWriter::Channels planes;
      // Channels that are missing have weights of 0.
      for (size_t c = 0; c < 4; ++c) {
        planes[c] = group + std::min(4 * four + c, conv_.group_in - 1) * plane;
      }
      uint8_t* to = input_ + four * conv_.four_bytes;
      if (conv_.pointwise) {
        for (const uint8_t*& channel : planes) channel += begin * conv_.width;
        writer.Interleave(planes, Positions(begin, end), to);
      } else {
        writer.FillRows(planes, begin, end - begin, to);
      }
    }
  }

  // One tile of channels at output rows [begin, end), which begin `row` rows behind the block's.
  void RunRows(size_t t, size_t row, size_t begin, size_t end) {
    const size_t first = TileBegin(conv_, t);
    const size_t channels = TileBegin(conv_, t + 1) - first;
    const size_t channel = group_ * conv_.group_out + first;
    const size_t vectors = CeilDiv(Lanes(begin, end), kDotLanes);
    const size_t tiles = CeilDiv(vectors, kTileVectors);
    DirectTile tile;
    tile.offsets = conv_.offsets.data();
    tile.steps = conv_.steps;
    tile.weights = conv_.packed->As<std::byte>() + channel * conv_.steps * Dot::kWeightBytes;
    tile.start = starts_ + channel;
    tile.sum_stride = vectors * kDotLanes;
    for (size_t i = 0; i < tiles; ++i) {
      const size_t vector = vectors * i / tiles;
      tile.columns = input_ + 4 * (row * conv_.pitch + vector * kDotLanes);
      tile.sums = sums_ + vector * kDotLanes;
      FindTile<Dot>(channels, vectors * (i + 1) / tiles - vector)(tile);
    }
    for (size_t c = 0; c < channels; ++c) {
      Finish(channel + c, sums_ + c * tile.sum_stride, begin, end);
    }
  }

  void Finish(size_t channel, const int32_t* sums, size_t begin, size_t end) {
    if (!conv_.pointwise && conv_.pitch != conv_.width) {
      DropLanes(sums, conv_.pitch, conv_.width, end - begin, row_);
      sums = row_;
    }
    const size_t at =
        (image_ * Size(problem_.out_channels) + channel) * Plane() + begin * conv_.width;
    const auto element = [at](const auto& view) { return at * Size(DTypeBits(view.dtype) / 8); };
    const MutableTensorView& y = args_.outputs[0];
    EpilogueRow out{sums, Positions(begin, end), channel, nullptr,
                    static_cast<std::byte*>(y.data) + element(y)};
    if (problem_.epilogue.residual != DType::kUndefined) {
      const TensorView& z = args_.inputs[kQResidual];
      out.residual = static_cast<const std::byte*>(z.data) + element(z);
    }
    epilogue_.Run<EpilogueForm::kPerRow>(out);
  }

  const DirectQConv& conv_;
  const QConvProblem& problem_;
  const KernelArgs& args_;
  const RowEpilogue& epilogue_;
  const int32_t* const starts_;
  uint8_t* const input_;
  int32_t* const sums_;
  int32_t* const row_;
  size_t group_ = 0, image_ = 0;
};

template <class Dot>
void RunDirect(const DirectQConv& conv, const KernelArgs& args) {
  const QConvProblem& p = conv.problem;
  const EpilogueScalars scalars = EpilogueScalars::Read(p.epilogue, args);
  std::byte* memory = args.workspace.data();
  const EpilogueChannels channels =
      EpilogueChannels::Fill(p.epilogue, scalars, args, p.out_channels, memory);
  const RowEpilogue epilogue(p.epilogue, scalars, channels);
  // What the zero point adds to every sum of a channel is taken from the start.
  auto* starts = reinterpret_cast<int32_t*>(memory + EpilogueChannels::Bytes(p.out_channels));
  const auto* weight_sums =
      reinterpret_cast<const int32_t*>(conv.packed->As<std::byte>() + WeightBytes<Dot>(conv));
  const auto zero_x = static_cast<int32_t>(QNumber(QOperand(args, 2), 0, 0)) +
                      (p.x_dtype == DType::kI8 ? kFlip : 0);
  for (size_t c = 0; c < Size(p.out_channels); ++c) {
    starts[c] = static_cast<int32_t>(0u - static_cast<uint32_t>(zero_x) *
                                              static_cast<uint32_t>(weight_sums[c]));
  }
  const int64_t tasks =
      p.batch * p.groups * static_cast<int64_t>(conv.row_blocks * conv.channel_blocks);
  args.parallel.Run(tasks, [&](int64_t index, int worker) HWY_ATTR {
    std::byte* scratch = memory + conv.channel_bytes + Size(worker) * conv.ScratchBytes();
    DirectTask<Dot>(conv, args, epilogue, starts, scratch).Run(index);
  });
}

template <class Dot>
void PackDirect(const DirectQConv& conv, AlignedBuffer& packed) {
  const QConvProblem& p = conv.problem;
  const size_t taps = Size(p.window.KernelElements());
  auto* sums = reinterpret_cast<int32_t*>(packed.As<std::byte>() + WeightBytes<Dot>(conv));
  std::memset(packed.Data(), 0, packed.Size());
  const auto* bytes = static_cast<const uint8_t*>(p.weights.data);
  const uint8_t sign = p.w_dtype == DType::kI8 ? kFlip : uint8_t{0};
  for (size_t channel = 0; channel < Size(p.out_channels); ++channel) {
    const auto zero = static_cast<int32_t>(QNumber(p.zero_w, static_cast<int64_t>(channel), 0));
    const size_t group = channel / conv.group_out, row = channel % conv.group_out;
    size_t t = row * TileCount(conv) / conv.group_out;
    while (row >= TileBegin(conv, t + 1)) ++t;
    const size_t first = TileBegin(conv, t), channels = TileBegin(conv, t + 1) - first;
    std::byte* tile =
        packed.As<std::byte>() + (group * conv.group_out + first) * conv.steps * Dot::kWeightBytes;
    for (size_t step = 0; step < conv.steps; ++step) {
      int32_t four[4] = {};
      for (size_t c = 0; c < 4; ++c) {
        const size_t in = step / taps * 4 + c;
        if (in >= conv.group_in) continue;
        const uint8_t w = bytes[(channel * conv.group_in + in) * taps + step % taps];
        four[c] = (w ^ sign) - sign - zero;
        sums[channel] += four[c];
      }
      Dot::PackWeights(four, tile + (step * channels + row - first) * Dot::kWeightBytes);
    }
  }
}

// Numbers the phases that taps look at, and returns how many these are.
size_t KeepPhases(const std::vector<size_t>& taps, size_t stride, std::vector<int>& phases) {
  phases.assign(stride, -1);
  int kept = 0;
  for (const size_t tap : taps) {
    if (phases[tap % stride] < 0) phases[tap % stride] = kept++;
  }
  return static_cast<size_t>(kept);
}

// How the rows and columns of a window lie. Needs block_rows.
void LayOutWindow(DirectQConv& conv) {
  const Window& w = conv.problem.window;
  const size_t stride = Size(w.strides[2]), row_stride = Size(w.strides[1]);
  const auto reach = [&w](size_t axis) {
    return Size((w.kernel[axis] - 1) * w.dilations[axis] / w.strides[axis]);
  };
  conv.width = Size(w.out[2]);
  conv.rows = Size(w.out[1]);
  conv.pad = Size(w.pads_begin[2]);
  conv.shared_pad = stride == 1 ? conv.pad : 0;
  conv.pitch = conv.width + reach(2) - std::min(reach(2), conv.shared_pad);
  if (stride == 1) {
    const size_t seen = conv.width + reach(2) - std::min(conv.pad, conv.width + reach(2));
    conv.pitch = std::max(conv.pitch, conv.pad + std::min(Size(w.in[2]), seen));
  }
  conv.phase_rows = conv.block_rows + reach(1);
  conv.phase_columns = conv.phase_rows * conv.pitch + conv.shared_pad + kFourSlack;
  const auto taps_of = [&w](size_t axis) {
    std::vector<size_t> taps;
    for (int64_t k = 0; k < w.kernel[axis]; ++k) taps.push_back(Size(k * w.dilations[axis]));
    return taps;
  };
  const std::vector<size_t> rows = taps_of(1), columns = taps_of(2);
  const size_t row_phases = KeepPhases(rows, row_stride, conv.row_phases);
  conv.column_phases_kept = KeepPhases(columns, stride, conv.column_phases);
  // Odd in cache lines, so that fours do not fall on each other in the cache.
  conv.four_bytes = (CeilDiv(4 * conv.phase_columns * row_phases * conv.column_phases_kept,
                             size_t{kTensorAlignment}) |
                     1) *
                    kTensorAlignment;
  std::vector<size_t> taps;
  for (const size_t row : rows) {
    for (const size_t column : columns) {
      const size_t phase = Size(conv.row_phases[row % row_stride]) * conv.column_phases_kept +
                           Size(conv.column_phases[column % stride]);
      taps.push_back(
          4 * (phase * conv.phase_columns + row / row_stride * conv.pitch + column / stride));
    }
  }
  conv.offsets.clear();
  for (size_t four = 0; four < conv.fours; ++four) {
    for (const size_t tap : taps) {
      conv.offsets.push_back(static_cast<int32_t>(four * conv.four_bytes + tap));
    }
  }
}

void LayOutPositions(DirectQConv& conv) {
  const size_t plane = Size(conv.problem.window.OutElements());
  conv.width = conv.pitch = kPointwiseRow;
  conv.rows = CeilDiv(plane, kPointwiseRow);
  conv.phase_columns = conv.block_rows * conv.width + kFourSlack;
  conv.four_bytes =
      (RoundUp(4 * conv.phase_columns, size_t{kTensorAlignment}) / kTensorAlignment | 1) *
      kTensorAlignment;
  conv.offsets.clear();
  for (size_t four = 0; four < conv.fours; ++four) {
    conv.offsets.push_back(static_cast<int32_t>(four * conv.four_bytes));
  }
}

void LayOut(DirectQConv& conv) {
  if (conv.pointwise) {
    LayOutPositions(conv);
  } else {
    LayOutWindow(conv);
  }
}

// As many rows in a task as the caches hold, and as many tasks as keep the workers busy.
void CutWork(DirectQConv& conv, size_t workers) {
  LayOut(conv);
  const size_t planes = Size(conv.problem.batch * conv.problem.groups);
  const size_t wanted = workers == 1 ? 1 : 4 * workers;
  const size_t most_bytes = conv.pointwise ? kPointwiseBlockBytes : kBlockBytes;
  const size_t most_rows = std::max(planes * conv.rows / wanted, size_t{1});
  while (conv.block_rows < std::min(conv.rows, most_rows)) {
    DirectQConv larger = conv;
    ++larger.block_rows;
    LayOut(larger);
    if (larger.fours * larger.four_bytes > most_bytes) break;
    conv = std::move(larger);
  }
  conv.row_blocks = CeilDiv(conv.rows, conv.block_rows);
  conv.block_rows = CeilDiv(conv.rows, conv.row_blocks);
  conv.row_blocks = CeilDiv(conv.rows, conv.block_rows);
  LayOut(conv);
  conv.channel_blocks = std::clamp(wanted / (planes * conv.row_blocks), size_t{1}, TileCount(conv));
  conv.epilogue_rows = std::clamp(kEpiloguePositions / conv.pitch, size_t{1}, conv.block_rows);
}

template <class Dot>
size_t PrepareDirect(DirectQConv& conv, const MakeContext& context, const char* name) {
  const QConvProblem& p = conv.problem;
  CutWork(conv, Size(context.max_workers));
  const auto aligned = [](size_t bytes) { return RoundUp(bytes, size_t{kTensorAlignment}); };
  // Loads begin at lanes that there are, and stores of the epilogue's rows, too.
  const size_t slack = kTileVectors * kDotLanes;
  const size_t sums = RoundUp(conv.epilogue_rows * conv.pitch, kDotLanes) + kDotLanes;
  conv.input_bytes = aligned(conv.fours * conv.four_bytes + 4 * slack);
  conv.sum_bytes = aligned(kTileChannels * sums * sizeof(int32_t));
  conv.row_bytes = aligned((conv.epilogue_rows * conv.width + 2 * kDotLanes) * sizeof(int32_t));
  conv.channel_bytes =
      EpilogueChannels::Bytes(p.out_channels) + aligned(Size(p.out_channels) * sizeof(int32_t));
  uint64_t zeros = 0;
  for (int64_t i = 0; i < p.zero_w.Elements(); ++i) {
    zeros = zeros * 1099511628211u + static_cast<uint64_t>(ReadReal(p.zero_w, i) + 128);
  }
  conv.packed = PackWeights(
      context.packs, p.weights.data,
      fmt::format("qconv_{}/{}/{}/g{}m{}k{}t{}/z{}_{}", name, hwy::TargetName(HWY_TARGET),
                  DTypeName(p.w_dtype), p.groups, p.out_channels, conv.group_in,
                  p.window.KernelElements(), p.zero_w.Elements(), zeros),
      WeightBytes<Dot>(conv) + Size(p.out_channels) * sizeof(int32_t),
      [&](AlignedBuffer& packed) { PackDirect<Dot>(conv, packed); });
  return conv.channel_bytes + Size(context.max_workers) * conv.ScratchBytes();
}

void RunPlain(const DirectQConv& conv, const KernelArgs& args) {
  RunDirect<PlainDot>(conv, args);
}
void RunVnni(const DirectQConv& conv, const KernelArgs& args) {
  RunDirect<VnniDot>(conv, args);
}
size_t PreparePlain(DirectQConv& conv, const MakeContext& context) {
  return PrepareDirect<PlainDot>(conv, context, "direct");
}
size_t PrepareVnni(DirectQConv& conv, const MakeContext& context) {
  return PrepareDirect<VnniDot>(conv, context, "vnni");
}

#endif  // HWY_TARGET == HWY_SCALAR

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(RunPlain);
HWY_EXPORT(RunVnni);
HWY_EXPORT(PreparePlain);
HWY_EXPORT(PrepareVnni);

constexpr int64_t kMostPadding = 1 << 12;

Result<DirectQConv> Describe(const QConvProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckWindow(problem.window));
  ERGO_RETURN_IF_ERROR(CheckEpilogue(problem.epilogue));
  const Window& window = problem.window;
  if (!problem.weights.Present() || !problem.zero_w.Present()) {
    return Unsupported("weights or their zero points are known only when it runs");
  }
  if (problem.batch == 0 || problem.out_channels == 0 || problem.in_channels == 0 ||
      window.OutElements() == 0 || window.KernelElements() == 0 || window.InElements() == 0) {
    return Unsupported("nothing to compute");
  }
  if (window.in[0] != 1 || window.kernel[0] != 1 || window.out[0] != 1 ||
      window.pads_begin[0] != 0) {
    return Unsupported("three dimensions");
  }
  // What lies between taps is kept in memory, too.
  for (size_t axis = 1; axis < kSpatialAxes; ++axis) {
    if (window.Extent(axis) + window.pads_begin[axis] + window.strides[axis] > kMostPadding) {
      return Unsupported("windows as large as {}", window.ToString());
    }
  }
  DirectQConv conv;
  conv.problem = problem;
  conv.pointwise = window.IsPointwise();
  conv.group_in = Size(problem.in_channels / problem.groups);
  conv.group_out = Size(problem.out_channels / problem.groups);
  if (!context.even_if_slow && (conv.group_in < 3 || conv.group_out < 2)) {
    return Unsupported("{} input and {} output channels a group leave most of four products empty",
                       conv.group_in, conv.group_out);
  }
  conv.fours = CeilDiv(conv.group_in, size_t{4});
  conv.steps = conv.fours * Size(window.KernelElements());
  ChooseSimdTarget();
  if (ActiveSimdTarget().bit == HWY_SCALAR) return Unsupported("no vectors");
  return conv;
}

}  // namespace

MadeKernel MakeQConvVnni(const QConvProblem& problem, const MakeContext& context) {
  ERGO_ASSIGN_OR_RETURN(DirectQConv conv, Describe(problem, context));
  if (!VnniInForce()) return Unsupported("no AVX-512 VNNI");
  if (!WeightsFitBytes(problem)) return Unsupported("weights less their zero points take 9 bits");
  const size_t workspace_bytes = HWY_DYNAMIC_DISPATCH(PrepareVnni)(conv, context);
  return MakeFunctionKernel([conv = std::move(conv), run = &HWY_DYNAMIC_DISPATCH(RunVnni)](
                                const KernelArgs& args) { run(conv, args); },
                            workspace_bytes);
}

MadeKernel MakeQConvDirect(const QConvProblem& problem, const MakeContext& context) {
  ERGO_ASSIGN_OR_RETURN(DirectQConv conv, Describe(problem, context));
  const size_t workspace_bytes = HWY_DYNAMIC_DISPATCH(PreparePlain)(conv, context);
  return MakeFunctionKernel([conv = std::move(conv), run = &HWY_DYNAMIC_DISPATCH(RunPlain)](
                                const KernelArgs& args) { run(conv, args); },
                            workspace_bytes);
}

}  // namespace ergo
#endif  // HWY_ONCE
