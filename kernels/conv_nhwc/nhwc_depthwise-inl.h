// Depthwise convolution with channels in the lanes: some outputs of a row share the weights, and
// the inputs that their windows have in common. Per-target header.
#if defined(ERGO_KERNELS_CONV_NHWC_NHWC_DEPTHWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_CONV_NHWC_NHWC_DEPTHWISE_INL_H_
#undef ERGO_KERNELS_CONV_NHWC_NHWC_DEPTHWISE_INL_H_
#else
#define ERGO_KERNELS_CONV_NHWC_NHWC_DEPTHWISE_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>

#include "kernels/base/activation-inl.h"
#include "kernels/base/simd-inl.h"
#include "kernels/conv_nhwc/nhwc_depthwise.h"
#include "kernels/conv_nhwc/nhwc_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {

constexpr size_t kOutputs = 4;  // of a row, that are computed together
constexpr auto kMaxTaps = static_cast<size_t>(kMaxDepthwiseTaps);
constexpr size_t kMaxKernel = 7;
constexpr bool kDepthwiseManyRegisters =
    HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON;

// Neighbouring outputs of one row.
struct OutputGroup {
  int64_t ox, count;
};

// Channels [begin, end).
struct Channels {
  int64_t begin, end;
};

template <bool kTail>
HWY_INLINE NhwcVec LoadLanes(const float* HWY_RESTRICT from, size_t count) {
  const NhwcTag d;
  if constexpr (kTail) return LoadTail(d, from, count);
  return hn::LoadU(d, from);
}

// Residual, clamps and the store of one vector of one output.
template <bool kTail>
HWY_INLINE void Store(const DepthwisePlan& plan, NhwcVec sum, const float* residual, float* y,
                      size_t count) {
  const NhwcTag d;
  if (residual != nullptr) sum = hn::Add(sum, LoadLanes<kTail>(residual, count));
  sum = ClampVector(sum, hn::Set(d, plan.low), hn::Set(d, plan.high));
  if constexpr (kTail) {
    StoreTail(sum, d, y, count);
  } else {
    hn::StoreU(sum, d, y);
  }
}

void FinishGroup(const DepthwisePlan& plan, const OutputGroup& group, Channels channels, float* y) {
  const ActivationSpec& spec = plan.problem.activation;
  if (spec.kind == Activation::kNone || spec.kind == Activation::kRelu ||
      spec.kind == Activation::kClip) {
    return;
  }
  for (int64_t o = 0; o < group.count; ++o) {
    ActivateRow(spec, y + o * plan.problem.out_channels + channels.begin,
                static_cast<size_t>(channels.end - channels.begin));
  }
}

// Where the inputs of a group of kOutputs windows of kKernel columns lie, channel 0 of each: a
// place of zeros for padding.
template <size_t kKernel, size_t kStride>
struct InputTable {
  static constexpr size_t kColumns = (kOutputs - 1) * kStride + kKernel;
  const float* at[kMaxKernel][kColumns];

  InputTable(const DepthwisePlan& plan, const DepthwiseOperands& operands, const DepthwiseRow& line,
             int64_t ox) {
    const Window& w = plan.problem.window;
    for (int64_t ky = 0; ky < line.taps.Count(); ++ky) {
      for (size_t j = 0; j < kColumns; ++j) {
        const int64_t column = w.Start(2, ox) + static_cast<int64_t>(j);
        const bool inside = column >= 0 && column < w.in[2];
        at[ky][j] = inside ? line.rows[ky] + column * plan.problem.out_channels : operands.zeros;
      }
    }
  }
};

// What is the same for all vectors of a group.
template <size_t kKernel, size_t kStride>
struct VectorCall {
  const InputTable<kKernel, kStride>& table;
  int64_t shift;  // of all inputs from where the table says
  Taps taps;
  int64_t count;  // of the group
  const float* residual;
  float* y;
};

