// Quantized depthwise convolution with small kernels, by the float32 loops of
// kernels/conv/depthwise_rows-inl.h: differences of bytes are at most 255, so that sums of 25
// products stay below 2^24 and are exact in float32.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/qlinear/qconv_depthwise.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "kernels/base/checked_math.h"
#include "kernels/base/function_kernel.h"
#include "kernels/base/phase_layout.h"
#include "kernels/base/real_access.h"
#include "kernels/base/simd_targets.h"
#include "kernels/conv/depthwise_rows-inl.h"
#include "kernels/qlinear/epilogue-inl.h"
#include "kernels/qlinear/qlinear.h"

#ifndef ERGO_KERNELS_QLINEAR_QCONV_DEPTHWISE_CC_ONCE_
#define ERGO_KERNELS_QLINEAR_QCONV_DEPTHWISE_CC_ONCE_
namespace ergo {
namespace {

constexpr int64_t kMaxDepthwiseTaps = 25;
constexpr int64_t kPatchFloats = 8 << 10;  // of a task, if it is more than one row
constexpr int64_t kFloatLine = kTensorAlignment / sizeof(float);

// What a made kernel knows; the same for all targets.
struct DepthwiseQConv {
  QConvProblem problem;
  std::vector<float> weights;  // less their zero points, [out_channels][taps]
  int64_t block_rows = 1;      // of the output, of a task
  int64_t row_blocks = 1;
  PhaseLayout row;         // of a row of the patch
  int64_t patch_rows = 0;  // of one row phase
  int64_t staging = 0;     // floats of an input row before it is split by the stride
  int32_t columns[kMaxDepthwiseTaps] = {};  // offsets of the kernel's columns
  size_t channel_bytes = 0, scratch_bytes = 0;

  int64_t PatchFloats() const { return patch_rows * problem.window.strides[1] * row.Elements(); }
  int64_t SumFloats() const { return RoundUp(block_rows * problem.window.out[2], kFloatLine); }
};

}  // namespace
}  // namespace ergo
#endif

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using F = hn::ScalableTag<float>;
using I = hn::Rebind<int32_t, F>;

// to[i] = from[i] - zero; may write a whole vector beyond `count`, and reads nothing there.
template <typename T>
void ConvertBytes(const T* HWY_RESTRICT from, int64_t count, int32_t zero, float* HWY_RESTRICT to) {
  const hn::Rebind<T, F> bytes;
  const auto lanes = static_cast<int64_t>(hn::Lanes(F()));
  const auto zeros = hn::Set(I(), zero);
  for (int64_t i = 0; i < count; i += lanes) {
    auto raw = hn::Zero(bytes);
    if (count - i >= lanes) {
      raw = hn::LoadU(bytes, from + i);
    } else {
      HWY_ALIGN T rest[hn::MaxLanes(F())] = {};
      std::memcpy(rest, from + i, static_cast<size_t>(count - i));
      raw = hn::Load(bytes, rest);
    }
    hn::StoreU(hn::ConvertTo(F(), hn::Sub(hn::PromoteTo(I(), raw), zeros)), F(), to + i);
  }
}

class DepthwiseTask {
 public:
  DepthwiseTask(const DepthwiseQConv& conv, const KernelArgs& args, const RowEpilogue& epilogue,
                std::byte* scratch)
      : conv_(conv),
        problem_(conv.problem),
        window_(conv.problem.window),
        args_(args),
        epilogue_(epilogue),
        zero_x_(static_cast<int32_t>(QNumber(QOperand(args, 2), 0, 0))),
        patch_(reinterpret_cast<float*>(scratch)),
        sums_(patch_ + RoundUp(conv.PatchFloats(), kFloatLine)),
        staging_(sums_ + conv.SumFloats() + kFloatLine) {}

