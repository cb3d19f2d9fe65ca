// Quantized depthwise convolution by Highway, in bytes: lane c of a vector gets the four bytes that
// output column c sees of an input row, which one product with four weights takes (dot4-inl.h).
// Each row of the input is spread out once for several rows of the output.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/qlinear/qconv_depthwise_dot.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "kernels/base/checked_math.h"
#include "kernels/base/function_kernel.h"
#include "kernels/base/parallel_ranges.h"
#include "kernels/base/real_access.h"
#include "kernels/base/simd_targets.h"
#include "kernels/qgemm/dot4-inl.h"
#include "kernels/qgemm/vnni.h"
#include "kernels/qlinear/epilogue-inl.h"
#include "kernels/qlinear/qlinear.h"

#ifndef ERGO_KERNELS_QLINEAR_QCONV_DEPTHWISE_DOT_CC_ONCE_
#define ERGO_KERNELS_QLINEAR_QCONV_DEPTHWISE_DOT_CC_ONCE_
namespace ergo {
namespace {

constexpr uint8_t kSignBit = 0x80;  // signed bytes as unsigned ones, plus 128
constexpr int64_t kGrainOutputs = 1 << 12;
constexpr int64_t kBlockOutputs = 1 << 12;
constexpr int64_t kPaddedSlack = 2 * kTensorAlignment;

// What a made kernel knows; the same for all targets.
struct DotDepthwise {
  QConvProblem problem;
  AlignedBuffer weights;  // [channel][kernel row][four columns]
  std::vector<int32_t> weight_sums;
  int64_t block_rows = 1;  // of the output, that the epilogue takes together
  int64_t row_blocks = 1;
  int64_t in_pitch = 0;   // bytes of a padded row
  int64_t out_pitch = 0;  // sums of a row
  size_t channel_bytes = 0, padded_bytes = 0, sum_bytes = 0, row_bytes = 0;

  int64_t InRows(int64_t rows) const {
    return (rows - 1) * problem.window.strides[1] + problem.window.kernel[1];
  }
  int64_t FoursOfRow() const { return CeilDiv(problem.window.kernel[2], int64_t{4}); }
  size_t ScratchBytes() const { return padded_bytes + sum_bytes + row_bytes; }
};

}  // namespace
}  // namespace ergo
#endif

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

void RunPlain(const DotDepthwise&, const KernelArgs&) {}
void RunVnni(const DotDepthwise&, const KernelArgs&) {}
size_t PreparePlain(DotDepthwise&, const MakeContext&) {
  return 0;
}
size_t PrepareVnni(DotDepthwise&, const MakeContext&) {
  return 0;
}

#else

constexpr int64_t kRowsTogether = 4;

struct DotRows {
  const uint8_t* in = nullptr;
  int64_t in_pitch = 0;
  const std::byte* weights = nullptr;
  int32_t start = 0;
  int32_t* sums = nullptr;
  int64_t out_pitch = 0;
};

// Spreads bytes out: lane c gets bytes [c * kStride, c * kStride + 4).
template <size_t kStride>
class Spreader {
 public:
  Spreader() {
    HWY_ALIGN int32_t lanes[kDotLanes];
    HWY_ALIGN uint8_t bytes[4 * kDotLanes];
    for (size_t i = 0; i < kDotLanes; ++i) {
      lanes[i] = static_cast<int32_t>(i / 4 * kStride + i % 4);
      if (lanes[i] >= static_cast<int32_t>(kDotLanes)) lanes[i] = 0;  // of which no byte is taken
    }
    for (size_t i = 0; i < 4 * kDotLanes; ++i) {
      bytes[i] = static_cast<uint8_t>(i / 4 % 4 * kStride + i % 4);
    }
    lanes_ = hn::SetTableIndices(DotTag(), lanes);
    bytes_ = hn::Load(ByteTag(), bytes);
  }
  HWY_INLINE DotVec operator()(const uint8_t* from) const {
    const auto v = hn::BitCast(DotTag(), hn::LoadU(ByteTag(), from));
    const auto blocks = hn::BitCast(ByteTag(), hn::TableLookupLanes(v, lanes_));
    return hn::BitCast(DotTag(), hn::TableLookupBytes(blocks, bytes_));
  }

