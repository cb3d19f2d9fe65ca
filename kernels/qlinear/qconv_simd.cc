// Quantized convolution by Highway, as a matrix product: rows are output channels, columns output
// positions, the depth input channels times taps. What a block of positions looks at is copied into
// panels (of the form that kernels/qgemm/qgemm_tile-inl.h wants of its B), padding as zero_x;
// weights, less their zero points, are packed as 16-bit rows. Sums go through the epilogue while
// they are in the cache.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/qlinear/qconv_simd.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "kernels/base/checked_math.h"
#include "kernels/base/function_kernel.h"
#include "kernels/base/real_access.h"
#include "kernels/base/simd_targets.h"
#include "kernels/qgemm/qgemm_tile-inl.h"
#include "kernels/qlinear/epilogue-inl.h"
#include "kernels/qlinear/qlinear.h"

#ifndef ERGO_KERNELS_QLINEAR_QCONV_SIMD_CC_ONCE_
#define ERGO_KERNELS_QLINEAR_QCONV_SIMD_CC_ONCE_
namespace ergo {
namespace {

constexpr uint8_t kFlip = 0x80;  // unsigned bytes as signed ones, less 128

// What a made kernel knows; the same for all targets.
struct SimdQConv {
  QConvProblem problem;
  PackedWeights packed;
  size_t depth = 0, group_rows = 0, depth_blocks = 0;
  size_t task_panels = 1;      // panels of positions of a task, at most
  size_t position_blocks = 1;  // of so many panels, in one image
  size_t row_blocks = 1;       // ranges of output channels of a group
  size_t scratch_bytes = 0;    // of one worker
  size_t channel_bytes = 0;
};

// Output positions of a task that follow each other in a row of the output.
struct PositionRun {
  int64_t depth, row, column;
  size_t lane, count;
};

}  // namespace
}  // namespace ergo
#endif

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

constexpr size_t kPanelsBytes = 96 << 10;  // of a task, if more than one panel
constexpr size_t kMaxTaskPanels = 32;
constexpr size_t kPairs = kQBlockDepth / 2;

size_t Size(int64_t value) {
  return static_cast<size_t>(value);
}

size_t PanelBytes(const SimdQConv& conv) {
  return RoundUp(conv.depth, size_t{2}) * kQPanelWidth;
}

// Row sums of packed weights stand behind the rows: [group][block][row] each.
size_t PackedRows(const SimdQConv& conv) {
  return Size(conv.problem.groups) * conv.depth_blocks * conv.group_rows;
}
size_t PackedBytes(const SimdQConv& conv) {
  return PackedRows(conv) * (kQRowStride * sizeof(int16_t) + sizeof(int32_t));
}

void PackWeightRows(const SimdQConv& conv, AlignedBuffer& packed) {
  const QConvProblem& p = conv.problem;
  const auto* weights = static_cast<const uint8_t*>(p.weights.data);
  const uint8_t sign = p.w_dtype == DType::kI8 ? kFlip : uint8_t{0};
  auto* rows = packed.As<int16_t>();
  auto* sums = reinterpret_cast<int32_t*>(rows + PackedRows(conv) * kQRowStride);
  std::memset(packed.Data(), 0, packed.Size());
  for (size_t channel = 0; channel < Size(p.out_channels); ++channel) {
    const auto zero = static_cast<int32_t>(QNumber(p.zero_w, static_cast<int64_t>(channel), 0));
    const size_t group = channel / conv.group_rows, row = channel % conv.group_rows;
    for (size_t k = 0; k < conv.depth; ++k) {
      const size_t at = (group * conv.depth_blocks + k / kQBlockDepth) * conv.group_rows + row;
      const int32_t value = (weights[channel * conv.depth + k] ^ sign) - sign - zero;
      rows[at * kQRowStride + k % kQBlockDepth] = static_cast<int16_t>(value);
      sums[at] += value;
    }
  }
}

template <typename Void>
Void* ElementAt(const BasicTensorView<Void>& view, size_t element) {
  using Byte = std::conditional_t<std::is_const_v<Void>, const std::byte, std::byte>;
  return static_cast<Byte*>(view.data) + element * Size(DTypeBits(view.dtype) / 8);
}