template <size_t kKernel, size_t kStride, size_t kVectors, bool kTail>
HWY_INLINE void RunVectors(const DepthwisePlan& plan, const DepthwiseOperands& operands,
                           const VectorCall<kKernel, kStride>& call, int64_t c) {
  constexpr size_t kColumns = InputTable<kKernel, kStride>::kColumns;
  const NhwcTag d;
  const int64_t channels = plan.problem.out_channels, pitch = plan.pitch;
  const auto rest = static_cast<size_t>(channels - c);
  const size_t lanes = hn::Lanes(d);
  NhwcVec sums[kOutputs][kVectors];
  for (size_t v = 0; v < kVectors; ++v) {
    const NhwcVec bias = hn::LoadU(d, operands.bias + c + v * lanes);
    for (size_t o = 0; o < kOutputs; ++o) sums[o][v] = bias;
  }
  const float* HWY_RESTRICT weights =
      operands.weights + call.taps.begin * static_cast<int64_t>(kKernel) * pitch + c;
  const int64_t at = call.shift + c;
  for (int64_t ky = 0; ky < call.taps.Count(); ++ky) {
    NhwcVec x[kColumns][kVectors];
    for (size_t j = 0; j < kColumns; ++j) {
      const float* HWY_RESTRICT from = call.table.at[ky][j] + at;
      for (size_t v = 0; v < kVectors; ++v) x[j][v] = LoadLanes<kTail>(from + v * lanes, rest);
    }
    for (size_t kx = 0; kx < kKernel; ++kx, weights += pitch) {
      for (size_t v = 0; v < kVectors; ++v) {
        const NhwcVec w = hn::LoadU(d, weights + v * lanes);
        for (size_t o = 0; o < kOutputs; ++o) {
          sums[o][v] = hn::MulAdd(x[o * kStride + kx][v], w, sums[o][v]);
        }
      }
    }
  }
  // A loop with a way out would keep the sums in memory.
  const auto store = [&](const NhwcVec(&output)[kVectors], int64_t o) HWY_ATTR {
    if (o >= call.count) return;
    const int64_t to = o * channels + c;
    for (size_t v = 0; v < kVectors; ++v) {
      const float* residual = call.residual == nullptr ? nullptr : call.residual + to + v * lanes;
      Store<kTail>(plan, output[v], residual, call.y + to + v * lanes, rest);
    }
  };
  static_assert(kOutputs == 4);
  store(sums[0], 0);
  store(sums[1], 1);
  store(sums[2], 2);
  store(sums[3], 3);
}

template <size_t kKernel, size_t kStride>
void RunGroup(const DepthwisePlan& plan, const DepthwiseOperands& operands,
              const DepthwiseRow& line, const OutputGroup& group, Channels channels,
              const InputTable<kKernel, kStride>& table, int64_t shift) {
  const int64_t at = group.ox * plan.problem.out_channels;
  const float* residual = line.residual == nullptr ? nullptr : line.residual + at;
  const VectorCall<kKernel, kStride> call{table,       shift,    line.taps,
                                          group.count, residual, line.y + at};
  constexpr size_t kVectors = kDepthwiseManyRegisters && kKernel <= 5 ? 2 : 1;
  const int64_t step = static_cast<int64_t>(kVectors) * plan.lanes;
  int64_t c = channels.begin;
  for (; c + step <= channels.end; c += step) {
    RunVectors<kKernel, kStride, kVectors, false>(plan, operands, call, c);
  }
  for (; c + plan.lanes <= channels.end; c += plan.lanes) {
    RunVectors<kKernel, kStride, 1, false>(plan, operands, call, c);
  }
  if (c < channels.end) RunVectors<kKernel, kStride, 1, true>(plan, operands, call, c);
  FinishGroup(plan, group, channels, line.y + at);
}

// Groups without padding at their sides find their inputs at one distance from each other.
template <size_t kKernel, size_t kStride>
void RunRow(const DepthwisePlan& plan, const DepthwiseOperands& operands,
            const DepthwiseRow& line) {
  using Table = InputTable<kKernel, kStride>;
  const ConvProblem& p = plan.problem;
  const Window& w = p.window;
  const auto step = static_cast<int64_t>(kOutputs);
  const auto is_inside = [&](int64_t ox) {
    const int64_t first = w.Start(2, ox);
    return first >= 0 && first + static_cast<int64_t>(Table::kColumns) <= w.in[2];
  };
  int64_t inside = 0;
  while (inside < w.out[2] && !is_inside(inside)) inside += step;
  const Table inner(plan, operands, line, inside);
  for (int64_t c = 0; c < p.out_channels; c += plan.chunk) {
    const Channels channels{c, std::min(c + plan.chunk, p.out_channels)};
    for (int64_t ox = 0; ox < w.out[2]; ox += step) {
      const OutputGroup group{ox, std::min(step, w.out[2] - ox)};
      if (is_inside(ox)) {
        const int64_t shift = (ox - inside) * static_cast<int64_t>(kStride) * p.out_channels;
        RunGroup(plan, operands, line, group, channels, inner, shift);
      } else {
        RunGroup(plan, operands, line, group, channels, Table(plan, operands, line, ox), 0);
      }
    }
  }
}

