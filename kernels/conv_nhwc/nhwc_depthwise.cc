#include "kernels/conv_nhwc/nhwc_depthwise.h"

#include <algorithm>
#include <limits>

#include "kernels/base/checked_math.h"

namespace ergo {
namespace {

// Channels of the rows that a window looks at which stay in the L1 cache along an output row.
constexpr int64_t kChunkBytes = 24 << 10;
constexpr int64_t kLeastChunk = 32;

}  // namespace

Result<DepthwisePlan> DepthwisePlan::Make(const ConvProblem& problem, int64_t lanes) {
  if (!NhwcConvProblem{problem}.IsDepthwise()) return Unsupported("{} groups", problem.groups);
  if (problem.weights == nullptr) return Unsupported("weights that only a run knows");
  if (problem.window.KernelElements() > kMaxDepthwiseTaps) {
    return Unsupported("a window of more than {} taps", kMaxDepthwiseTaps);
  }
  DepthwisePlan plan;
  plan.problem = problem;
  plan.lanes = lanes;
  plan.pitch = RoundUp(problem.out_channels, lanes);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const ActivationSpec& spec = problem.activation;
  plan.low = spec.kind == Activation::kRelu   ? 0.0f
             : spec.kind == Activation::kClip ? spec.alpha
                                              : -kInfinity;
  plan.high = spec.kind == Activation::kClip ? spec.beta : kInfinity;
  const int64_t row_bytes = std::max<int64_t>(problem.window.kernel[1] * problem.window.in[2], 1) *
                            int64_t{sizeof(float)};
  const int64_t chunk = std::max(kChunkBytes / row_bytes, kLeastChunk);
  plan.chunk = RoundUp(std::min(chunk, std::max<int64_t>(problem.out_channels, 1)), lanes);
  return plan;
}

PackedWeights DepthwisePlan::Pack(PackCache* packs) const {
  const auto* weights = static_cast<const float*>(problem.weights);
  const int64_t taps = problem.window.KernelElements();
  return PackWeights(
      packs, weights,
      fmt::format("conv_nhwc_depthwise/{}/m{}k{}", lanes, problem.out_channels, taps),
      static_cast<size_t>(taps * pitch) * sizeof(float), [&](AlignedBuffer& packed) {
        float* to = packed.As<float>();
        std::fill_n(to, taps * pitch, 0.0f);
        for (int64_t i = 0; i < problem.out_channels * taps; ++i) {
          to[i % taps * pitch + i / taps] = weights[i];
        }
      });
}

}  // namespace ergo