// One task on one worker.
class QConvTask {
 public:
  QConvTask(const SimdQConv& conv, const KernelArgs& args, const RowEpilogue& epilogue,
            std::byte* scratch)
      : conv_(conv),
        problem_(conv.problem),
        window_(conv.problem.window),
        args_(args),
        epilogue_(epilogue),
        plane_(Size(window_.OutElements())),
        flip_(problem_.x_dtype == DType::kU8 ? kFlip : uint8_t{0}) {
    panels_ = reinterpret_cast<int8_t*>(scratch);
    const size_t columns = conv.task_panels * kQPanelWidth;
    for (uint8_t*& tap : taps_) tap = Take<uint8_t>(scratch, columns);
    runs_ = Take<PositionRun>(scratch, columns);
    zero_x_ = static_cast<uint8_t>(static_cast<int32_t>(QNumber(QOperand(args, 2), 0, 0)));
    const int32_t zero = problem_.x_dtype == DType::kU8 ? int32_t{zero_x_} - kFlip
                                                        : int32_t{static_cast<int8_t>(zero_x_)};
    std::fill_n(zero_columns_, kQPanelWidth, zero);
  }

  void Run(int64_t index) {
    size_t rest = Size(index);
    const size_t row_block = rest % conv_.row_blocks;
    rest /= conv_.row_blocks;
    const size_t block = rest % conv_.position_blocks;
    rest /= conv_.position_blocks;
    group_ = rest % Size(problem_.groups);
    image_ = rest / Size(problem_.groups);
    const size_t width = conv_.task_panels * kQPanelWidth;
    first_ = block * width;
    count_ = std::min(width, plane_ - first_);
    FindRuns();
    FillPanels();
    const size_t begin = conv_.group_rows * row_block / conv_.row_blocks;
    const size_t end = conv_.group_rows * (row_block + 1) / conv_.row_blocks;
    const size_t tiles = CeilDiv(end - begin, kQTileRows);
    for (size_t t = 0; t < tiles; ++t) {
      RunRows(begin + (end - begin) * t / tiles, begin + (end - begin) * (t + 1) / tiles);
    }
  }

  static size_t ScratchBytes(const SimdQConv& conv) {
    const size_t columns = conv.task_panels * kQPanelWidth;
    return conv.task_panels * PanelBytes(conv) + kTensorAlignment +
           2 * (columns + kTensorAlignment) + columns * sizeof(PositionRun) + kTensorAlignment;
  }

 private:
  // Memory behind what was taken before; the panels come first.
  template <typename T>
  T* Take(std::byte* scratch, size_t count) {
    if (taken_ == 0) {
      taken_ = RoundUp(conv_.task_panels * PanelBytes(conv_), size_t{kTensorAlignment});
    }
    T* memory = reinterpret_cast<T*>(scratch + taken_);
    taken_ = RoundUp(taken_ + count * sizeof(T), size_t{kTensorAlignment});
    return memory;
  }

  void FindRuns() {
    run_count_ = 0;
    const size_t width = Size(window_.out[2]), height = Size(window_.out[1]);
    for (size_t lane = 0; lane < count_;) {
      const size_t position = first_ + lane;
      const size_t column = position % width, row = position / width;
      const size_t count = std::min(count_ - lane, width - column);
      runs_[run_count_++] = {static_cast<int64_t>(row / height), static_cast<int64_t>(row % height),
                             static_cast<int64_t>(column), lane, count};
      lane += count;
    }
  }

  void FillPanels() {
    const size_t width = RoundUp(count_, kQPanelWidth);
    for (uint8_t* tap : taps_) std::memset(tap + count_, zero_x_, width - count_);
    for (size_t k = 0; k < conv_.depth; k += 2) {
      const uint8_t* first = TapRow(k, width, taps_[0]);
      const uint8_t* second = k + 1 < conv_.depth ? TapRow(k + 1, width, taps_[1]) : first;
      for (size_t column = 0; column < width; column += kQPanelWidth) {
        int8_t* panel = panels_ + column / kQPanelWidth * PanelBytes(conv_);
        Interleave(first + column, second + column, panel + k * kQPanelWidth);
      }
    }
  }

  // What the positions of the task see at step k of the depth: `width` bytes, in `memory` unless
  // they stand together in x.
  const uint8_t* TapRow(size_t k, size_t width, uint8_t* memory) {
    const size_t taps = Size(window_.KernelElements());
    const size_t channel = group_ * Size(problem_.in_channels / problem_.groups) + k / taps;
    const size_t in_plane = Size(window_.InElements());
    const uint8_t* x = static_cast<const uint8_t*>(args_.inputs[0].data) +
                       (image_ * Size(problem_.in_channels) + channel) * in_plane;
    if (window_.IsPointwise() && first_ + width <= in_plane) return x + first_;
    const auto tap = static_cast<int64_t>(k % taps);
    const int64_t kernel_column = tap % window_.kernel[2];
    const int64_t kernel_row = tap / window_.kernel[2] % window_.kernel[1];
    const int64_t kernel_depth = tap / window_.kernel[2] / window_.kernel[1];
    for (size_t r = 0; r < run_count_; ++r) {
      const PositionRun& run = runs_[r];
      const int64_t depth = window_.Start(0, run.depth) + kernel_depth * window_.dilations[0];
      const int64_t row = window_.Start(1, run.row) + kernel_row * window_.dilations[1];
      const int64_t column = window_.Start(2, run.column) + kernel_column * window_.dilations[2];
      uint8_t* to = memory + run.lane;
      if (depth < 0 || depth >= window_.in[0] || row < 0 || row >= window_.in[1]) {
        std::memset(to, zero_x_, run.count);
      } else {
        CopyRow(x + (depth * window_.in[1] + row) * window_.in[2], column, run.count, to);
      }
    }
    return memory;
  }

