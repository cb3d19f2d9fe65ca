// A pair by strips of rows: some hidden channels of some rows are expanded into a buffer that fits
// the L2 cache and convolved from there. Rows that two strips look at are expanded twice.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/base/checked_math.h"
#include "kernels/base/simd_targets.h"
#include "kernels/conv/conv_pair.h"
#include "kernels/conv/patch_engine.h"

namespace ergo {
namespace {

constexpr int64_t kMaxHiddenChannels = 48;  // expanded at once
constexpr int64_t kMinHiddenChannels = 8;
constexpr int64_t kBufferElements = 96 * 1024;  // of expanded rows
constexpr int64_t kInputElements = 64 * 1024;   // of X that a strip looks at

// The plans of a strip; strips of the same height and padding share them.
struct StripPlans {
  PatchPlan expand, depthwise;
};

struct Strip {
  int64_t in_begin = 0, in_end = 0;  // rows of X
  int64_t out_begin = 0, out_end = 0;
  int64_t pad_begin = 0, pad_end = 0;  // rows
  size_t plans = 0;

  bool SharesPlans(const Strip& other) const {
    return in_end - in_begin == other.in_end - other.in_begin &&
           out_end - out_begin == other.out_end - other.out_begin && pad_begin == other.pad_begin &&
           pad_end == other.pad_end;
  }
};

// The largest divisor of `channels` that is a multiple of kMinHiddenChannels and not too large; 0
// where there is none.
int64_t HiddenChannels(int64_t channels) {
  for (int64_t hidden = kMaxHiddenChannels; hidden > 0; hidden -= kMinHiddenChannels) {
    if (channels % hidden == 0) return hidden;
  }
  return 0;
}

Strip StripAt(const Window& window, int64_t out_begin, int64_t out_end) {
  Strip strip;
  strip.out_begin = out_begin;
  strip.out_end = out_end;
  const int64_t begin = window.Start(1, out_begin);
  const int64_t end = window.Start(1, out_end - 1) + window.Extent(1);
  strip.in_begin = std::clamp<int64_t>(begin, 0, window.in[1]);
  strip.in_end = std::clamp<int64_t>(end, strip.in_begin, window.in[1]);
  strip.pad_begin = std::max<int64_t>(strip.in_begin - begin, 0);
  strip.pad_end = std::max<int64_t>(end - strip.in_end, 0);
  return strip;
}

// Output rows of a strip whose expanded rows and whose part of X stay in the cache.
int64_t StripRows(const ConvPairProblem& problem, int64_t hidden) {
  const Window& window = problem.depthwise.window;
  const int64_t width = std::max<int64_t>(window.in[2], 1);
  const int64_t rows = std::min(kBufferElements / (hidden * width),
                                kInputElements / (problem.expand.in_channels * width));
  const int64_t out = (rows - window.Extent(1)) / window.strides[1] + 1;
  return std::clamp<int64_t>(out, 1, std::max<int64_t>(window.out[1], 1));
}

class ConvPairStrips final : public Kernel {
 public:
  static MadeKernel Make(const ConvPairProblem& problem, int64_t hidden,
                         const MakeContext& context) {
    auto kernel = std::make_unique<ConvPairStrips>(problem, hidden, context.max_workers);
    const Window& window = problem.depthwise.window;
    const int64_t rows = StripRows(problem, hidden);
    const int64_t count = CeilDiv(window.out[1], rows);
    for (int64_t i = 0; i < count; ++i) {
      ERGO_RETURN_IF_ERROR(kernel->AddStrip(
          StripAt(window, window.out[1] * i / count, window.out[1] * (i + 1) / count)));
    }
    if (count > 0) kernel->Pack(context);
    return MadeKernel(std::move(kernel));
  }

  ConvPairStrips(const ConvPairProblem& problem, int64_t hidden, int max_workers)
      : problem_(problem),
        hidden_(hidden),
        max_workers_(max_workers),
        run_(ActiveRunPatchTasks()) {}

  size_t WorkspaceBytes() const override {
    return static_cast<size_t>(max_workers_ * WorkerElements()) * sizeof(float);
  }

  void Run(const KernelArgs& args) const override {
    const ConvProblem &first = problem_.expand, &second = problem_.depthwise;
    if (second.OutputElements() == 0) return;
    const float* x = args.inputs[0].As<float>();
    const float* biases[] = {first.has_bias ? args.inputs[2].As<float>() : nullptr,
                             second.has_bias ? args.inputs[4].As<float>() : nullptr};
    float* y = args.outputs[0].As<float>();
    auto* memory = reinterpret_cast<float*>(args.workspace.data());
    const int64_t blocks = first.out_channels / hidden_;
    const auto strips = static_cast<int64_t>(strips_.size());
    args.parallel.Run(first.batch * strips * blocks, [&](int64_t index, int worker) {
      const int64_t channel = index % blocks * hidden_;
      const Strip& strip = strips_[static_cast<size_t>(index / blocks % strips)];
      const int64_t image = index / blocks / strips;
      RunStrip(strip, image, channel, x, biases, y, memory + worker * WorkerElements());
    });
  }