 private:
  using ByteTag = hn::Repartition<uint8_t, DotTag>;
  decltype(hn::SetTableIndices(DotTag(), static_cast<const int32_t*>(nullptr))) lanes_;
  hn::Vec<ByteTag> bytes_;
};

// kRows rows of the output, one vector of columns.
template <class Dot, int64_t kKernel, int64_t kStride, int64_t kRows>
HWY_INLINE void SumRows(const DotRows& r, const Spreader<kStride>& spread, int64_t column,
                        const typename Dot::Weights (&weights)[kKernel][(kKernel + 3) / 4]) {
  constexpr int64_t kFours = (kKernel + 3) / 4;
  typename Dot::Sums sums[kRows];
  HWY_UNROLL(4)
  for (int64_t row = 0; row < kRows; ++row) sums[row] = Dot::Start(hn::Set(DotTag(), r.start));
  HWY_UNROLL(16)
  for (int64_t i = 0; i < (kRows - 1) * kStride + kKernel; ++i) {
    HWY_UNROLL(2)
    for (int64_t four = 0; four < kFours; ++four) {
      const auto bytes = Dot::Take(spread(r.in + i * r.in_pitch + column * kStride + 4 * four));
      HWY_UNROLL(4)
      for (int64_t row = 0; row < kRows; ++row) {
        const int64_t kernel_row = i - row * kStride;
        if (kernel_row < 0 || kernel_row >= kKernel) continue;
        Dot::MulAdd(bytes, weights[kernel_row][four], sums[row]);
      }
    }
  }
  HWY_UNROLL(4)
  for (int64_t row = 0; row < kRows; ++row) {
    hn::StoreU(Dot::Total(sums[row]), DotTag(), r.sums + row * r.out_pitch + column);
  }
}

template <class Dot, int64_t kKernel, int64_t kStride>
void SumBlock(DotRows r, int64_t rows) {
  constexpr int64_t kFours = (kKernel + 3) / 4;
  const Spreader<kStride> spread;
  typename Dot::Weights weights[kKernel][kFours];
  for (int64_t i = 0; i < kKernel * kFours; ++i) {
    weights[i / kFours][i % kFours] =
        Dot::Broadcast(r.weights + static_cast<size_t>(i) * Dot::kWeightBytes);
  }
  constexpr auto kLanes = static_cast<int64_t>(kDotLanes);
  for (; rows > 0; rows -= kRowsTogether) {
    for (int64_t column = 0; column < r.out_pitch; column += kLanes) {
      switch (std::min(rows, kRowsTogether)) {
        case 4: SumRows<Dot, kKernel, kStride, 4>(r, spread, column, weights); break;
        case 3: SumRows<Dot, kKernel, kStride, 3>(r, spread, column, weights); break;
        case 2: SumRows<Dot, kKernel, kStride, 2>(r, spread, column, weights); break;
        default: SumRows<Dot, kKernel, kStride, 1>(r, spread, column, weights);
      }
    }
    r.in += kRowsTogether * kStride * r.in_pitch;
    r.sums += kRowsTogether * r.out_pitch;
  }
}

using BlockFunction = void (*)(DotRows r, int64_t rows);

template <class Dot>
BlockFunction FindBlock(const Window& window) {
  const bool small = window.kernel[2] == 3;
  if (window.strides[2] == 1) return small ? SumBlock<Dot, 3, 1> : SumBlock<Dot, 5, 1>;
  return small ? SumBlock<Dot, 3, 2> : SumBlock<Dot, 5, 2>;
}