  // Every stride-th byte of an input row from `column` on, which may lie outside.
  void CopyRow(const uint8_t* row, int64_t column, size_t count, uint8_t* to) const {
    const int64_t stride = window_.strides[2], in = window_.in[2];
    const auto wanted = static_cast<int64_t>(count);
    const int64_t begin =
        std::clamp<int64_t>(CeilDiv(std::max<int64_t>(-column, 0), stride), 0, wanted);
    const int64_t end =
        std::clamp<int64_t>(CeilDiv(std::max<int64_t>(in - column, 0), stride), begin, wanted);
    if (begin > 0) std::memset(to, zero_x_, Size(begin));
    if (stride == 1) {
      std::memcpy(to + begin, row + column + begin, Size(end - begin));
    } else {
      for (int64_t i = begin; i < end; ++i) to[i] = row[column + i * stride];
    }
    if (end < wanted) std::memset(to + end, zero_x_, Size(wanted - end));
  }

  void Interleave(const uint8_t* first, const uint8_t* second, int8_t* to) const {
#if HWY_TARGET == HWY_SCALAR
    for (size_t c = 0; c < kQPanelWidth; ++c) {
      to[2 * c] = static_cast<int8_t>(first[c] ^ flip_);
      to[2 * c + 1] = static_cast<int8_t>(second[c] ^ flip_);
    }
#else
    const hn::CappedTag<uint8_t, kQPanelWidth> d;
    const auto flip = hn::Set(d, flip_);
    auto* bytes = reinterpret_cast<uint8_t*>(to);
    for (size_t c = 0; c < kQPanelWidth; c += hn::Lanes(d)) {
      hn::StoreInterleaved2(hn::Xor(hn::LoadU(d, first + c), flip),
                            hn::Xor(hn::LoadU(d, second + c), flip), d, bytes + 2 * c);
    }
#endif
  }

  // Output channels [begin, end) of the group, at most a tile, at every position of the task.
  void RunRows(size_t begin, size_t end) {
    const size_t rows = end - begin;
    const auto* weights = conv_.packed->As<int16_t>();
    const auto* sums = reinterpret_cast<const int32_t*>(weights + PackedRows(conv_) * kQRowStride);
    HWY_ALIGN int32_t results[kQTileRows * kQPanelWidth];
    for (size_t column = 0; column < count_; column += kQPanelWidth) {
      const size_t columns = std::min(kQPanelWidth, count_ - column);
      const int8_t* panel = panels_ + column / kQPanelWidth * PanelBytes(conv_);
      QTile tile;
      tile.d = results;
      tile.d_stride = kQPanelWidth;
      tile.zero_columns = zero_columns_[0] == 0 ? nullptr : zero_columns_;
      for (size_t block = 0; block < conv_.depth_blocks; ++block) {
        const size_t at = (group_ * conv_.depth_blocks + block) * conv_.group_rows + begin;
        tile.a = weights + at * kQRowStride;
        tile.row_sums = sums + at;
        tile.b = panel + block * kPairs * 2 * kQPanelWidth;
        tile.pairs = CeilDiv(std::min(conv_.depth - block * kQBlockDepth, kQBlockDepth), size_t{2});
        tile.accumulate = block > 0;
        GetQTile(rows, columns <= kQLanes ? 1 : kQTileVectors)(tile);
      }
      for (size_t i = 0; i < rows; ++i) {
        FinishRow(begin + i, column, columns, results + i * kQPanelWidth);
      }
    }
  }

  void FinishRow(size_t row, size_t column, size_t columns, const int32_t* sums) const {
    const size_t channel = group_ * conv_.group_rows + row;
    const size_t at = (image_ * Size(problem_.out_channels) + channel) * plane_ + first_ + column;
    EpilogueRow out{sums, columns, channel, nullptr, ElementAt(args_.outputs[0], at)};
    if (problem_.epilogue.residual != DType::kUndefined) {
      out.residual = ElementAt(args_.inputs[kQResidual], at);
    }
    epilogue_.Run<EpilogueForm::kPerRow>(out);
  }