// Any window: one output, the taps inside the input one after the other.
struct TapList {
  const float* x[kMaxTaps];
  const float* weights[kMaxTaps];
  size_t count = 0;
};

template <bool kTail>
HWY_INLINE NhwcVec SumTaps(const TapList& taps, NhwcVec sum, int64_t c, size_t rest) {
  const NhwcTag d;
  for (size_t i = 0; i < taps.count; ++i) {
    const NhwcVec x = LoadLanes<kTail>(taps.x[i] + c, rest);
    sum = hn::MulAdd(x, hn::LoadU(d, taps.weights[i] + c), sum);
  }
  return sum;
}

void RunAnyOutput(const DepthwisePlan& plan, const DepthwiseOperands& operands,
                  const DepthwiseRow& line, int64_t ox) {
  const ConvProblem& p = plan.problem;
  const Window& w = p.window;
  const NhwcTag d;
  const Taps columns = w.TapsWithin(2, ox);
  TapList taps;
  for (int64_t ky = 0; ky < line.taps.Count(); ++ky) {
    for (int64_t kx = columns.begin; kx < columns.end; ++kx, ++taps.count) {
      const int64_t column = w.Start(2, ox) + kx * w.dilations[2];
      taps.x[taps.count] = line.rows[ky] + column * p.out_channels;
      taps.weights[taps.count] =
          operands.weights + ((line.taps.begin + ky) * w.kernel[2] + kx) * plan.pitch;
    }
  }
  float* const y = line.y + ox * p.out_channels;
  const float* residual = line.residual == nullptr ? nullptr : line.residual + ox * p.out_channels;
  int64_t c = 0;
  for (; c + plan.lanes <= p.out_channels; c += plan.lanes) {
    const NhwcVec sum = SumTaps<false>(taps, hn::LoadU(d, operands.bias + c), c, 0);
    Store<false>(plan, sum, residual == nullptr ? nullptr : residual + c, y + c, 0);
  }
  if (c < p.out_channels) {
    const auto rest = static_cast<size_t>(p.out_channels - c);
    const NhwcVec sum = SumTaps<true>(taps, hn::LoadU(d, operands.bias + c), c, rest);
    Store<true>(plan, sum, residual == nullptr ? nullptr : residual + c, y + c, rest);
  }
  FinishGroup(plan, {ox, 1}, {0, p.out_channels}, y);
}

void RunAnyRow(const DepthwisePlan& plan, const DepthwiseOperands& operands,
               const DepthwiseRow& line) {
  for (int64_t ox = 0; ox < plan.problem.window.out[2]; ++ox) {
    RunAnyOutput(plan, operands, line, ox);
  }
}

using DepthwiseRowFn = void (*)(const DepthwisePlan& plan, const DepthwiseOperands& operands,
                                const DepthwiseRow& line);

// What computes one row of outputs.
DepthwiseRowFn FindDepthwiseRow(const Window& w) {
  if (w.dilations[2] != 1 || w.kernel[1] > static_cast<int64_t>(kMaxKernel)) return RunAnyRow;
  const int64_t stride = w.strides[2];
  switch (w.kernel[2]) {
    case 3: return stride == 1 ? RunRow<3, 1> : stride == 2 ? RunRow<3, 2> : RunAnyRow;
    case 5: return stride == 1 ? RunRow<5, 1> : stride == 2 ? RunRow<5, 2> : RunAnyRow;
    case 7: return stride == 1 ? RunRow<7, 1> : stride == 2 ? RunRow<7, 2> : RunAnyRow;
    default: return RunAnyRow;
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_CONV_NHWC_NHWC_DEPTHWISE_INL_H_