template <class Dot>
class DotDepthwiseTask {
 public:
  DotDepthwiseTask(const DotDepthwise& conv, const KernelArgs& args, const RowEpilogue& epilogue,
                   std::byte* scratch)
      : conv_(conv),
        problem_(conv.problem),
        window_(conv.problem.window),
        args_(args),
        epilogue_(epilogue),
        flip_(conv.problem.x_dtype == DType::kI8 ? kSignBit : uint8_t{0}),
        zero_x_(static_cast<uint8_t>(static_cast<int32_t>(QNumber(QOperand(args, 2), 0, 0)))),
        sum_block_(FindBlock<Dot>(window_)),
        padded_(reinterpret_cast<uint8_t*>(scratch)),
        sums_(reinterpret_cast<int32_t*>(scratch + conv.padded_bytes)),
        row_(reinterpret_cast<int32_t*>(scratch + conv.padded_bytes + conv.sum_bytes)) {}

  void Run(int64_t index) {
    const int64_t begin = index % conv_.row_blocks * conv_.block_rows;
    const int64_t plane = index / conv_.row_blocks;
    const int64_t rows = std::min(conv_.block_rows, window_.out[1] - begin);
    const int64_t channel = plane % problem_.out_channels, image = plane / problem_.out_channels;
    const int64_t in_channel = channel / (problem_.out_channels / problem_.groups);
    Pad(image * problem_.in_channels + in_channel, begin, conv_.InRows(rows));
    DotRows r;
    r.in = padded_;
    r.in_pitch = conv_.in_pitch;
    r.weights =
        conv_.weights.As<std::byte>() +
        static_cast<size_t>(channel * window_.kernel[1] * conv_.FoursOfRow()) * Dot::kWeightBytes;
    const uint32_t zero = zero_x_ ^ flip_;
    r.start = static_cast<int32_t>(
        0u - zero * static_cast<uint32_t>(conv_.weight_sums[static_cast<size_t>(channel)]));
    r.sums = sums_;
    r.out_pitch = conv_.out_pitch;
    sum_block_(r, rows);
    Finish(plane * window_.OutElements() + begin * window_.out[2], channel, rows);
  }

 private:
  // Input rows that output rows from `begin` on see, with columns before and behind.
  void Pad(int64_t plane, int64_t begin, int64_t rows) {
    const auto* x =
        static_cast<const uint8_t*>(args_.inputs[0].data) + plane * window_.InElements();
    const auto bytes = static_cast<size_t>(rows * conv_.in_pitch);
    std::memset(padded_, zero_x_, bytes);
    const int64_t first = window_.Start(1, begin);
    const int64_t columns = std::min(window_.in[2], conv_.in_pitch - window_.pads_begin[2]);
    for (int64_t row = std::max<int64_t>(0, -first); row < rows && first + row < window_.in[1];
         ++row) {
      std::memcpy(padded_ + row * conv_.in_pitch + window_.pads_begin[2],
                  x + (first + row) * window_.in[2], static_cast<size_t>(columns));
    }
    if (flip_ == 0) return;
    const hn::Repartition<uint8_t, DotTag> d;
    for (size_t i = 0; i < bytes; i += hn::Lanes(d)) {
      hn::StoreU(hn::Xor(hn::LoadU(d, padded_ + i), hn::Set(d, flip_)), d, padded_ + i);
    }
  }

  void Finish(int64_t first, int64_t channel, int64_t rows) {
    const int32_t* sums = sums_;
    if (conv_.out_pitch != window_.out[2]) {
      DropLanes(sums_, static_cast<size_t>(conv_.out_pitch), static_cast<size_t>(window_.out[2]),
                static_cast<size_t>(rows), row_);
      sums = row_;
    }
    const auto at = [first](const auto& view) { return first * (DTypeBits(view.dtype) / 8); };
    const MutableTensorView& y = args_.outputs[0];
    EpilogueRow out{sums, static_cast<size_t>(rows * window_.out[2]), static_cast<size_t>(channel),
                    nullptr, static_cast<std::byte*>(y.data) + at(y)};
    if (problem_.epilogue.residual != DType::kUndefined) {
      const TensorView& z = args_.inputs[kQResidual];
      out.residual = static_cast<const std::byte*>(z.data) + at(z);
    }
    epilogue_.Run<EpilogueForm::kPerRow>(out);
  }