  const SimdQConv& conv_;
  const QConvProblem& problem_;
  const Window& window_;
  const KernelArgs& args_;
  const RowEpilogue& epilogue_;
  const size_t plane_;
  const uint8_t flip_;
  size_t taken_ = 0;
  int8_t* panels_ = nullptr;
  uint8_t* taps_[2] = {};
  PositionRun* runs_ = nullptr;
  size_t run_count_ = 0;
  uint8_t zero_x_ = 0;
  size_t group_ = 0, image_ = 0, first_ = 0, count_ = 0;
  int32_t zero_columns_[kQPanelWidth];
};

void RunQConv(const SimdQConv& conv, const KernelArgs& args) {
  const QEpilogue& epilogue = conv.problem.epilogue;
  const EpilogueScalars scalars = EpilogueScalars::Read(epilogue, args);
  const EpilogueChannels channels = EpilogueChannels::Fill(
      epilogue, scalars, args, conv.problem.out_channels, args.workspace.data());
  const RowEpilogue rows(epilogue, scalars, channels);
  const int64_t tasks = conv.problem.batch * conv.problem.groups *
                        static_cast<int64_t>(conv.position_blocks * conv.row_blocks);
  args.parallel.Run(tasks, [&](int64_t index, int worker) HWY_ATTR {
    std::byte* scratch =
        args.workspace.data() + conv.channel_bytes + Size(worker) * conv.scratch_bytes;
    QConvTask(conv, args, rows, scratch).Run(index);
  });
}

// Cuts the work and packs the weights. Returns the workspace.
size_t PrepareQConv(SimdQConv& conv, const MakeContext& context) {
  const QConvProblem& p = conv.problem;
  const size_t workers = Size(context.max_workers);
  conv.depth = Size(p.in_channels / p.groups * p.window.KernelElements());
  conv.group_rows = Size(p.out_channels / p.groups);
  conv.depth_blocks = CeilDiv(conv.depth, kQBlockDepth);
  const size_t panels = CeilDiv(Size(p.window.OutElements()), kQPanelWidth);
  const size_t planes = Size(p.batch * p.groups);
  const size_t wanted = workers == 1 ? 1 : 4 * workers;
  conv.task_panels = std::clamp(kPanelsBytes / PanelBytes(conv), size_t{1}, kMaxTaskPanels);
  conv.task_panels = std::min(conv.task_panels, panels);
  if (planes > 0 && planes * CeilDiv(panels, conv.task_panels) < wanted) {
    conv.task_panels = std::max(panels * planes / wanted, size_t{1});
  }
  conv.position_blocks = CeilDiv(panels, conv.task_panels);
  const size_t tasks = std::max(planes * conv.position_blocks, size_t{1});
  conv.row_blocks = std::clamp(wanted / tasks, size_t{1}, CeilDiv(conv.group_rows, kQTileRows));
  conv.scratch_bytes = RoundUp(QConvTask::ScratchBytes(conv), size_t{kTensorAlignment});
  conv.channel_bytes = EpilogueChannels::Bytes(p.out_channels);
  uint64_t zeros = 0;
  for (int64_t i = 0; i < p.zero_w.Elements(); ++i) {
    zeros = zeros * 1099511628211u + static_cast<uint64_t>(ReadReal(p.zero_w, i) + 128);
  }
  conv.packed =
      PackWeights(context.packs, p.weights.data,
                  fmt::format("qconv_simd/{}/{}/g{}m{}k{}/z{}_{}", hwy::TargetName(HWY_TARGET),
                              DTypeName(p.w_dtype), p.groups, p.out_channels, conv.depth,
                              p.zero_w.Elements(), zeros),
                  PackedBytes(conv), [&](AlignedBuffer& packed) { PackWeightRows(conv, packed); });
  return conv.channel_bytes + workers * conv.scratch_bytes;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(RunQConv);
HWY_EXPORT(PrepareQConv);

}  // namespace

MadeKernel MakeQConvSimd(const QConvProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckWindow(problem.window));
  ERGO_RETURN_IF_ERROR(CheckEpilogue(problem.epilogue));
  if (!problem.weights.Present() || !problem.zero_w.Present()) {
    return Unsupported("weights or their zero points are known only when it runs");
  }
  if (problem.batch == 0 || problem.out_channels == 0 || problem.in_channels == 0 ||
      problem.window.OutElements() == 0 || problem.window.KernelElements() == 0) {
    return Unsupported("nothing to compute");
  }
  ChooseSimdTarget();
  SimdQConv conv;
  conv.problem = problem;
  const size_t workspace_bytes = HWY_DYNAMIC_DISPATCH(PrepareQConv)(conv, context);
  return MakeFunctionKernel([conv = std::move(conv), run = &HWY_DYNAMIC_DISPATCH(RunQConv)](
                                const KernelArgs& args) { run(conv, args); },
                            workspace_bytes);
}

}  // namespace ergo
#endif  // HWY_ONCE