 private:
  Status AddStrip(Strip strip) {
    for (const Strip& other : strips_) {
      if (!other.SharesPlans(strip)) continue;
      strip.plans = other.plans;
      strips_.push_back(strip);
      return {};
    }
    const Window& window = problem_.depthwise.window;
    const int64_t rows = strip.in_end - strip.in_begin, width = window.in[2];
    ConvProblem expand = problem_.expand;
    expand.batch = 1;
    expand.out_channels = hidden_;
    expand.window = Window();
    expand.window.in[2] = expand.window.out[2] = rows * width;
    ConvProblem depthwise = problem_.depthwise;
    depthwise.batch = 1;
    depthwise.groups = depthwise.in_channels = depthwise.out_channels = hidden_;
    depthwise.window.in[1] = rows;
    depthwise.window.pads_begin[1] = strip.pad_begin;
    depthwise.window.pads_end[1] = strip.pad_end;
    depthwise.window.out[1] = strip.out_end - strip.out_begin;
    const int64_t plane = window.in[1] * width, out_plane = window.out[1] * window.out[2];
    PatchOptions wide, flat;
    wide.tile = ActivePatchTiles().wide;
    flat.tile = ActivePatchTiles().flat;
    flat.positions = 2048;
    flat.whole_rows = true;
    StripPlans plans;
    ERGO_ASSIGN_OR_RETURN(plans.expand,
                          PatchPlan::Make(expand, {0, plane, 0, 0}, {0, rows * width, 0, 0}, wide));
    ERGO_ASSIGN_OR_RETURN(plans.depthwise, PatchPlan::Make(depthwise, {0, rows * width, 0, width},
                                                           {0, out_plane, 0, window.out[2]}, flat));
    strip.plans = plans_.size();
    buffer_elements_ = std::max(buffer_elements_, hidden_ * rows * width);
    scratch_elements_ = std::max(
        {scratch_elements_, plans.expand.ScratchElements(), plans.depthwise.ScratchElements()});
    plans_.push_back(std::move(plans));
    strips_.push_back(strip);
    return {};
  }

  // Hidden channels one after the other; plans of all strips pack alike.
  void Pack(const MakeContext& context) {
    const StripPlans& plans = plans_[0];
    const int64_t blocks = problem_.expand.out_channels / hidden_;
    const auto pack = [&](const PatchPlan& plan, const ConvProblem& whole) {
      const auto* weights = static_cast<const float*>(whole.weights);
      const int64_t elements = whole.WeightElements();
      return PackWeights(context.packs, weights,
                         fmt::format("conv_pair/{}/{}", hidden_, plan.PackFormat()),
                         static_cast<size_t>(elements) * sizeof(float), [&](AlignedBuffer& packed) {
                           for (int64_t block = 0; block < blocks; ++block) {
                             const int64_t at = block * elements / blocks;
                             for (int64_t group = 0; group < plan.problem.groups; ++group) {
                               plan.PackWeights(weights + at, group, packed.As<float>() + at);
                             }
                           }
                         });
    };
    expand_weights_ = pack(plans.expand, problem_.expand);
    depthwise_weights_ = pack(plans.depthwise, problem_.depthwise);
  }

  void RunStrip(const Strip& strip, int64_t image, int64_t channel, const float* x,
                const float* const (&biases)[2], float* y, float* memory) const {
    const ConvProblem &first = problem_.expand, &second = problem_.depthwise;
    const StripPlans& plans = plans_[strip.plans];
    const int64_t width = second.window.in[2], plane = second.window.in[1] * width;
    float* const buffer = memory;
    float* const scratch = memory + RoundUp<int64_t>(buffer_elements_, kTensorAlignment);
    PatchOperands expand{};
    expand.x = x + image * first.in_channels * plane + strip.in_begin * width;
    expand.weights = expand_weights_->As<float>() + channel * first.in_channels;
    expand.bias = biases[0] == nullptr ? nullptr : biases[0] + channel;
    expand.y = buffer;
    run_(plans.expand, expand, 0, plans.expand.TaskCount(), scratch);
    PatchOperands depthwise{};
    depthwise.x = buffer;
    depthwise.weights = depthwise_weights_->As<float>() + channel * second.window.KernelElements();
    depthwise.bias = biases[1] == nullptr ? nullptr : biases[1] + channel;
    depthwise.y = y + (image * second.out_channels + channel) * second.window.OutElements() +
                  strip.out_begin * second.window.out[2];
    run_(plans.depthwise, depthwise, 0, plans.depthwise.TaskCount(), scratch);
  }

  int64_t WorkerElements() const {
    return RoundUp<int64_t>(buffer_elements_, kTensorAlignment) +
           RoundUp<int64_t>(scratch_elements_, kTensorAlignment);
  }

  ConvPairProblem problem_;
  int64_t hidden_;
  int max_workers_;
  RunPatchTasksFn run_;
  std::vector<Strip> strips_;
  std::vector<StripPlans> plans_;
  int64_t buffer_elements_ = 0, scratch_elements_ = 0;
  PackedWeights expand_weights_, depthwise_weights_;
};

}  // namespace

MadeKernel MakeConvPairStrips(const ConvPairProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckConvPair(problem));
  const Window& window = problem.depthwise.window;
  if (window.in[0] != 1 || window.kernel[0] != 1 || window.out[0] != 1) {
    return Unsupported("not two-dimensional: {}", window.ToString());
  }
  if (problem.expand.weights == nullptr || problem.depthwise.weights == nullptr) {
    return Unsupported("weights that only a run knows");
  }
  if (problem.expand.in_channels == 0) return Unsupported("no input channels");
  const int64_t hidden = HiddenChannels(problem.expand.out_channels);
  if (hidden == 0) {
    return Unsupported("{} channels are no multiple of {}", problem.expand.out_channels,
                       kMinHiddenChannels);
  }
  ChooseSimdTarget();
  return ConvPairStrips::Make(problem, hidden, context);
}

}  // namespace ergo