  void Run(int64_t index) {
    const int64_t block = index % conv_.row_blocks;
    const int64_t plane = index / conv_.row_blocks;
    const int64_t channel = plane % problem_.out_channels, image = plane / problem_.out_channels;
    const int64_t in_channel = channel / (problem_.out_channels / problem_.groups);
    const int64_t begin = block * conv_.block_rows;
    const int64_t rows = std::min(conv_.block_rows, window_.out[1] - begin);
    FillPatch(image * problem_.in_channels + in_channel, begin, rows);

    DepthwiseRows r{};
    r.patch = patch_;
    r.pitch = conv_.row.Elements();
    r.row_phase = conv_.patch_rows * r.pitch;
    r.columns = conv_.columns;
    r.weights = conv_.weights.data() + channel * window_.KernelElements();
    r.rows = rows;
    r.width = window_.out[2];
    r.y = sums_;
    r.y_row = r.width;
    FindDepthwise(window_)(r);

    const auto count = static_cast<size_t>(rows * r.width);
    auto* integers = reinterpret_cast<int32_t*>(sums_);
    for (size_t i = 0; i < count; i += hn::Lanes(F())) {
      hn::StoreU(hn::ConvertTo(I(), hn::LoadU(F(), sums_ + i)), I(), integers + i);
    }
    const int64_t first = plane * window_.OutElements() + begin * window_.out[2];
    EpilogueRow out{integers, count, static_cast<size_t>(channel), nullptr,
                    At<std::byte>(args_.outputs[0], first)};
    if (problem_.epilogue.residual != DType::kUndefined) {
      out.residual = At<const std::byte>(args_.inputs[kQResidual], first);
    }
    epilogue_.Run<EpilogueForm::kPerRow>(out);
  }

 private:
  template <typename Byte, typename View>
  static Byte* At(const View& view, int64_t element) {
    return static_cast<Byte*>(view.data) + element * (DTypeBits(view.dtype) / 8);
  }

  // The rows that output rows [begin, begin + rows) look at, zero_x as 0, padding as zeros.
  void FillPatch(int64_t plane, int64_t begin, int64_t rows) {
    const int64_t stride = window_.strides[1], first = window_.Start(1, begin);
    const int64_t wanted = (rows - 1) * stride + window_.kernel[1];
    for (int64_t i = 0; i < conv_.patch_rows * stride; ++i) {
      float* to = patch_ + (i % stride * conv_.patch_rows + i / stride) * conv_.row.Elements();
      const int64_t row = first + i;
      if (i >= wanted || row < 0 || row >= window_.in[1]) {
        std::fill_n(to, conv_.row.Elements(), 0.0f);
      } else {
        FillRow((plane * window_.in[1] + row) * window_.in[2], to);
      }
    }
  }

  void FillRow(int64_t first, float* to) {
    const PhaseLayout& layout = conv_.row;
    const bool split = layout.stride > 1;
    float* line = split ? staging_ : to;
    const int64_t length = split ? conv_.staging : layout.Elements();
    const int64_t used = std::min(layout.UsedIn(), length - layout.pad);
    std::fill_n(line, layout.pad, 0.0f);
    const void* x = At<const std::byte>(args_.inputs[0], first + layout.first);
    if (problem_.x_dtype == DType::kU8) {
      ConvertBytes(static_cast<const uint8_t*>(x), used, zero_x_, line + layout.pad);
    } else {
      ConvertBytes(static_cast<const int8_t*>(x), used, zero_x_, line + layout.pad);
    }
    std::fill(line + layout.pad + used, line + length, 0.0f);
    if (!split) return;
    const auto lanes = static_cast<int64_t>(hn::Lanes(F()));
    for (int64_t i = 0; i < layout.pitch; i += lanes) {
      hn::Vec<F> even, odd;
      hn::LoadInterleaved2(F(), line + 2 * i, even, odd);
      hn::StoreU(even, F(), to + i);
      hn::StoreU(odd, F(), to + layout.phase_stride + i);
    }
  }

  const DepthwiseQConv& conv_;
  const QConvProblem& problem_;
  const Window& window_;
  const KernelArgs& args_;
  const RowEpilogue& epilogue_;
  const int32_t zero_x_;
  float *patch_, *sums_, *staging_;
};