  const DotDepthwise& conv_;
  const QConvProblem& problem_;
  const Window& window_;
  const KernelArgs& args_;
  const RowEpilogue& epilogue_;
  const uint8_t flip_, zero_x_;
  const BlockFunction sum_block_;
  uint8_t* const padded_;
  int32_t* const sums_;
  int32_t* const row_;
};

template <class Dot>
void RunDepthwise(const DotDepthwise& conv, const KernelArgs& args) {
  const QConvProblem& p = conv.problem;
  const EpilogueScalars scalars = EpilogueScalars::Read(p.epilogue, args);
  const EpilogueChannels channels =
      EpilogueChannels::Fill(p.epilogue, scalars, args, p.out_channels, args.workspace.data());
  const RowEpilogue epilogue(p.epilogue, scalars, channels);
  const int64_t outputs = conv.block_rows * p.window.out[2];
  ParallelRanges(args.parallel, p.batch * p.out_channels * conv.row_blocks,
                 CeilDiv(kGrainOutputs, outputs),
                 [&](int64_t begin, int64_t end, int worker) HWY_ATTR {
                   std::byte* scratch = args.workspace.data() + conv.channel_bytes +
                                        static_cast<size_t>(worker) * conv.ScratchBytes();
                   DotDepthwiseTask<Dot> task(conv, args, epilogue, scratch);
                   for (int64_t index = begin; index < end; ++index) task.Run(index);
                 });
}

template <class Dot>
void PackDepthwise(DotDepthwise& conv) {
  const QConvProblem& p = conv.problem;
  const Window& window = p.window;
  const int64_t taps = window.KernelElements(), columns = window.kernel[2];
  const int64_t fours = conv.FoursOfRow();
  conv.weights = AlignedBuffer::AllocateOrDie(
      static_cast<size_t>(p.out_channels * window.kernel[1] * fours) * Dot::kWeightBytes);
  std::byte* to = conv.weights.As<std::byte>();
  for (int64_t channel = 0; channel < p.out_channels; ++channel) {
    const double zero = QNumber(p.zero_w, channel, 0);
    int32_t sum = 0;
    for (int64_t i = 0; i < window.kernel[1] * fours; ++i, to += Dot::kWeightBytes) {
      int32_t four[4] = {};
      for (int64_t c = i % fours * 4; c < std::min(columns, i % fours * 4 + 4); ++c) {
        const double w = ReadReal(p.weights, channel * taps + i / fours * columns + c);
        four[c % 4] = static_cast<int32_t>(w - zero);
        sum += four[c % 4];
      }
      Dot::PackWeights(four, to);
    }
    conv.weight_sums.push_back(sum);
  }
}

template <class Dot>
size_t PrepareDepthwise(DotDepthwise& conv, const MakeContext& context) {
  const QConvProblem& p = conv.problem;
  const Window& window = p.window;
  const auto lanes = static_cast<int64_t>(kDotLanes);
  conv.out_pitch = RoundUp(window.out[2], lanes);
  conv.in_pitch =
      std::max(conv.out_pitch * window.strides[2] + window.kernel[2], window.pads_begin[2]);
  conv.block_rows = std::clamp<int64_t>(kBlockOutputs / conv.out_pitch / kRowsTogether, 1,
                                        CeilDiv(window.out[1], kRowsTogether)) *
                    kRowsTogether;
  conv.block_rows = std::min(conv.block_rows, window.out[1]);
  conv.row_blocks = CeilDiv(window.out[1], conv.block_rows);
  const auto aligned = [](int64_t bytes) {
    return RoundUp(static_cast<size_t>(bytes), size_t{kTensorAlignment});
  };
  constexpr auto kIntBytes = static_cast<int64_t>(sizeof(int32_t));
  conv.channel_bytes = EpilogueChannels::Bytes(p.out_channels);
  conv.padded_bytes = aligned(conv.InRows(conv.block_rows) * conv.in_pitch + kPaddedSlack);
  conv.sum_bytes = aligned((conv.block_rows * conv.out_pitch + lanes) * kIntBytes);
  conv.row_bytes = aligned((conv.block_rows * window.out[2] + 2 * lanes) * kIntBytes);
  PackDepthwise<Dot>(conv);
  return conv.channel_bytes + static_cast<size_t>(context.max_workers) * conv.ScratchBytes();
}

void RunPlain(const DotDepthwise& conv, const KernelArgs& args) {
  RunDepthwise<PlainDot>(conv, args);
}
void RunVnni(const DotDepthwise& conv, const KernelArgs& args) {
  RunDepthwise<VnniDot>(conv, args);
}
size_t PreparePlain(DotDepthwise& conv, const MakeContext& context) {
  return PrepareDepthwise<PlainDot>(conv, context);
}
size_t PrepareVnni(DotDepthwise& conv, const MakeContext& context) {
  return PrepareDepthwise<VnniDot>(conv, context);
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

using RunFunction = void (*)(const DotDepthwise& conv, const KernelArgs& args);
using PrepareFunction = size_t (*)(DotDepthwise& conv, const MakeContext& context);

Status CheckDepthwise(const QConvProblem& problem) {
  ERGO_RETURN_IF_ERROR(CheckWindow(problem.window));
  ERGO_RETURN_IF_ERROR(CheckEpilogue(problem.epilogue));
  const Window& window = problem.window;
  if (problem.groups != problem.in_channels || problem.groups == 0) {
    return Unsupported("{} input channels in {} groups are not depthwise", problem.in_channels,
                       problem.groups);
  }
  if (!problem.weights.Present() || !problem.zero_w.Present()) {
    return Unsupported("weights or their zero points are known only when it runs");
  }
  const bool plane = window.in[0] == 1 && window.out[0] == 1 && window.kernel[0] == 1;
  const bool same = window.kernel[1] == window.kernel[2] && window.strides[1] == window.strides[2];
  const bool known = (window.kernel[2] == 3 || window.kernel[2] == 5) && window.strides[2] <= 2;
  const bool dense = window.dilations[1] == 1 && window.dilations[2] == 1;
  if (!plane || !same || !known || !dense || window.pads_begin[0] != 0 ||
      window.pads_begin[2] > int64_t{kTensorAlignment} || window.OutElements() == 0) {
    return Unsupported("there are no loops for {}", window.ToString());
  }
  ChooseSimdTarget();
  if (ActiveSimdTarget().bit == HWY_SCALAR) return Unsupported("no vectors");
  return {};
}

MadeKernel MakeDotDepthwise(const QConvProblem& problem, const MakeContext& context,
                            PrepareFunction prepare, RunFunction run) {
  DotDepthwise conv;
  conv.problem = problem;
  const size_t workspace_bytes = prepare(conv, context);
  // Shared, since a function object must be copyable and the packed weights are not.
  return MakeFunctionKernel([conv = std::make_shared<const DotDepthwise>(std::move(conv)),
                             run](const KernelArgs& args) { run(*conv, args); },
                            workspace_bytes);
}

}  // namespace

MadeKernel MakeQConvDepthwiseVnni(const QConvProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckDepthwise(problem));
  if (!VnniInForce()) return Unsupported("no AVX-512 VNNI");
  if (!WeightsFitBytes(problem)) {
    return Unsupported("weights less their zero points take 9 bits");
  }
  return MakeDotDepthwise(problem, context, HWY_DYNAMIC_DISPATCH(PrepareVnni),
                          HWY_DYNAMIC_DISPATCH(RunVnni));
}

MadeKernel MakeQConvDepthwiseDot(const QConvProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckDepthwise(problem));
  return MakeDotDepthwise(problem, context, HWY_DYNAMIC_DISPATCH(PreparePlain),
                          HWY_DYNAMIC_DISPATCH(RunPlain));
}

}  // namespace ergo
#endif  // HWY_ONCE