void RunDepthwise(const DepthwiseQConv& conv, const KernelArgs& args) {
  const QConvProblem& p = conv.problem;
  const EpilogueScalars scalars = EpilogueScalars::Read(p.epilogue, args);
  const EpilogueChannels channels =
      EpilogueChannels::Fill(p.epilogue, scalars, args, p.out_channels, args.workspace.data());
  const RowEpilogue epilogue(p.epilogue, scalars, channels);
  args.parallel.Run(p.batch * p.out_channels * conv.row_blocks,
                    [&](int64_t index, int worker) HWY_ATTR {
                      std::byte* scratch = args.workspace.data() + conv.channel_bytes +
                                           static_cast<size_t>(worker) * conv.scratch_bytes;
                      DepthwiseTask(conv, args, epilogue, scratch).Run(index);
                    });
}

// False where there are no loops for the window.
bool PrepareDepthwise(DepthwiseQConv& conv) {
  const QConvProblem& p = conv.problem;
  const Window& window = p.window;
  if (FindDepthwise(window) == nullptr || window.strides[1] != window.strides[2] ||
      window.dilations[2] != 1) {
    return false;
  }
  const auto lanes = static_cast<int64_t>(hn::Lanes(F()));
  const int64_t stride = window.strides[1];
  conv.row = PhaseLayout::ForOutputs(window, 0, window.out[2], lanes);
  const auto patch_rows = [&](int64_t rows) {
    return CeilDiv((rows - 1) * stride + window.kernel[1], stride);
  };
  conv.block_rows = 1;
  while (conv.block_rows < window.out[1] &&
         patch_rows(conv.block_rows + 1) * stride * conv.row.Elements() <= kPatchFloats) {
    ++conv.block_rows;
  }
  conv.row_blocks = CeilDiv(window.out[1], conv.block_rows);
  conv.patch_rows = patch_rows(conv.block_rows);
  conv.staging = stride > 1 ? 2 * RoundUp(conv.row.pitch, lanes) : 0;
  TapWalk walk(conv.row);
  for (int64_t k = 0; k < window.kernel[2]; ++k, walk.Next()) {
    conv.columns[k] = static_cast<int32_t>(walk.Offset());
  }
  return true;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(RunDepthwise);
HWY_EXPORT(PrepareDepthwise);

std::vector<float> DepthwiseWeights(const QConvProblem& problem) {
  const int64_t taps = problem.window.KernelElements();
  std::vector<float> weights;
  for (int64_t i = 0; i < problem.out_channels * taps; ++i) {
    weights.push_back(
        static_cast<float>(ReadReal(problem.weights, i) - QNumber(problem.zero_w, i / taps, 0)));
  }
  return weights;
}

}  // namespace

MadeKernel MakeQConvDepthwise(const QConvProblem& problem, const MakeContext& context) {
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
  if (window.in[0] != 1 || window.out[0] != 1 || window.kernel[0] != 1 ||
      window.KernelElements() > kMaxDepthwiseTaps || window.OutElements() == 0) {
    return Unsupported("there are no loops for {}", window.ToString());
  }
  ChooseSimdTarget();
  DepthwiseQConv conv;
  conv.problem = problem;
  if (!HWY_DYNAMIC_DISPATCH(PrepareDepthwise)(conv)) {
    return Unsupported("there are no loops for {}", window.ToString());
  }
  conv.weights = DepthwiseWeights(problem);
  conv.channel_bytes = EpilogueChannels::Bytes(problem.out_channels);
  const int64_t floats = RoundUp(conv.PatchFloats(), kFloatLine) + conv.SumFloats() + kFloatLine +
                         RoundUp(conv.staging, kFloatLine) + kFloatLine;
  conv.scratch_bytes = static_cast<size_t>(floats) * sizeof(float);
  const size_t workspace_bytes =
      conv.channel_bytes + static_cast<size_t>(context.max_workers) * conv.scratch_bytes;
  return MakeFunctionKernel([conv = std::move(conv), run = &HWY_DYNAMIC_DISPATCH(RunDepthwise)](
                                const KernelArgs& args) { run(conv, args); },
                            workspace_bytes);
}

}  // namespace ergo
#endif  // HWY_ONCE
